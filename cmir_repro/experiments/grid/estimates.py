"""How long the cells that are left will take, by what finished ones took."""

from collections.abc import Iterable
from statistics import median

from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.base import RunConfig


class Estimates:
    """Seconds of training by the records of the ledgers.

    A step takes what those of its method took at its scale, or else those of its system (medians).
    """

    def __init__(self) -> None:
        self.found: dict[tuple, list[float]] = {}
        for record in ledger.records():
            if record.kind == "run" and record.seconds is not None:
                self.add(record)

    def add(self, record: ledger.Record) -> None:
        """Learn from one more record."""
        for key in _keys(record.system, record):
            self.found.setdefault(key, []).append(record.seconds / (record.steps or 1))

    def seconds(self, cell: RunConfig) -> float | None:
        """Of one cell; None where nothing like it was ever run."""
        known = (self.found[key] for key in _keys(cell.system, cell) if key in self.found)
        step = next((median(values) for values in known), None)
        return None if step is None else step * cell.train.steps

    def total(self, cells: Iterable[RunConfig], workers: int = 1) -> str:
        """Of several cells, in words."""
        each = [self.seconds(cell) for cell in cells]
        known = [seconds for seconds in each if seconds is not None]
        unknown = len(each) - len(known)
        if not known:
            return "unknown"
        return shown(sum(known) / workers) + (f" and {unknown} cells unknown" if unknown else "")


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
