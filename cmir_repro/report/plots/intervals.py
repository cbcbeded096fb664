"""Figures of dots with their intervals: recalls, and differences between methods."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cmir_repro.report.plots.style import (
    COLORS,
    MUTED,
    WIDTH,
    closed,
    columns_of,
    legend,
    look,
    named_rows,
    panels,
    reference,
    wrap,
)


@closed
def recall_intervals(
    table: pd.DataFrame, chance: float | Mapping[str, float] | None = None, title: str = ""
) -> Figure:
    """Recall per method as a dot with its interval; one panel per metric, methods top to bottom.

    Args:
        table: columns method, mean, low, high (all in percent), and metric where there is more
            than one panel. low and high may be NaN: a number without an interval is a hollow dot.
        chance: level of a random ranking, the same for all panels or per metric.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "method", "mean", "low", "high")
    if "metric" not in table:
        table = table.assign(metric="recall (%)")
    methods, metrics = list(table["method"].unique()), list(table["metric"].unique())
    size = (WIDTH, 0.36 * len(methods) + 1.1)
    figure, axes = panels(1, len(metrics), size, title, sharey=True)
    for axis, metric in zip(axes[0], metrics, strict=True):
        part = table[table["metric"] == metric]
        y = part["method"].map(methods.index)
        known = part["low"].notna() & part["high"].notna()
        axis.hlines(y[known], part["low"][known], part["high"][known], color=COLORS[0], lw=2)
        axis.plot(part["mean"][known], y[known], "o", color=COLORS[0], ms=6)
        axis.plot(part["mean"][~known], y[~known], "o", color=COLORS[0], ms=6, mfc="white")
        level = chance.get(metric) if isinstance(chance, Mapping) else chance
        reference(axis.axvline, level)
        axis.set_title(metric)
        if level is not None:
            axis.set_xlabel(f"dotted: chance, {level:.3g}", color=MUTED, fontsize=8.5)
        # From 0, so that distances can be read as sizes, with room for a chance close to it.
        top = np.nanmax(part[["mean", "high"]].to_numpy(float))
        axis.set_xlim(-0.03 * top, 1.05 * top)
        named_rows(axis, [wrap(name, 26) for name in methods])
    if table[["low", "high"]].isna().any(axis=None):
        figure.supxlabel("hollow: no interval is known", color=MUTED, fontsize=8.5)
    return figure


@closed
def difference_intervals(table: pd.DataFrame, title: str = "", unit: str = "points") -> Figure:
    """Differences as dots with their intervals, row by row; the line is no difference.

    Args:
        table: columns method, difference, low, high, and group where rows belong together: each
            group has its own colour and marker, and a gap before it.
        title: of the figure.
        unit: of the difference.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "method", "difference", "low", "high")
    groups = list(table["group"].unique()) if "group" in table else [None]
    size = (0.75 * WIDTH, 0.3 * (len(table) + len(groups)) + 1.1)
    figure, ((axis,),) = panels(1, 1, size, title)
    names, height = {}, 0.0
    for i, group in enumerate(groups):
        part = table if group is None else table[table["group"] == group]
        color, marker = look(i)
        y = height + np.arange(len(part))
        axis.hlines(y, part["low"], part["high"], color=color, lw=2)
        axis.plot(part["difference"], y, marker, color=color, ms=6, label=group)
        names.update(zip(y, part["method"], strict=True))
        height = y[-1] + 1.6
    reference(axis.axvline, 0.0)
    named_rows(axis, names.values(), list(names), (height - 0.8, -0.8))
    axis.set_xlabel(f"{unit}; dotted: no difference", color=MUTED, fontsize=8.5)
    if groups != [None]:
        legend(figure, "right center")
    return figure
