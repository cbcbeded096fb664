"""How long the cells that are left will take, by what finished ones took."""

from collections.abc import Iterable
from statistics import median

from cmir_repro.experiments import ledger
from cmir_repro.experiments.grid import assumed
from cmir_repro.experiments.presets.base import RunConfig


class Estimates:
    """Seconds of training by the records of the ledgers.

    A step takes what those of its method took at its scale, or else those of its system (medians):
    of the processor where a record knows that, for a load of others and pauses do not change it.
    Where no record is like a cell, see `assumed`.
    """

    def __init__(self) -> None:
        self.found: dict[tuple, list[float]] = {}  # by the clock
        self.worked: dict[tuple, list[float]] = {}  # of the processor
        for record in ledger.records(kinds=("run", "search")):
            if record.seconds is not None:
                self.add(record)

    def add(self, record: ledger.Record) -> None:
        """Learn from one more record."""
        processes = record.hardware.get("processes", 1)
        for key in _keys(record.system, record):
            seconds = record.seconds * processes / (record.steps or 1)
            self.found.setdefault(key, []).append(seconds)
            # On a GPU the processor waits or does not, as it happens; of several processes a record
            # has that of the first.
            alone = processes == 1 and record.hardware["gpu"] is None
            if record.cpu_seconds is not None and alone:
                per_step = record.cpu_seconds / (record.steps or 1)
                self.worked.setdefault(key, []).append(per_step)

    def seconds(self, cell: RunConfig) -> float | None:
        """Of one cell; None where nothing like it was ever run or assumed."""
        keys = _keys(cell.system, cell)
        known = (times[key] for key in keys for times in (self.worked, self.found) if key in times)
        step = next((median(values) for values in known), None)
        return assumed.seconds(cell) if step is None else step * cell.train.steps

    def measured(self, cell: RunConfig) -> bool:
        """Whether records say how long it takes."""
        return any(key in self.found for key in _keys(cell.system, cell))

    def total(self, cells: Iterable[RunConfig], workers: int = 1) -> str:
        """Of several cells, in words."""
        each = [self.seconds(cell) for cell in cells]
        known = [seconds for seconds in each if seconds is not None]
        unknown = len(each) - len(known)
        if not known:
            return "unknown"
        return shown(sum(known) / workers) + (f" and {unknown} cells unknown" if unknown else "")

    def by_system(self, cells: Iterable[RunConfig]) -> list[str]:
        """A line a system: how many cells and optimiser steps, how long, and how that is known."""
        of: dict[str, list[RunConfig]] = {}
        for cell in cells:
            of.setdefault(cell.system, []).append(cell)
        lines = []
        for system, some in of.items():
            steps = sum(cell.updates() for cell in some)
            guessed = sum(not self.measured(c) and assumed.seconds(c) is not None for c in some)
            how = f", {guessed} of them by assumption (docs/many_machines.md)" if guessed else ""
            lines.append(f"{system}: {len(some)} cells, {steps:,} steps, {self.total(some)}{how}")
        return lines


def shown(seconds: float | None) -> str:
    """A time in words."""
    if seconds is None:
        return "unknown"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _keys(system: str, what: RunConfig | ledger.Record) -> list[tuple]:
    """From the most alike to the least."""
    return [(system, what.scale, what.dataset, what.method), (system, what.scale)]
