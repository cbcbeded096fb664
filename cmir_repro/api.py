"""The thin face: what users do, as six functions. docs/api.md has an example of each.

What a function needs is imported when it is called: scoring features loads no torch.
"""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from cmir_repro.core.errors import InputError, first, one_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cmir_repro.data.prepared import Prepared
    from cmir_repro.experiments.experiment import Run
    from cmir_repro.experiments.presets.base import RunConfig
    from cmir_repro.experiments.shared import Shared

# Names of two feature files -> module of evaluation that scores them.
SCORERS = {
    ("queries", "gallery"): "recall",
    ("images", "sentences"): "image_text",
    ("queries", "database"): "labels",
    ("source", "annotations"): "judged_files",
}


def prepare(name: str = "css", /, **options: object) -> "Prepared":
    """Bring a data set into the prepared layout, and open it.

    Args:
        name: a command of `cmir prepare`.
        options: of that command, `_` for `-`; files and folders may be strings.

    Raises:
        InputError: an unknown name or option, one that lacks, or files that cannot be used.
    """
    from cmir_repro.data import registry

    one_of("data set", name, registry.SCRIPTS)
    script = registry.script(name)
    known = inspect.signature(script).parameters
    for option in options:
        one_of(f"{name}: option", option, known)
    for option, found in known.items():
        if found.default is found.empty and option not in options:
            raise InputError(f"{name}: the option {option!r} is missing")
    return script(**{key: _typed(known[key].annotation, value) for key, value in options.items()})


def run(
    method: str = "TIRG",
    dataset: str = "css",
    task: str = "auto",
    scale: str = "mini",
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    **settings: object,
) -> "Run":
    """Train and score one model, or find it in the ledger.

    Args:
        method: of the tables of any system, or one of your own that was registered.
        dataset, scale: that the system has settings for.
        task: of the data set; "auto": its first.
        seed: of initial weights and batches.
        device: "cpu", "cuda" or "auto": what there is.
        settings: further arguments of the system's `configure`, say training={"steps": 100}.

    Raises:
        InputError: an unknown name or setting, or data that are not here.
    """
    from cmir_repro.core.device import choose
    from cmir_repro.experiments.run import run as run_one
    from cmir_repro.experiments.systems import SYSTEMS

    systems = [name for name, system in SYSTEMS.items() if method in system.presets.known()]
    if not systems:
        every = [name for system in SYSTEMS.values() for name in system.presets.known()]
        one_of("method", method, every)
    configure = SYSTEMS[systems[0]].presets.configure
    for setting in settings:
        one_of("setting", setting, inspect.signature(configure).parameters)
    config = configure(dataset, task, scale, method, seed, **settings)
    typed = _command(systems[0], config, settings)
    return run_one(config, device=choose(device), progress=progress, command=typed)


def score(protocol: str, ties: str | None = None, seed: int = 0, **files: Path | str) -> dict:
    """Score features of any model.

    Args:
        protocol: name of a preset.
        ties: "mean", "best" or "worst"; None: what the protocol says.
        seed: of the bootstrap.
        files: two feature files by name: queries and gallery (composed retrieval), images and
            sentences, or queries and database (categories); or source and annotations of a
            benchmark (docs/benchmarks.md).

    Returns:
        JSON values: protocol, counts, "metrics" (value, low, high, chance) and each query's own.

    Raises:
        InputError: an unknown protocol, other files than these, or files that do not fit.
    """
    from importlib import import_module

    from cmir_repro.core.protocol import TIES, preset

    scorer = next((m for names, m in SCORERS.items() if files.keys() == set(names)), None)
    if scorer is None:
        pairs = "; ".join(" and ".join(names) for names in SCORERS)
        raise InputError(f"files are {pairs}; got {', '.join(files) or 'none'}")
    rule = preset(protocol)
    if ties:
        one_of("ties", ties, TIES)
        rule = rule.changed(ties=ties)
    module = import_module(f"cmir_repro.evaluation.{scorer}")
    return module.score_files(
        **{name: Path(file) for name, file in files.items()}, protocol=rule, seed=seed
    )


def table(
    system: str = "dim", dataset: str = "css", task: str = "auto", scale: str = "mini"
) -> "pd.DataFrame":
    """The committed methods of a setting, then yours: means over seeds with their intervals.

    Raises:
        InputError: an unknown system, a setting that no record is of, or records that do not
            compare.
    """
    from cmir_repro.report import yours

    return yours.table(*_setting(system, dataset, task, scale))


def plot(
    system: str = "dim", dataset: str = "css", task: str = "auto", scale: str = "mini"
) -> "Figure":
    """`table` as a figure: dots with the t-interval over seeds.

    Raises:
        InputError: as in `table`, or no record of this setting.
    """
    from cmir_repro.report import yours
    from cmir_repro.report.plots import recall_intervals

    return recall_intervals(yours.means(*_setting(system, dataset, task, scale)))


def load(name: Path | str) -> "Shared":
    """A trained model: net, settings, vocabulary and record; its `query` answers a query.

    Args:
        name: of a model that came along (results/weights) or that `cmir export` wrote into your
            ledger, or a folder that it wrote.

    Raises:
        InputError: there is no such model, or its files are damaged.
    """
    from cmir_repro.experiments import shared

    return shared.load(name)


def _command(system: str, config: "RunConfig", settings: dict) -> str:
    """What gets a run again: the grid's command for a method of the tables, else a call of `run`.

    A user's own method is called too: its compositor's class is known to the process only in which
    it was registered.
    """
    from cmir_repro.experiments.grid import command
    from cmir_repro.experiments.presets import base
    from cmir_repro.experiments.systems import SYSTEMS

    cell = config.dataset, config.task, config.scale, config.method, config.train.seed
    named, own = SYSTEMS[system].presets, base.own(system)
    if config.method not in own and config == named.configure(*cell):
        return command(system, config)
    dataset, task, scale, method, seed = cell
    arguments = [repr(x) for x in (method, dataset, task, scale, seed)]
    arguments += [f"{key}={value!r}" for key, value in settings.items()]
    return f"cmir.run({', '.join(arguments)})"


def _setting(system: str, dataset: str, task: str, scale: str) -> tuple[str, str, str, str]:
    """A setting that a ledger has records of, if there is any of the system, its task by name."""
    from cmir_repro.experiments import ledger
    from cmir_repro.experiments.systems import SYSTEMS

    one_of("system", system, SYSTEMS)
    named = SYSTEMS[system].presets.default_task(dataset) if task == "auto" else task
    records = ledger.records(system=system)
    for key, value in (("scale", scale), ("dataset", dataset), ("task", named)):
        there = sorted({getattr(r, key) for r in records})
        records = [r for r in records if getattr(r, key) == value]
        if there and not records:
            raise InputError(
                f"no record of {system} has the {key} {value!r}; name one of {first(there, 10)}"
            )
    return system, dataset, scale, named


def _typed(annotation: object, value: object) -> object:
    """A value as a command would have it from the command line: paths, and what its option checks.

    Args:
        annotation: of the parameter.
    """
    value = _path(value) if "Path" in str(annotation) else value
    for option in getattr(annotation, "__metadata__", ()):
        check = getattr(option, "callback", None)
        value = check(value) if check else value
    return value


def _path(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_path(one) for one in value]
    return Path(value) if isinstance(value, str) else value
