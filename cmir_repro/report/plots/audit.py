"""Recall where composition is needed and where one input suffices."""

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
def composition_dots(
    parts: pd.DataFrame,
    models: tuple[str, ...] = ("the model",),
    metric: str = "R@1",
    title: str = "",
) -> Figure:
    """Recall of one or two models by part of the queries, a panel a cut-off of what counts as
    solved; dots with their intervals.

    Args:
        parts: of an `evaluation.audit.Audit`.
        models: names of the model and, where the audit has one, of the other.
        metric: which recall.
        title: of the figure.

    Raises:
        InputError: no rows of the metric, or a column is missing.
    """
    columns = [("recall", "low", "high"), ("other", "other_low", "other_high")][: len(models)]
    values = [name for three in columns for name in three]
    needed = ("within", "queries", "count", "metric", *values)
    table = columns_of(parts, "the parts of an audit", *needed)
    table = columns_of(table[table["metric"] == metric], f"the parts with {metric}", *needed)
    cutoffs = list(table["within"].unique())
    figure, axes = panels(1, len(cutoffs), (WIDTH, 2.4), title, sharex=True)
    for axis, within in zip(axes[0], cutoffs, strict=True):
        part = table[table["within"] == within].reset_index(drop=True)
        for i, (name, (value, low, high)) in enumerate(zip(models, columns, strict=True)):
            color, marker = looks(models)[name]
            y = part.index + 0.2 * (i - (len(models) - 1) / 2)
            axis.hlines(y, part[low], part[high], color=color, lw=2)
            axis.plot(part[value], y, marker, color=color, ms=5, label=name)
        rows = zip(part["queries"], part["count"], strict=True)
        named_rows(axis, [f"{queries}\n({count:,})" for queries, count in rows])
        axis.set_title(f"solved: within rank {within}")
        axis.set_xlabel(f"{metric} (%)", color=MUTED, fontsize=SMALL)
    axes[0][0].set_xlim(left=0)
    legend(figure)
    return figure
