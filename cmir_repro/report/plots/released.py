"""Figures of what the released code of CRCGS computes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cmir_repro.report.plots.methods import looks
from cmir_repro.report.plots.style import (
    HAIRLINE,
    HIT,
    MISS,
    MUTED,
    SMALL,
    WIDTH,
    closed,
    columns_of,
    legend,
    panels,
    wrap,
)

_FORCES = {"push": "push, all others together", "pull": "pull towards the partner"}


@closed
def force_panels(table: pd.DataFrame, title: str = "") -> Figure:
    """Pull and push of a contrast against the cosine, a panel per form of it, one scale for all.

    Args:
        table: columns form, cosine, pull, push; the last two above 0.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "form", "cosine", "pull", "push")
    forms = list(table["form"].unique())
    figure, axes = panels(1, len(forms), (WIDTH, 2.6), title, sharey=True)
    for axis, form in zip(axes[0], forms, strict=True):
        rows = table[table["form"] == form]
        for what, color, marker, line in (("push", MISS, "v", "-"), ("pull", HIT, "^", "--")):
            style = {"color": color, "marker": marker, "markevery": 0.2, "ms": 5, "ls": line}
            axis.semilogy(rows["cosine"], rows[what], label=_FORCES[what], **style)
        axis.set(title=wrap(form, 22), xlabel="cosine of all pairs")
        axis.grid(axis="y", color=HAIRLINE, lw=0.8)
    axes[0, 0].set_ylabel("force on an anchor")
    legend(figure, columns=2)
    return figure


@closed
def depth_curves(table: pd.DataFrame, marks: Mapping[str, int], title: str = "") -> Figure:
    """MAP against how many places are looked at; the same codes, so only the measure differs.

    Args:
        table: columns codes, depth, map (percent); codes "chance" is drawn dotted.
        marks: name -> depth that is pointed out.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "codes", "depth", "map")
    figure, ((axis,),) = panels(1, 1, (WIDTH, 3.0), title)
    seen = looks(name for name in table["codes"] if name != "chance")
    for codes, rows in table.groupby("codes", sort=False):
        if codes == "chance":
            axis.plot(rows["depth"], rows["map"], color=MUTED, ls=":", label=codes)
        else:
            color, marker = seen[codes]
            axis.plot(rows["depth"], rows["map"], color=color, marker=marker, ms=4, label=codes)
    for name, depth in marks.items():
        axis.axvline(depth, color=MUTED, lw=1, zorder=0)
        axis.annotate(
            f"{name} {depth:,}",
            (depth, 1),
            (-3, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            color=MUTED,
            fontsize=SMALL,
        )
    axis.set(xscale="log", xlabel="places that are looked at", ylabel="MAP (%)")
    legend(figure, "right center")
    return figure


@closed
def order_dots(table: pd.DataFrame, title: str = "") -> Figure:
    """MAP of the same codes for differently ordered rows, a row per kind of codes.

    Args:
        table: columns codes, order, map (percent). Order "expected" is a tall line; orders that
            occur more than once are small dots above, the others have a marker each.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "codes", "order", "map").reset_index(drop=True)
    kinds = list(table["codes"].unique())
    figure, ((axis,),) = panels(1, 1, (WIDTH, 0.6 * len(kinds) + 1.1), title)
    seen = looks(table["order"])
    place = table["codes"].map(kinds.index).to_numpy()
    for order, rows in table.groupby("order", sort=False):
        y, x = place[rows.index], rows["map"]
        if order == "expected":
            axis.vlines(
                x, y - 0.35, y + 0.35, color="black", lw=2, label="expected over all orders"
            )
        elif len(rows) > len(kinds):
            axis.scatter(x, y - 0.22, s=14, color=MUTED, alpha=0.6, lw=0, label=order)
        else:
            color, marker = seen[order]
            axis.plot(x, y, color=color, marker=marker, ls="", ms=6, label=order)
    axis.set_yticks(np.arange(len(kinds)), kinds)
    axis.set(ylim=(len(kinds) - 0.4, -0.6), xlabel="MAP (%)")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    legend(figure, "right center")
    return figure
