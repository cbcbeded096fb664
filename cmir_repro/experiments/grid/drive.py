"""Cells to workers, until all are done or somebody asks to stop."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from cmir_repro.experiments.grid.cell import DIED, ELSEWHERE, STOPPED, Outcome, take
from cmir_repro.experiments.presets.base import RunConfig

TRIES = 2  # of a cell whose process died
PAUSES = 20  # of a cell whose worker is stopped from outside, as by the time limit of a job


class Pool(Protocol):
    """Workers of a backend."""

    # Whether a cell whose worker was stopped goes on at once: somebody else stopped it then.
    resumes: bool

    def room(self) -> bool:
        """Whether another cell can be given to it."""

    def submit(self, cell: RunConfig) -> None:
        """Begin with a cell."""

    def wait(self) -> list[Outcome]:
        """What became of cells; after a second at most, unless cells are run here."""

    def stop(self) -> None:
        """Ask all workers to keep a checkpoint and to stop; `wait` tells when they did."""

    def close(self) -> None:
        """Let go of the workers."""


class Here:
    """The process that asks: one cell after the other."""

    resumes = False

    def __init__(self, device: str, progress: bool) -> None:
        self.device, self.progress = device, progress
        self.cell: RunConfig | None = None

    def room(self) -> bool:
        return self.cell is None

    def submit(self, cell: RunConfig) -> None:
        self.cell = cell

    def wait(self) -> list[Outcome]:
        cell, self.cell = self.cell, None
        return [take(cell, self.device, self.progress)]

    def stop(self) -> None:
        """Nothing is at work between two cells."""

    def close(self) -> None:
        """There is nothing to let go of."""


def drive(
    pool: Pool,
    cells: Sequence[RunConfig],
    asked: Callable[[], bool],
    tell: Callable[[Outcome, float, bool], None],
) -> list[Outcome]:
    """Give cells to a pool in their order; what another grid is at comes again at the end.

    Args:
        asked: whether to stop.
        tell: is called with each outcome, its seconds, and whether the cell is tried again.

    Returns:
        The last outcome of each cell that was begun.
    """
    waiting, tries, last = deque(cells), Counter(), {}
    begun: dict[RunConfig, float] = {}
    stopping, again = False, True
    try:
        while True:
            if not stopping and asked():
                pool.stop()
                stopping = True
            while waiting and not stopping and pool.room():
                cell = waiting.popleft()
                begun[_key(cell)] = time.monotonic()
                pool.submit(cell)
            if not begun:
                elsewhere = [o.cell for o in last.values() if o.state == ELSEWHERE]
                if stopping or not (elsewhere and again):
                    return list(last.values())
                waiting, again = deque(elsewhere), False
                continue
            for outcome in pool.wait():
                if stopping and outcome.state == DIED:  # some workers know no other way to stop
                    outcome = outcome._replace(state=STOPPED)
                key = _key(outcome.cell)
                tries[key, outcome.state] += 1
                times = tries[key, outcome.state]
                retried = not (stopping or asked()) and _again(outcome, times, pool)
                if retried:
                    waiting.appendleft(outcome.cell)
                stopping |= outcome.state == STOPPED and not pool.resumes
                last[key] = outcome
                tell(outcome, time.monotonic() - begun.pop(key), retried)
    finally:
        pool.close()


def _again(outcome: Outcome, times: int, pool: Pool) -> bool:
    if outcome.state == STOPPED:
        return pool.resumes and times < PAUSES
    return outcome.state == DIED and times < TRIES


def _key(cell: RunConfig) -> str:
    return cell.model_dump_json()
