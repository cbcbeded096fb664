"""Cells and rows of Markdown tables."""

from collections.abc import Iterable, Sequence

import pandas as pd


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table, its cells as they are: no padding, so that one row moves one line."""
    lines = [head, *rows]
    shown = [f"| {' | '.join(cells)} |" for cells in lines]
    return [shown[0], "|---" * len(head) + "|", *shown[1:]]


def mean(row: pd.Series) -> str:
    """ "mean [low, high]" of a row of `tables.means`; the mean alone where there is no interval."""
    if pd.isna(row["low"]):
        return f"{row['mean']:.1f}"
    low, high = max(row["low"], 0), row["high"]
    if row["metric"] != "RSUM":  # a sum of six percentages
        high = min(high, 100)
    return f"{row['mean']:.1f} [{low:.1f}, {high:.1f}]"


def difference(row: pd.Series) -> str:
    """ "difference [low, high]" of a row of `tables.against`, with signs."""
    return f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
