"""Rows of cells as a Markdown table."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table, its cells as they are: no padding, so that one row moves one line."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    # An empty cell is one space wide.
    return lines + [
        "|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in rows
    ]
