"""The cells of the tables, methods x tasks x seeds, the most wanted first."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.experiments.presets import aai, base, crcgs, dim
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.systems import SYSTEMS

SEEDS = (0, 1, 2)
ALL = "all"  # systems


class Wave(NamedTuple):
    """Cells that are wanted before those of later waves."""

    system: str
    task: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = SEEDS


_FUSIONS = ("TIRG", "Concatenation", "Parameter hashing", "FiLM", "TIRG last conv")
HEADLINE = (*dim.UNIMODAL, *_FUSIONS, *(name + dim.WITH_DIM for name in _FUSIONS))
# Our choice: what the papers claim first. What is in no wave comes last.
WAVES = (
    Wave("dim", "3d-3d", HEADLINE),
    Wave("dim", "3d-3d", tuple(dim.ABLATED)),
    Wave("dim", "3d-3d", tuple(dim.METHODS)),
    Wave("aai", "3d", tuple(aai.METHODS)[: list(aai.METHODS).index(aai.FULL) + 1], (0, 1)),
    Wave(
        "crcgs",
        "3d-colour-shape",
        (
            *("Base", "Base + generative features", "Base + contrast", "Base + support set"),
            *("CRCGS", "Released", "DSCMR", *crcgs.BASELINES),
        ),
    ),
    Wave("dim", "2d-3d", HEADLINE),
)


def cells(
    system: str = ALL,
    scale: str = "mini",
    datasets: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    search: bool = False,
) -> list[RunConfig]:
    """Every cell of a system's tables, in the order they are run: by WAVES, and in a wave by seed.

    Of a search: by default on CSS in its first task, all of a seed before the next one, in the
    order of promise; see experiments.search.

    Args:
        system: a key of SYSTEMS, or "all".
        datasets: by default those of the tables, photographs only where somebody put them.
        tasks: by default those of the tables for each data set.
        methods: names of the tables, of the ablation or of the user's own; by default those of the
            tables and the ablation that fit a data set's texts, of a search all that it tries.
        search: cells that are validated only, and never see the test data.

    Raises:
        InputError: an unknown name, or "all" with data or a task of one system only.
    """
    one_of("system", system, (*SYSTEMS, ALL))
    if search:  # what is tried are settings of the small nets
        one_of("scale of a search", scale, ("mini", "full"))
    names = list(SYSTEMS) if system == ALL else [system]
    known = {name: SYSTEMS[name].presets.known() for name in names}
    for method in methods or ():
        one_of("method", method, [m for found in known.values() for m in found])
    if system == ALL:
        tables = [SYSTEMS[name].presets.TASKS for name in names]
        _of_the_tables("data set", datasets, {d for table in tables for d in table})
        _of_the_tables("task", tasks, {t for table in tables for of in table.values() for t in of})
    found = [
        cell
        for name in names
        if methods is None or known[name].keys() & set(methods)
        for cell in _cells(
            name, scale, datasets, tasks, methods, seeds, search, named=system != ALL
        )
    ]
    if search:
        return [cell.model_copy(update={"search": True}) for cell in found]
    return sorted(found, key=_wave)


def command(system: str, cell: RunConfig) -> str:
    """What to type to get a cell."""
    words = (
        "cmir", "grid", system, "--scale", cell.scale, "--dataset", cell.dataset,
        "--task", cell.task, "--method", cell.method, "--seed", str(cell.train.seed),
        *(["--search"] if cell.search else []),
    )  # fmt: skip
    return shlex.join(words)


def _cells(
    system, scale, datasets, tasks, methods, seeds, search: bool, named: bool
) -> list[RunConfig]:
    presets = SYSTEMS[system].presets
    of_tables = {
        d: t for d, t in presets.TASKS.items() if d == "css" or (paths.data() / d).exists()
    }
    # Only where they are named: methods of one's own, and settings that a search tried.
    tried = [name for name, candidate in presets.SEARCH.items() if candidate.method != name]
    more = [method for method in (*base.own(system), *tried) if method in (methods or ())]

    def tasks_of(dataset: str) -> Sequence[str]:
        usual = presets.TASKS.get(dataset, (presets.default_task(dataset),))
        usual = usual[:1] if search else usual
        if named:
            return tasks or usual
        return [task for task in usual if task in (tasks or usual)]

    return [
        presets.configure(dataset, task, scale, method, seed)
        for dataset in (datasets or (["css"] if search else of_tables))
        if named or dataset in of_tables
        for task in tasks_of(dataset)
        for group in (
            [base.candidates(presets, dataset, task, scale)]
            if search
            else [*presets.groups(dataset, task), more]
        )
        for seed in seeds
        for method in group
        if methods is None or method in methods
    ]


def _of_the_tables(what: str, wanted: Sequence[str] | None, known: set[str]) -> None:
    for name in wanted or ():
        if name not in known:
            raise InputError(
                f"{what} {name!r} is not of the tables of all systems; name one: cmir grid "
                f"{' or '.join(SYSTEMS)}"
            )


def _wave(cell: RunConfig) -> int:
    for number, wave in enumerate(WAVES):
        if (
            (cell.dataset, cell.system, cell.task) == ("css", wave.system, wave.task)
            and cell.method in wave.methods
            and cell.train.seed in wave.seeds
        ):
            return number
    return len(WAVES)
