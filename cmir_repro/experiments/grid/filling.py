"""The grid from end to end: what is missing, done by a backend, and told line by line."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from cmir_repro.core.board import Board
from cmir_repro.core.device import DEVICES, choose
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.data import registry
from cmir_repro.experiments import identity, ledger
from cmir_repro.experiments.grid import settings
from cmir_repro.experiments.grid.cell import (
    DIED,
    DONE,
    ELSEWHERE,
    FAILED,
    STOPPED,
    THERE,
    Outcome,
    interruptible,
    load,
)
from cmir_repro.experiments.grid.cells import ALL, SEEDS, cells
from cmir_repro.experiments.grid.drive import Here, Pool, drive
from cmir_repro.experiments.grid.estimates import Estimates, shown
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.training import together
from cmir_repro.training.stop import Stop


class Filled(NamedTuple):
    """What became of a grid: names of cells.

    there: in a ledger before. run: done now. left: all others, of which
    elsewhere: another process is at them. failed: they cannot be run, with the reason.
    times: of those that are left, in words.
    """

    there: list[str]
    run: list[str]
    left: list[str]
    elsewhere: list[str]
    failed: dict[str, str]
    times: list[str]


def fill(
    system: str = ALL,
    scale: str = "mini",
    datasets: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    search: bool = False,
    *,
    device: str | None = None,
    backend: settings.Backend | None = None,
    seconds: int | None = None,
    list_only: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Filled:
    """Run the cells that neither ledger holds, as the code is now.

    Args:
        system, scale, datasets, tasks, methods, seeds, search: see `cells`.
        device: "cpu", "cuda" or "auto", what there is, by default; of jobs, where they run.
        backend: where; by default in this process.
        seconds: stop after so long, at the end of a step; by default when all is done.
        list_only: only tell what is missing.
        say: is told in one line each how many cells there are, what became of them, what is left.

    Raises:
        InputError: an unknown name, a data set that is not prepared, or nothing can be run.
    """
    backend = backend or settings.Here()
    one_of("device", device or "auto", DEVICES)
    # Jobs choose where they are: who hands them out may have no GPU.
    theirs = device or "auto" if isinstance(backend, settings.Slurm | settings.Dask) else None
    device = choose("auto" if theirs else device)
    load(backend.imports)
    every = cells(system, scale, datasets, tasks, methods, seeds, search)
    for dataset in datasets or ():
        _known(dataset, list_only)
    missing = [cell for cell in every if not identity.current(cell)]
    if several := not list_only and _processes(backend, device):
        missing = broadcast_object_list([missing])[0]  # another grid may have done one just now
        say = say if several.is_main_process else _silent
    there = [identity.name(cell) for cell in every if cell not in missing]
    say(f"{len(there)} of {len(every)} cells are in the ledger")
    report = _Report(missing, backend, say)
    if missing and list_only:
        say(report.rest())
        for line in report.estimates.by_system(missing):
            say(line)
    if missing and not list_only:
        _prepare(missing, device, progress)
        _run(report, theirs or device, seconds, progress)
        report.end()
        if report.failed and not report.run and len(set(report.failed.values())) == 1:
            raise InputError(next(iter(report.failed.values())))
    left = [cell for cell in missing if identity.name(cell) not in report.run]
    return Filled(
        there,
        report.run,
        [identity.name(cell) for cell in left],
        report.elsewhere,
        report.failed,
        [shown(report.estimates.seconds(cell)) for cell in left],
    )


class _Report:
    """What became of the cells so far, told line by line."""

    def __init__(self, cells: list[RunConfig], backend, say: Callable[[str], None]) -> None:
        self.cells, self.backend, self.say = cells, backend, say
        self.estimates = Estimates()
        self.workers = getattr(backend, "workers", 1)
        self.started = time.monotonic()
        self.left = {identity.name(cell): cell for cell in cells}
        self.run: list[str] = []
        self.elsewhere: list[str] = []
        self.failed: dict[str, str] = {}
        self.stopped = False

    def tell(self, outcome: Outcome, seconds: float, retried: bool) -> None:
        """See `drive`."""
        name = identity.name(outcome.cell)
        if outcome.state in (DONE, THERE):
            self.left.pop(name, None)
            self.run += [name]
        if name in self.elsewhere:
            self.elsewhere.remove(name)
        if outcome.state == DONE:
            self.estimates.add(identity.held(outcome.cell))
            self.say(f"done {name} in {shown(seconds)}; {self.rest()}")
        elif outcome.state == ELSEWHERE:
            self.elsewhere += [name]
        elif outcome.state == STOPPED:
            self.stopped = not retried
        elif outcome.state in (DIED, FAILED):
            then = "; another one goes on with it" if retried else ""
            self.say(f"{name}: {outcome.why}{then}")
            if not retried:
                self.failed[name] = outcome.why

    def end(self) -> None:
        """What is left, at the end."""
        if self.left:
            took = shown(time.monotonic() - self.started)
            begin = "stopped after" if self.stopped or self._untried() else "ended after"
            self.say(f"{begin} {took}; {self.rest()}")
        if self.elsewhere:
            self.say(f"other processes are at {', '.join(self.elsewhere)}")

    def _untried(self) -> bool:
        return bool(self.left.keys() - {*self.elsewhere, *self.failed})

    def rest(self) -> str:
        """How many are left, and how long they will take."""
        if not self.left:
            return "none is left"
        return f"{len(self.left)} cells are left: {self._time()}"

    def _time(self) -> str:
        beside = f" with {self.workers} workers" if self.workers > 1 else ""
        return f"{self.estimates.total(self.left.values(), self.workers)}{beside}"


def _processes(backend: settings.Backend, device: str) -> PartialState | None:
    """The processes that do each cell together, where there are several."""
    if isinstance(backend, settings.Here):
        found = together.start(device)
        return found if found.num_processes > 1 else None
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise InputError(
            f"backend {backend.backend!r} starts processes of its own, a cell each; accelerate "
            "launch goes without --backend, all processes at one cell"
        )
    return None


def _silent(line: str) -> None:
    """What the first process says the others need not say."""


def _known(dataset: str, list_only: bool) -> None:
    """Refuse a data set that is not here; to be listed it may be one that others have."""
    made = {name for script in registry.SCRIPTS.values() for name in script.makes}
    if not (list_only and (dataset in made or ledger.records(dataset=dataset))):
        registry.check(dataset)


def _prepare(missing: list[RunConfig], device: str, progress: bool) -> None:
    """Bring the data of all cells to where the workers find them; what lacks, cells will say."""
    for dataset, scale in dict.fromkeys((cell.dataset, cell.scale) for cell in missing):
        registry.open(dataset, scale, device, progress)


def _run(report: _Report, device: str, seconds: int | None, progress: bool) -> None:
    if isinstance(report.backend, settings.Here):
        with interruptible(seconds), suppress(KeyboardInterrupt):  # that is between two cells
            drive(Here(device, progress), report.cells, lambda: False, report.tell)
        return
    board = Board(progress)
    report.say = board.around(report.say)
    with Stop() as stop:
        end = time.monotonic() + seconds if seconds else None

        def asked() -> bool:
            return stop.asked or (end is not None and time.monotonic() >= end)

        drive(_pool(report.backend, device, board), report.cells, asked, report.tell)
    board.close()


def _pool(backend: settings.Backend, device: str, board: Board) -> Pool:
    from cmir_repro.experiments.grid import cluster, local

    if isinstance(backend, settings.Slurm):
        return cluster.Jobs(backend, device)
    if isinstance(backend, settings.Dask):
        return cluster.Tasks(backend, device)
    return local.Workers(backend, device, board.show)
