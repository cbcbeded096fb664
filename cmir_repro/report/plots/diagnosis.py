"""Values with intervals of several methods, row by row."""

import pandas as pd
from matplotlib.figure import Figure

from cmir_repro.report.plots.methods import looks
from cmir_repro.report.plots.style import (
    MUTED,
    SMALL,
    WIDTH,
    closed,
    columns_of,
    legend,
    named_rows,
    panels,
)


@closed
def dots_by_row(table: pd.DataFrame, by: str, title: str = "", label: str = "%") -> Figure:
    """A row for each value of a column, and in it a dot with its interval for each method.

    Args:
        table: columns `by`, method, value, low, high.
        by: the column that names the rows, top to bottom in the order of the table.
        title: of the figure. label: of the axis.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", by, "method", "value", "low", "high")
    rows, methods = list(table[by].unique()), list(table["method"].unique())
    figure, ((axis,),) = panels(1, 1, (WIDTH, 0.4 * len(rows) + 1.1), title)
    for i, method in enumerate(methods):
        part = table[table["method"] == method]
        color, marker = looks(methods)[method]
        y = part[by].map(rows.index) + 0.6 * ((i + 0.5) / len(methods) - 0.5)
        axis.hlines(y, part["low"], part["high"], color=color, lw=2)
        axis.plot(part["value"], y, marker, color=color, ms=5, label=method)
    named_rows(axis, rows)
    axis.set_xlabel(label, color=MUTED, fontsize=SMALL)
    legend(figure, "right center")
    return figure
