"""Cells and rows of Markdown tables."""

from collections.abc import Iterable, Sequence

import pandas as pd

from cmir_repro.evaluation.verdicts import ONE_SEED, Interval


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table, its cells as they are: no padding, so that one row moves one line."""
    lines = [head, *rows]
    shown = [f"| {' | '.join(cells)} |" for cells in lines]
    return [shown[0], "|---" * len(head) + "|", *shown[1:]]


def mean(row: pd.Series) -> str:
    """ "mean [low, high]" of a row of `tables.means`; the mean alone where there is no interval."""
    if pd.isna(row["low"]):
        return f"{row['mean']:.1f}"
    most = 600 if row["metric"] == "RSUM" else 100  # a sum of six percentages
    low, high = max(row["low"], 0), min(row["high"], most)
    return f"{row['mean']:.1f} [{low:.1f}, {high:.1f}]"


def difference(row: pd.Series) -> str:
    """`interval` of a row of `tables.against`; with one seed it says that it is over queries."""
    return interval(row) + (f" ({ONE_SEED})" if row["seeds"] == 1 else "")


def interval(found: Interval) -> str:
    """ "difference [low, high]", with signs."""
    return f"{found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


def bounds(found: Interval) -> str:
    """ "[low, high]" of percentages."""
    return f"[{found.low:.1f}, {found.high:.1f}]"
