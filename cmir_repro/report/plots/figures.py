"""The figures: arrays and tables in, a matplotlib figure out.

Functions return a closed `Figure`: a notebook shows it once, as the last value of a cell, and
nothing stays behind in pyplot. Every figure is about as wide as a notebook (WIDTH inches). Colours
are those of Okabe & Ito (2008), which colour-blind readers can tell apart, and never carry a
meaning alone: a marker, a tick or a word repeats it.
"""

import functools
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cmir_repro.core import files, paths
from cmir_repro.core.errors import InputError

WIDTH = 9.5
LINE = 0.17  # inches of a line of small text
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
HIT, MISS, MUTED = COLORS[2], COLORS[1], "#767676"
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere, and has ✓ and ✗
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "lines.linewidth": 1.6,
    "image.interpolation": "nearest",
}
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
}


def style() -> None:
    """Set matplotlib's defaults to `STYLE`, for figures drawn outside this file."""
    plt.rcParams.update(STYLE)


def closed(draw):
    """Draw in `STYLE` without touching the defaults, and close what was drawn."""

    @functools.wraps(draw)
    def wrapper(*arguments, **options) -> Figure:
        with plt.rc_context(STYLE):
            before = set(plt.get_fignums())
            try:
                return draw(*arguments, **options)
            finally:
                for number in set(plt.get_fignums()) - before:
                    plt.close(number)

    return wrapper


@closed
def image_grid(
    images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 5, title: str = ""
) -> Figure:
    """Pictures in rows of `columns`.

    Args:
        images: (N, h, w, 3) uint8.
        titles: N captions, wrapped to the width of a picture.
        columns: pictures per row.
        title: of the figure.

    Raises:
        InputError: images are not as above, or titles do not fit them.
    """
    images = pictures_of(images, "images")
    same_length(images=images, titles=titles)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    characters = int(WIDTH / columns * 11)
    wrapped = [wrap(text, characters) for text in titles or []]
    lines = max((text.count("\n") + 1 for text in wrapped), default=0)
    side = WIDTH / columns
    height = side * images.shape[1] / images.shape[2] + LINE * lines + 0.05
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * height), squeeze=False)
    for i, axis in enumerate(axes.flat):
        axis.axis("off")
        if i < len(images):
            show(axis, images[i])
            if wrapped:
                axis.set_title(wrapped[i], fontsize=9, loc="center")
    figure.suptitle(title or None)
    return figure


@closed
def edit_rows(
    sources: np.ndarray, texts: Sequence[str], targets: np.ndarray, title: str = ""
) -> Figure:
    """A row per query: the source picture, the sentence that edits it, the target picture.

    Args:
        sources: (N, h, w, 3) uint8.
        texts: N sentences.
        targets: (N, h, w, 3) uint8.
        title: of the figure.

    Raises:
        InputError: pictures are not as above, or the three differ in length.
    """
    sources, targets = pictures_of(sources, "sources"), pictures_of(targets, "targets")
    same_length(sources=sources, texts=texts, targets=targets)
    shape = max(x.shape[1] / x.shape[2] for x in (sources, targets))  # height over width
    figure, axes = plt.subplots(
        len(sources),
        3,
        figsize=(6.2, (1.85 * shape + 0.08) * len(sources) + 0.5),
        width_ratios=[1, 1.4, 1],
        squeeze=False,
    )
    for row, source, text, target in zip(axes, sources, texts, targets, strict=True):
        show(row[0], source)
        _sentence(row[1], wrap(text, 28) + "\n⟶", shape / 1.4)
        show(row[2], target)
    for axis, head in zip(axes[0], ("source", "edit", "target"), strict=True):
        axis.set_title(head, loc="center", color=MUTED)
    figure.suptitle(title or None)
    return figure


@closed
def retrieval_rows(
    sources: np.ndarray | None,
    texts: Sequence[str],
    results: np.ndarray,
    hits: np.ndarray,
    targets: np.ndarray,
    ranks: Sequence[int],
    title: str = "",
) -> Figure:
    """A row per query: source, sentence, target and its rank, then the first k results.

    Results that count as relevant have a solid green frame and a tick, others a dashed red one and
    a cross.

    Args:
        sources: (Q, h, w, 3) uint8, or None where the query is a sentence alone.
        texts: Q sentences.
        results: (Q, k, h, w, 3) uint8, best first.
        hits: (Q, k) bool, whether a result is relevant.
        targets: (Q, h, w, 3) uint8, a picture that should have been found.
        ranks: Q ranks of the first relevant picture, the best is 1.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    results, hits = np.asarray(results), np.asarray(hits)
    if results.ndim != 5 or hits.shape != results.shape[:2]:
        raise InputError(
            f"results must be (Q, k, h, w, 3) and hits (Q, k), got {results.shape}, {hits.shape}"
        )
    pictures_of(results.reshape(-1, *results.shape[2:]), "results")
    targets = pictures_of(targets, "targets")
    sources = None if sources is None else pictures_of(sources, "sources")
    same_length(results=results, texts=texts, targets=targets, ranks=ranks, sources=sources)
    k = results.shape[1]
    heads = ["source", "sentence", "target", "", *(str(i + 1) for i in range(k))]
    wide = max(1.7, 0.25 * k)  # of the sentence, in pictures: many results make pictures small
    ratios = [1, wide, 1, 0.12, *[1] * k]
    if sources is None:
        heads, ratios = heads[1:], ratios[1:]
    unit, padding = WIDTH / sum(ratios), 0.09  # inches; constrained layout pads every panel
    side, wide = unit - padding, wide * unit - padding
    texts = [wrap(text, max(int(wide * 11), 12)) for text in texts]
    shown = [results[0, 0], targets[0], *([] if sources is None else [sources[0]])]
    picture_height = side * max(x.shape[0] / x.shape[1] for x in shown)
    tall = [max(picture_height, LINE * (text.count("\n") + 1)) for text in texts]
    heights = [t + 0.4 for t in tall]  # the mark below, and air
    figure, axes = plt.subplots(
        len(results),
        len(heads),
        figsize=(WIDTH, sum(heights) + 0.3),
        height_ratios=heights,
        width_ratios=ratios,
        squeeze=False,
    )
    for q, row in enumerate(axes):
        if sources is not None:
            show(row[0], sources[q])
        sentence, target, gap, *found = row[-k - 3 :]
        _sentence(sentence, texts[q], tall[q] / wide)
        show(target, targets[q])
        target.set_xlabel(f"rank {ranks[q]:,}", fontsize=9, labelpad=3)
        gap.axis("off")
        for axis, picture, hit in zip(found, results[q], hits[q], strict=True):
            show(axis, picture)
            _frame(axis, HIT if hit else MISS, "-" if hit else (0, (3, 2)))
            axis.set_xlabel(
                "✓" if hit else "✗", color=HIT if hit else MISS, fontsize=11, labelpad=1
            )
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, loc="center", color=MUTED, fontsize=9)
    figure.suptitle(title or None)
    return figure


@closed
def learning_curves(
    losses: Mapping[str, pd.DataFrame],
    recalls: Mapping[str, pd.DataFrame] | None = None,
    recall_label: str = "validation recall@1 (%)",
    chance: float | None = None,
    window: int = 1,
    title: str = "",
    loss_label: str = "training loss",
) -> Figure:
    """Loss against step, and beside it validation recall against step.

    Losses of different objectives have no common scale: only their course can be compared.

    Args:
        losses: name -> columns step, loss.
        recalls: name -> columns step, recall; a name has the same colour in both panels.
        recall_label: what was measured, on which split.
        chance: level of a random ranking, drawn as a dotted line.
        window: the loss is drawn as a running mean over this many logged steps, the values
            themselves thinly behind it. Our choice.
        title: of the figure.
        loss_label: what the left panel shows.

    Raises:
        InputError: nothing to draw, or a column is missing.
    """
    names = list(dict.fromkeys([*losses, *(recalls or {})]))
    if not names:
        raise InputError("no histories were given, so there is no curve to draw")
    panels = 2 if recalls else 1
    figure, axes = plt.subplots(1, panels, figsize=(WIDTH if recalls else 6, 3.4), squeeze=False)
    loss_axis, recall_axis = axes[0, 0], axes[0, -1]
    for i, name in enumerate(names):
        color, marker = look(i)
        if name in losses:
            history = columns_of(losses[name], name, "step", "loss")
            mean = history["loss"].rolling(window, min_periods=1, center=True).mean()
            if window > 1:
                loss_axis.plot(history["step"], history["loss"], color=color, alpha=0.2, lw=0.7)
            loss_axis.plot(
                history["step"],
                mean,
                color=color,
                marker=marker,
                markevery=(0.04 * i, 0.2),
                ms=5,
                label=name,
            )
        if recalls and name in recalls:
            history = columns_of(recalls[name], name, "step", "recall")
            recall_axis.plot(
                history["step"], history["recall"], color=color, marker=marker, ms=5, label=name
            )
    mean_over = f", mean over {window} logged steps" if window > 1 else ""
    loss_axis.set(title=f"{loss_label[:1].upper()}{loss_label[1:]}{mean_over}", xlabel="step")
    if recalls:
        recall_axis.set(title=recall_label[:1].upper() + recall_label[1:], xlabel="step")
        recall_axis.set_ylim(bottom=0)
        if chance is not None:
            _reference(recall_axis.axhline, chance, f"chance ({chance:.3g})")
    handles = {}
    for axis in axes[0]:
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        handles |= {label: h for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(len(handles), 5))
    figure.suptitle(title or None)
    return figure


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
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(WIDTH, 0.36 * len(methods) + 1.1), sharey=True, squeeze=False
    )
    for axis, metric in zip(axes[0], metrics, strict=True):
        part = table[table["metric"] == metric]
        y = part["method"].map(methods.index)
        known = part["low"].notna() & part["high"].notna()
        axis.hlines(y[known], part["low"][known], part["high"][known], color=COLORS[0], lw=2)
        axis.plot(part["mean"][known], y[known], "o", color=COLORS[0], ms=6)
        axis.plot(part["mean"][~known], y[~known], "o", color=COLORS[0], ms=6, mfc="white")
        level = chance.get(metric) if isinstance(chance, Mapping) else chance
        _reference(axis.axvline, level)
        axis.set_title(metric)
        if level is not None:
            axis.set_xlabel(f"dotted: chance, {level:.3g}", color=MUTED, fontsize=8.5)
        # From 0, so that distances can be read as sizes, with room for a chance close to it.
        top = np.nanmax(part[["mean", "high"]].to_numpy(float))
        axis.set_xlim(-0.03 * top, 1.05 * top)
        _rows(axis, methods)
    if table[["low", "high"]].isna().any(axis=None):
        figure.supxlabel("hollow: no interval is known", color=MUTED, fontsize=8.5)
    figure.suptitle(title or None)
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
    figure, axis = plt.subplots(figsize=(0.75 * WIDTH, 0.3 * (len(table) + len(groups)) + 1.1))
    names, height = {}, 0.0
    for i, group in enumerate(groups):
        part = table if group is None else table[table["group"] == group]
        color, marker = look(i)
        y = height + np.arange(len(part))
        axis.hlines(y, part["low"], part["high"], color=color, lw=2)
        axis.plot(part["difference"], y, marker, color=color, ms=6, label=group)
        names.update(zip(y, part["method"], strict=True))
        height = y[-1] + 1.6
    _reference(axis.axvline, 0.0)
    axis.set_yticks(list(names), list(names.values()))
    axis.set_ylim(height - 0.8, -0.8)
    axis.grid(axis="y", color="#e6e6e6", lw=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(f"{unit}; dotted: no difference", color=MUTED, fontsize=8.5)
    if groups != [None]:
        figure.legend(loc="outside right center")
    figure.suptitle(title or None)
    return figure


@closed
def gap_panels(
    coordinates: pd.DataFrame,
    titles: Sequence[str] | None = None,
    links: int = 0,
    title: str = "",
) -> Figure:
    """Projected sets of features, a panel per projection, a row of panels per model.

    Sets are drawn in turns, a few points each, so that none hides another.

    Args:
        coordinates: as `analysis.projection` makes them; a column "model" gives the rows.
        titles: what is seen, panel by panel, left to right and top to bottom. Default: the
            projection, after the model where there are several.
        links: join row i of the first two sets by a line, for this many evenly spaced rows.
        title: of the figure.

    Raises:
        InputError: a column is missing, or titles do not fit the panels.
    """
    frame = columns_of(coordinates, "coordinates", "method", "seed", "set", "row", "x", "y")
    if "model" not in frame:
        frame = frame.assign(model="")
    models, sets = list(frame["model"].unique()), list(frame["set"].unique())
    frame = frame.assign(projection=[_projection(*p) for p in frame[["method", "seed"]].to_numpy()])
    projections = list(frame["projection"].unique())
    if titles is None:
        titles = [f"{m}: {p}" if m else p for m in models for p in projections]
    panels = len(models) * len(projections)
    if len(titles) != panels:
        raise InputError(f"{len(titles)} titles were given for {panels} panels")
    side = min(WIDTH / len(projections), 4)
    titles = [wrap(text, int(side * 11)) for text in titles]
    lines = max(text.count("\n") + 1 for text in titles)
    figure, axes = plt.subplots(
        len(models),
        len(projections),
        figsize=(side * len(projections), (side + 0.15 + LINE * lines) * len(models) + 0.5),
        squeeze=False,
    )
    for i, (axis, text) in enumerate(zip(axes.flat, titles, strict=True)):
        model, projection = models[i // len(projections)], projections[i % len(projections)]
        panel = frame[(frame["model"] == model) & (frame["projection"] == projection)]
        _scatter(axis, [panel[panel["set"] == name] for name in sets], links)
        axis.set_title(text, fontsize=9.5)
        axis.set(xticks=[], yticks=[])
        _square(axis, panel[["x", "y"]].to_numpy())
        _frame(axis, "#cccccc", "-", width=0.8)
        if projection == "PCA":
            axis.set_xlabel("component 1", color=MUTED, fontsize=9)
            axis.set_ylabel("component 2", color=MUTED, fontsize=9)
    handles = [
        plt.Line2D([], [], ls="", marker=look(i)[1], color=look(i)[0], ms=6, label=name)
        for i, name in enumerate(sets)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(sets))
    figure.suptitle(title or None)
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
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(WIDTH, down * ((0.24 + 0.07 * len(groups)) * len(models) + 1.2)),
        sharey=True,
        squeeze=False,
    )
    for axis, column in zip(axes.flat, columns, strict=False):
        name, meaning, level, shown = STATISTICS[column]
        for i, group in enumerate(groups):
            chosen = np.asarray(second) == group
            color, marker = look(i)
            shift = 0.16 * (i - (len(groups) - 1) / 2)  # equal values must not hide each other
            y = [models.index(model) + shift for model in first[chosen]]
            axis.plot(table[column][chosen], y, marker, color=color, ms=6, label=group)
        if column == "info_nce" and "info_nce_ceiling" in table:
            level = table["info_nce_ceiling"].max()
        _reference(axis.axvline, level)
        axis.set_title(name)
        axis.set_xlabel(meaning, color=MUTED, fontsize=8.5)
        axis.margins(x=0.08)
        axis.update_datalim([(x, 0) for x in shown])
        axis.xaxis.set_major_locator(MaxNLocator(4))
        _rows(axis, models)
    for axis in axes.flat[len(columns) :]:
        axis.remove()
    figure.get_layout_engine().set(h_pad=0.1)
    if len(groups) > 1:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(groups))
    figure.suptitle(title or None)
    return figure


def save_figure(figure: Figure, name: str, data: pd.DataFrame | None = None) -> None:
    """Write `name`.png (150 dpi) into the figures folder, and `name`.csv with what it shows.

    The PNG carries no date and no version, so an unchanged figure is an unchanged file. Nothing
    is printed.

    Args:
        figure: from this file or not.
        name: without folder and ending.
        data: the numbers the figure is drawn from, six significant digits; an index that is more
            than a count is kept.

    Raises:
        InputError: the name is not a plain one, or the folder cannot be written.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"a figure's name is letters, digits, - and _, got {name!r}")
    with files.atomic(paths.figures() / f"{name}.png") as temporary:
        # Constrained layout leaves no room to trim, and a fixed size keeps figures alike.
        figure.savefig(temporary, dpi=STYLE["savefig.dpi"], metadata={"Software": None})
    if data is not None:
        keep = not isinstance(data.index, pd.RangeIndex)
        with files.atomic(paths.figures() / f"{name}.csv") as temporary:
            data.to_csv(temporary, index=keep, float_format="%.6g", lineterminator="\n")


def look(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th of several things; past the colours, markers shift."""
    n = len(COLORS)
    return COLORS[i % n], MARKERS[(i + i // n) % n]


def show(axis, picture) -> None:
    axis.imshow(picture)
    axis.set(xticks=[], yticks=[])
    _frame(axis, "#cccccc", "-", width=0.8)


def _frame(axis, color, line, width=2.2) -> None:
    for spine in axis.spines.values():
        spine.set(visible=True, color=color, linestyle=line, linewidth=width)


def _sentence(axis, text, height) -> None:
    axis.axis("off")
    axis.set_box_aspect(height)  # as tall as the pictures beside it, so that heads line up
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, transform=axis.transAxes)


def wrap(text, characters) -> str:
    return textwrap.fill(str(text), characters, break_on_hyphens=False)


def _scatter(axis, sets, links) -> None:
    turns = 10
    if links and len(sets) > 1:
        a, b = (s.set_index("row")[["x", "y"]] for s in sets[:2])
        shared = a.index.intersection(b.index)
        for row in shared[np.linspace(0, len(shared) - 1, min(links, len(shared)), dtype=int)]:
            ends = np.array([a.loc[row], b.loc[row]])
            axis.plot(*ends.T, color=MUTED, lw=0.6, alpha=0.6, zorder=1)
    size = 16 if sum(len(s) for s in sets) < 1000 else 9
    for turn in range(turns):
        for j in range(len(sets)):
            i = (j + turn) % len(sets)
            color, marker = look(i)
            part = sets[i].iloc[turn::turns]
            axis.scatter(part["x"], part["y"], s=size, c=color, marker=marker, alpha=0.7, lw=0)


def _square(axis, points) -> None:
    """A square panel with one scale for both axes, filled by the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = 0.54 * ((high - low).max() or 1.0)
    center = (low + high) / 2
    axis.set(xlim=center[0] + half * np.array([-1, 1]), ylim=center[1] + half * np.array([-1, 1]))
    axis.set_box_aspect(1)
    axis.set_anchor("N")


def _projection(method, seed) -> str:
    return method if pd.isna(seed) else f"{method}, seed {seed}"


def _rows(axis, names) -> None:
    """Names as rows, the first on top, with hairlines to lead the eye."""
    axis.set_yticks(range(len(names)), [wrap(name, 26) for name in names])
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="y", color="#e6e6e6", lw=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def _reference(line, value, label=None) -> None:
    if value is not None:
        line(value, color=MUTED, ls=":", lw=1.2, zorder=0, label=label)


def pictures_of(images, name) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        raise InputError(
            f"{name} must be (N, h, w, 3) uint8 with N > 0, got {images.shape} {images.dtype}"
        )
    return images


def same_length(**things) -> None:
    lengths = {name: len(thing) for name, thing in things.items() if thing is not None}
    if len(set(lengths.values())) > 1:
        raise InputError(f"one of each per row is needed, got {lengths}")


def columns_of(frame, name, *needed) -> pd.DataFrame:
    missing = [column for column in needed if column not in frame]
    if missing:
        raise InputError(f"{name} lacks the columns {', '.join(missing)}")
    if not len(frame):
        raise InputError(f"{name} has no rows")
    return frame
