"""The experiment grid: methods x tasks x seeds; run what the ledgers lack, in the time there is.

A cell that is broken off goes on where it stopped the next time.
"""

import shlex
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from cmir_repro.core import paths
from cmir_repro.core.device import choose
from cmir_repro.core.errors import one_of
from cmir_repro.core.progress import bar
from cmir_repro.data import registry
from cmir_repro.experiments import identity
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.run import run
from cmir_repro.experiments.systems import SYSTEMS

SEEDS = (0, 1, 2)


class Filled(NamedTuple):
    """What became of a grid: names of the cells that were there before, were run, and are left."""

    there: list[str]
    run: list[str]
    left: list[str]


def cells(
    system: str,
    scale: str = "mini",
    datasets: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
) -> list[RunConfig]:
    """Every cell of a system's tables, in the order they are run: all methods of a seed come first.

    Args:
        datasets: by default those of the tables, photographs only where somebody put them.
        tasks: by default those of the tables for each data set.
        methods: names of the tables or of the ablation; by default all that fit a data set's texts.

    Raises:
        InputError: an unknown name.
    """
    one_of("system", system, SYSTEMS)
    presets = SYSTEMS[system].presets
    for method in methods or ():
        one_of("method", method, presets.known())
    default = [d for d in presets.TASKS if d == "css" or (paths.data() / d).exists()]
    return [
        presets.configure(dataset, task, scale, method, seed)
        for dataset in datasets or default
        for task in tasks or presets.TASKS.get(dataset, (presets.default_task(dataset),))
        for group in presets.groups(dataset, task)
        for seed in seeds
        for method in group
        if methods is None or method in methods
    ]


def fill(
    system: str,
    scale: str = "mini",
    datasets: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    *,
    device: str | None = None,
    seconds: int | None = None,
    list_only: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Filled:
    """Run the cells that neither ledger holds, as the code is now.

    Args:
        system, scale, datasets, tasks, methods, seeds: see `cells`.
        device: "cpu" or "cuda"; by default what there is.
        seconds: stop after so long, at the end of a step; by default when all is done.
        list_only: only tell what is missing.
        say: is told in one line each how many cells there are, and what is left.

    Returns:
        What was there, what was run and what is left; nothing is left if all is done.

    Raises:
        InputError: an unknown name, or a data set that is not prepared.
        TrainingError: a cell cannot be trained.
    """
    device = choose(device)
    every = cells(system, scale, datasets, tasks, methods, seeds)
    missing = [cell for cell in every if not identity.current(cell)]
    there = [identity.name(cell) for cell in every if cell not in missing]
    say(f"{len(there)} of {len(every)} cells are in the ledger")
    if list_only:
        return Filled(there, [], [identity.name(cell) for cell in missing])
    for dataset in dict.fromkeys(cell.dataset for cell in missing):
        registry.check(dataset)
    started, done = time.monotonic(), []
    try:
        with _alarm(seconds):
            for cell in bar(missing, unit="cell", desc="grid", disable=not progress):
                run(cell, device=device, progress=progress, command=command(system, cell))
                done.append(identity.name(cell))
    except KeyboardInterrupt:
        left = len(missing) - len(done)
        say(f"stopped after {time.monotonic() - started:.0f} s; {left} cells are left")
    return Filled(there, done, [identity.name(cell) for cell in missing[len(done) :]])


def command(system: str, cell: RunConfig) -> str:
    """What to type to get a cell."""
    words = (
        "cmir", "grid", system, "--scale", cell.scale, "--dataset", cell.dataset,
        "--task", cell.task, "--method", cell.method, "--seed", str(cell.train.seed),
    )  # fmt: skip
    return shlex.join(words)


@contextmanager
def _alarm(seconds: int | None) -> Iterator[None]:
    """Ctrl-C after so long: training ends its step, saves, and says where it stopped."""
    if not seconds:
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
