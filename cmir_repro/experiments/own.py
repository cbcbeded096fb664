"""A user's own models and features in the user's own tables.

    own.register_method("dim", "TIRG, 512 wide", {"compositor": "tirg", "embed_dim": 512})
    own.register_compositor("mine", Mine, "My fusion")
    own.record_scores("dim", "My features", {"queries": "q.npz", "gallery": "g.npz"}, "fashioniq")

What is registered is kept in the user's ledger: `configure`, the grid and the tables know the name
from then on. A compositor's class must be registered anew in each process that trains it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from cmir_repro.core.errors import InputError, naming, one_of
from cmir_repro.core.files import sha256, write_json
from cmir_repro.evaluation.features import load_features
from cmir_repro.experiments import ledger, versions
from cmir_repro.experiments.experiment import Experiment
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.presets import base
from cmir_repro.experiments.presets.dim import WITH_DIM
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.models.compositors import COMPOSITORS, Compositor

SELECTION = "features from files"  # what a record of features says of its selection


def register_method(system: str, name: str, settings: dict) -> None:
    """Make a method of one's own known by name; the same name again changes its settings.

    Args:
        system: a key of SYSTEMS.
        name: none of the tables'.
        settings: what differs from the scale's model, as in the METHODS of presets.

    Raises:
        InputError: an unknown system, a name of the tables, or settings that do not fit.
    """
    _check_name(system, name)
    SYSTEMS[system].presets.configure(method=name, model=settings)  # refuses what does not fit
    kept = base.own_methods()
    write_json(base.own_file(), kept | {system: kept.get(system, {}) | {name: settings}})


def register_compositor(key: str, kind: type[Compositor], name: str) -> None:
    """Make a fusion of one's own known: the methods `name` and `name` + DIM of composed retrieval.

    Args:
        key: what configurations call it.
        kind: the class.
        name: what the tables call it.

    Raises:
        InputError: the key or the name is taken, or the class is no `Compositor`.
    """
    if not (isinstance(kind, type) and issubclass(kind, Compositor)):
        raise InputError(f"compositor {key!r} must be a class derived from Compositor")
    known = COMPOSITORS.get(key)
    if known is not None and known.__module__.startswith("cmir_repro."):
        raise InputError(f"the name {key!r} is that of {known.__name__}; choose another one")
    COMPOSITORS[key] = kind
    register_method("dim", name, {"compositor": key})
    register_method("dim", name + WITH_DIM, {"compositor": key, "dim": {}})


def record_scores(
    system: str,
    method: str,
    files: Mapping[str, Path | str],
    dataset: str = "css",
    task: str = "auto",
    scale: str = "mini",
    seed: int = 0,
    command: str = "unknown",
) -> Record:
    """Score features of any model exactly as a run is scored, and keep that in the user's ledger.

    Args:
        system: a key of SYSTEMS, which says what is asked.
        method: what the tables call it; none of their own names.
        files: a feature file (.npz with ids of the test data) for each name that the system's
            experiment wants: "queries" and "gallery"; "images" and "sentences"; "images", "texts".
        dataset, task, scale: as of a run.
        seed: which of the method's trainings these come from.
        command: what to type to get this record.

    Raises:
        InputError: an unknown name, a data set that is not here, or files that do not fit it.
    """
    _check_name(system, method)
    presets, kind = SYSTEMS[system].presets, SYSTEMS[system].experiment
    if files.keys() != set(kind.files):
        raise InputError(
            f"features of {system} are the files {', '.join(kind.files)}; "
            f"got {', '.join(files) or 'none'}"
        )
    config = presets.configure(dataset, task, scale, seed=seed)  # its data only, not its model
    experiment = kind(config, progress=False)
    found = {name: load_features(Path(files[name])) for name in kind.files}
    with naming(" and ".join(str(files[name]) for name in kind.files)):
        queries, result = experiment.score(experiment.read(found))
    digests = {name: sha256(Path(files[name])) for name in kind.files}
    return keep_features(experiment, method, digests, queries, result, seed, command)


def keep_features(
    experiment: Experiment,
    method: str,
    digests: Mapping[str, str],
    queries: pd.DataFrame,
    result: dict,
    seed: int,
    command: str,
    validation: Mapping[str, float] | None = None,
    components: Iterable[str] = (),
) -> Record:
    """Write what features scored into the user's ledger.

    Args:
        experiment: on whose data; of its configuration these count alone.
        method: what the tables call it.
        digests: of the files: which -> sha256.
        queries, result: of `Experiment.score`.
        validation: figures of what was chosen on validation data.
        components: keys of VERSIONS, what decided beside data and scoring.
    """
    config, info = experiment.config, experiment.data.info
    where = config.dataset, config.task, config.scale, method, seed
    record = Record.make(
        kind="features",
        system=config.system,
        run=ledger.run_name(*where, {"files": digests}),
        dataset=config.dataset,
        task=config.task,
        scale=config.scale,
        method=method,
        seed=seed,
        config={},
        selection=SELECTION,
        data={
            "manifest": experiment.data.manifest_hash,
            "tables": info.get("tables_sha256", "unknown"),
            "kind": info["provenance"]["kind"],
            "weights": "unknown",
        },
        code=ledger.code(),
        versions=versions.scored(config) | {name: versions.VERSIONS[name] for name in components},
        hardware={},
        software=ledger.software(),
        parameters=None,
        steps=None,
        seconds=None,
        peak_memory_gb=None,
        result=result,
        validation=dict(validation or {}),
        checkpoint_sha256=None,
        files=dict(digests),
        command=command,
        finished=ledger.now(),
    )
    ledger.save(record, queries, [])
    return record


def registered(system: str) -> list[str]:
    """The names of the methods that the user registered for a system."""
    return list(base.own(system))


def rows(system: str, dataset: str, scale: str, task: str) -> dict[str, list[Record]]:
    """What the user's tables add to the committed ones: row -> records by seed.

    These are the runs of registered methods, those on feature files and the recorded features of
    the user's ledger. Where
    a method was run with several settings, or features of one seed were recorded twice, each has
    its row, told apart by a few digits.
    """
    names = registered(system)
    groups: dict[str, dict[str, list[Record]]] = {}
    where = {"dataset": dataset, "scale": scale, "task": task, "system": system}
    for record in ledger.records(ledger.OWN, **where):
        read = record.config.get("features")
        if record.kind == "features" or record.method in names or read:
            stems = [Path(path).stem for path in (read or {}).values() if path]
            name = f"{record.method} on {' and '.join(stems)}" if read else record.method
            settings = groups.setdefault(name, {})
            settings.setdefault(_settings(record, settings), []).append(record)
    return {
        method if len(settings) == 1 else f"{method} ({digits})": records
        for method, settings in groups.items()
        for digits, records in settings.items()
    }


def _settings(record: Record, there: dict[str, list[Record]]) -> str:
    """A few digits that tell the settings of a record, its seed left out, from those of others."""
    if record.kind == "features":
        # Files say nothing of settings: one row as long as each seed comes once.
        seeds = {r.seed for r in there.get("features", [])}
        return record.run.rpartition("-")[2] if record.seed in seeds else "features"
    train = {key: x for key, x in record.config["train"].items() if key != "seed"}
    return ledger.digest({**record.config, "train": train})


def _check_name(system: str, name: str) -> None:
    """Refuse an unknown system, and a name that a method of the tables has."""
    one_of("system", system, SYSTEMS)
    presets = SYSTEMS[system].presets
    if not name or name in presets.known().keys() - base.own(system).keys():
        raise InputError(f"the tables have a method {name!r} of their own; choose another name")
