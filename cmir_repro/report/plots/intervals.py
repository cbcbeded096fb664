"""Figures of dots with their intervals: recalls, and differences between methods."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmir_repro.experiments.presets import dim
from cmir_repro.report.plots.methods import look_of
from cmir_repro.report.plots.style import (
    MUTED,
    SMALL,
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

    A fusion network without and with DIM, where both are there, share a row.

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
    paired = any(_without(name) in methods and name != _without(name) for name in methods)
    rows = list(dict.fromkeys(map(_without, methods))) if paired else methods
    size = (WIDTH, (0.32 if paired else 0.27) * len(rows) + 1.1)
    figure, axes = panels(1, len(metrics), size, title, sharey=True)
    for axis, metric in zip(axes[0], metrics, strict=True):
        part = table[table["metric"] == metric]
        for helped in (False, True) if paired else (None,):
            here = part["method"].str.endswith(dim.WITH_DIM)
            _dots(axis, part if helped is None else part[here == helped], rows, helped)
        level = chance.get(metric) if isinstance(chance, Mapping) else chance
        reference(axis.axvline, level)
        axis.set_title(metric)
        if level is not None:
            axis.set_xlabel(f"dotted: chance, {level:.3g}", color=MUTED, fontsize=SMALL)
        # From 0, so that distances can be read as sizes, with room for a chance close to it.
        top = np.nanmax(part[["mean", "high"]].to_numpy(float))
        axis.set_xlim(-0.03 * top, 1.05 * top)
        named_rows(axis, [wrap(name, 24) for name in rows])
    if table[["low", "high"]].isna().any(axis=None):
        figure.supxlabel("hollow: no interval is known", color=MUTED, fontsize=SMALL)
    if paired:
        legend(figure)
    return figure


def _without(method: str) -> str:
    return method.removesuffix(dim.WITH_DIM)


def _dots(axis: Axes, part: pd.DataFrame, rows: list[str], helped: bool | None) -> None:
    """A mark a method. helped: with DIM, a little below its row's middle; without, above it; None:
    each method is a row of its own.
    """
    shift, label = 0.0, None
    if helped is not None:
        shift, label = (0.16, "with DIM") if helped else (-0.16, "without DIM")
    for n, (_, row) in enumerate(part.iterrows()):
        color, marker = look_of(row["method"]) or look(0)
        if helped is not None:
            color, marker = look(int(helped))  # rows are named; looks say with and without
        y = rows.index(row["method"] if helped is None else _without(row["method"])) + shift
        known = pd.notna(row["low"]) and pd.notna(row["high"])
        if known:
            axis.hlines([y], row["low"], row["high"], color=color, lw=1.6)
        fill = color if known else "white"
        named = None if n else label
        axis.plot([row["mean"]], [y], marker, color=color, ms=5, mfc=fill, label=named)


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
    size = (WIDTH, 0.24 * (len(table) + len(groups)) + 0.9)
    figure, ((axis,),) = panels(1, 1, size, title)
    names, height = {}, 0.0
    for i, group in enumerate(groups):
        part = table if group is None else table[table["group"] == group]
        color, marker = look(i)
        y = height + np.arange(len(part))
        axis.hlines(y, part["low"], part["high"], color=color, lw=2)
        axis.plot(part["difference"], y, marker, color=color, ms=5, label=group)
        names.update(zip(y, part["method"], strict=True))
        height = y[-1] + 1.6
    reference(axis.axvline, 0.0)
    named_rows(axis, names.values(), list(names), (height - 0.8, -0.8))
    axis.set_xlabel(f"{unit}; dotted: no difference", color=MUTED, fontsize=SMALL)
    if groups != [None]:
        legend(figure, "right center")
    return figure
