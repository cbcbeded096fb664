"""Figures of the modality gap: projected features, and the statistics beside them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots.style import (
    LINE,
    MUTED,
    SMALL,
    WIDTH,
    closed,
    columns_of,
    frame,
    legend,
    lines_of,
    look,
    named_rows,
    panels,
    reference,
    wrap,
)

# Column of `modality_gap.table` -> title, how to read it, the value to compare with (dotted), and
# the range that is always shown, so that noise is never blown up to the width of a panel.
STATISTICS = {
    "centroid_distance": ("Centroid distance", "0: same centre", 0.0, (0, 0.2)),
    "mmd2": ("MMD²", "0: same distribution", 0.0, (0, 0.02)),
    "probe_accuracy": ("Modality probe (%)", "50: cannot tell", 50.0, (50, 100)),
    "alignment": ("Alignment of pairs", "0: pairs coincide", 0.0, (0, 0.2)),
    "uniformity_a": ("Uniformity of 1st set", "0: collapsed, −4: even", None, (-4, 0)),
    "uniformity_b": ("Uniformity of 2nd set", "0: collapsed, −4: even", None, (-4, 0)),
    "info_nce": ("InfoNCE bound (nats)", "dotted: ceiling, log B", None, (0, 0)),
    "relative_gap": ("Relative gap", "0: pairs coincide, 0.5: any two", None, (0, 0.5)),
}


@closed
def gap_panels(
    coordinates: pd.DataFrame,
    titles: Sequence[str] | None = None,
    links: int = 0,
    title: str = "",
) -> Figure:
    """Projected sets of features, a panel per projection, a row of panels per model.

    Sets are drawn in turns, a few points each, and all but the first as outlines, so that none
    hides another.

    Args:
        coordinates: as `analysis.projection` makes them; a column "model" gives the rows.
        titles: what is seen, panel by panel, left to right and top to bottom. Default: the
            projection, after the model where there are several.
        links: join row i of the first two sets by a line, for this many evenly spaced rows.
        title: of the figure.

    Raises:
        InputError: a column is missing, or titles do not fit the panels.
    """
    points = columns_of(coordinates, "coordinates", "method", "seed", "set", "row", "x", "y")
    if "model" not in points:
        points = points.assign(model="")
    models, sets = list(points["model"].unique()), list(points["set"].unique())
    named = [_projection(*pair) for pair in points[["method", "seed"]].to_numpy()]
    points = points.assign(projection=named)
    projections = list(points["projection"].unique())
    if titles is None:
        titles = [f"{m}: {p}" if m else p for m in models for p in projections]
    down, across = len(models), len(projections)
    if len(titles) != down * across:
        raise InputError(f"{len(titles)} titles were given for {down * across} panels")
    side = min(WIDTH / across, 4)
    titles = [wrap(text, int(side * 13.2)) for text in titles]
    height = side + 0.15 + LINE * max(map(lines_of, titles))
    figure, axes = panels(down, across, (side * across, height * down + 0.5), title)
    for i, (axis, text) in enumerate(zip(axes.flat, titles, strict=True)):
        model, projection = models[i // across], projections[i % across]
        panel = points[(points["model"] == model) & (points["projection"] == projection)]
        _scatter(axis, [panel[panel["set"] == name] for name in sets], links)
        axis.set_title(text, fontsize=SMALL)
        axis.set(xticks=[], yticks=[])
        _square(axis, panel[["x", "y"]].to_numpy())
        frame(axis)
        if projection == "PCA":
            axis.set_xlabel("component 1", color=MUTED, fontsize=SMALL)
            axis.set_ylabel("component 2", color=MUTED, fontsize=SMALL)
    # Opaque and larger than the points.
    handles = {
        name: Line2D(
            [],
            [],
            ls="",
            marker=marker,
            color=color,
            ms=5,
            label=name,
            mfc=None if i == 0 else "none",
        )
        for i, (name, (color, marker)) in enumerate(
            zip(sets, map(look, range(len(sets))), strict=True)
        )
    }
    legend(figure, columns=len(sets), handles=handles)
    return figure


@closed
def gap_statistics(table: pd.DataFrame, title: str = "") -> Figure:
    """A small panel per statistic, a line per model; dotted: no gap, or the most that is possible.

    Args:
        table: from `modality_gap.table`: rows are models (or pairs of sets); with a two-level
            index, rows are the first level and the second has its own colour and marker.
        title: of the figure.

    Raises:
        InputError: the table has no rows or none of the statistics.
    """
    columns = [c for c in STATISTICS if c in table.columns and table[c].notna().any()]
    if not columns or table.empty:
        raise InputError(f"the table holds none of the statistics {', '.join(STATISTICS)}")
    first = table.index.get_level_values(0)
    second = table.index.get_level_values(1) if table.index.nlevels > 1 else [""] * len(table)
    models, groups = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    across = 4
    down = -(-len(columns) // across)
    size = (WIDTH, down * ((0.2 + 0.06 * len(groups)) * len(models) + 1.0))
    figure, axes = panels(down, across, size, title, sharey=True)
    for axis, column in zip(axes.flat, columns, strict=False):
        name, meaning, level, shown = STATISTICS[column]
        for i, group in enumerate(groups):
            chosen = np.asarray(second) == group
            color, marker = look(i)
            shift = 0.16 * (i - (len(groups) - 1) / 2)  # equal values must not hide each other
            y = [models.index(model) + shift for model in first[chosen]]
            axis.plot(table[column][chosen], y, marker, color=color, ms=5, label=group)
        if column == "info_nce" and "info_nce_ceiling" in table:
            level = table["info_nce_ceiling"].max()
        reference(axis.axvline, level)
        axis.set_title(wrap(name, 20))
        axis.set_xlabel(wrap(meaning, 24), color=MUTED, fontsize=SMALL)
        axis.margins(x=0.08)
        axis.update_datalim([(x, 0) for x in shown])
        axis.xaxis.set_major_locator(MaxNLocator(4))
        named_rows(axis, [wrap(name, 16) for name in models])
    for axis in axes.flat[len(columns) :]:
        axis.remove()
    figure.get_layout_engine().set(h_pad=0.1)
    if len(groups) > 1:
        legend(figure, columns=len(groups))
    return figure


def _scatter(axis: Axes, sets: list[pd.DataFrame], links: int) -> None:
    turns, many = 10, sum(map(len, sets)) > 500  # in a vector file thousands of marks are megabytes
    if links and len(sets) > 1:
        a, b = (s.set_index("row")[["x", "y"]] for s in sets[:2])
        shared = a.index.intersection(b.index)
        for row in shared[np.linspace(0, len(shared) - 1, min(links, len(shared)), dtype=int)]:
            ends = np.array([a.loc[row], b.loc[row]])
            axis.plot(*ends.T, color=MUTED, lw=0.6, alpha=0.6, zorder=1)
    size = 10 if sum(len(s) for s in sets) < 1000 else 6
    for turn in range(turns):
        for j in range(len(sets)):
            i = (j + turn) % len(sets)
            color, marker = look(i)
            part = sets[i].iloc[turn::turns]
            # Sets after the first are outlines, which let through what they cover.
            ink = {"c": color, "lw": 0} if i == 0 else {"fc": "none", "ec": color, "lw": 0.7}
            axis.scatter(
                part["x"], part["y"], s=size, marker=marker, alpha=0.75, rasterized=many, **ink
            )


def _square(axis: Axes, points: np.ndarray) -> None:
    """A square panel with one scale for both axes, filled by the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = 0.54 * ((high - low).max() or 1.0)
    center = (low + high) / 2
    axis.set(xlim=center[0] + half * np.array([-1, 1]), ylim=center[1] + half * np.array([-1, 1]))
    axis.set_box_aspect(1)
    axis.set_anchor("N")


def _projection(method: str, seed: int | None) -> str:
    return method if pd.isna(seed) else f"{method}, seed {seed}"
