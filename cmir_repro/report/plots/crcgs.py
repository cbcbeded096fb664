"""Figures of label-based retrieval; style and conventions as in `plots`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots.figures import (
    HIT,
    LINE,
    MISS,
    MUTED,
    WIDTH,
    closed,
    columns_of,
    look,
    pictures_of,
    same_length,
    show,
    wrap,
)


@closed
def bits_against_map(table: pd.DataFrame, chance: float | None = None, title: str = "") -> Figure:
    """MAP against the length of the codes, a line a method, a panel a metric.

    Args:
        table: columns method, bits, metric, mean, low, high (percent; low and high may be NaN).
        chance: level of a random order, the same in all panels, dotted.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "method", "bits", "metric", "mean", "low", "high")
    metrics, bits = list(table["metric"].unique()), sorted(table["bits"].unique())
    figure, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 3.4), sharey=True, squeeze=False)
    methods = list(table["method"].unique())
    for axis, metric in zip(axes[0], metrics, strict=True):
        for i, method in enumerate(methods):
            rows = table[(table["metric"] == metric) & (table["method"] == method)]
            rows = rows.sort_values("bits")
            color, marker = look(i)
            # A little apart, so that intervals at the same length do not hide one another.
            x = np.searchsorted(bits, rows["bits"]) + 0.06 * (i - (len(methods) - 1) / 2)
            known = rows["low"].notna().to_numpy()
            axis.vlines(x[known], rows["low"][known], rows["high"][known], color=color, lw=1.5)
            axis.plot(x, rows["mean"], color=color, marker=marker, ms=5, label=method)
        if chance is not None:
            axis.axhline(chance, color=MUTED, ls=":", lw=1.2)
        axis.set_xticks(range(len(bits)), bits)
        axis.set(title=metric, xlabel="bits")
    axes[0, 0].set_ylabel("MAP (%)" + ("; dotted: chance" if chance is not None else ""))
    _legend_below(figure, axes[0, 0])
    figure.suptitle(title or None)
    return figure


@closed
def precision_recall_curves(
    table: pd.DataFrame, chance: float | None = None, title: str = ""
) -> Figure:
    """Interpolated precision against recall, a line a method, a panel a direction.

    Args:
        table: columns method, panel, recall, precision, in percent.
        chance: share of the database that is relevant to a query on average, dotted.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "method", "panel", "recall", "precision")
    panels = list(table["panel"].unique())
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.4), sharey=True, squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for i, (method, rows) in enumerate(
            table[table["panel"] == panel].groupby("method", sort=False)
        ):
            color, marker = look(i)
            axis.plot(
                rows["recall"],
                rows["precision"],
                color=color,
                marker=marker,
                markevery=(4 * i, 20),
                ms=5,
                label=method,
            )
        if chance is not None:
            axis.axhline(chance, color=MUTED, ls=":", lw=1.2)
        axis.set(title=panel, xlabel="recall (%)", xlim=(0, 100))
    axes[0, 0].set_ylabel("precision (%)" + ("; dotted: chance" if chance is not None else ""))
    _legend_below(figure, axes[0, 0])
    figure.suptitle(title or None)
    return figure


@closed
def tagged(pictures: np.ndarray, texts: Sequence[str], title: str = "") -> Figure:
    """Pictures side by side, each with a text below it.

    Args:
        pictures: (n, h, w, 3) uint8. texts: n.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    pictures = pictures_of(pictures, "pictures")
    same_length(pictures=pictures, texts=texts)
    told = [_lines(text, 24) for text in texts]
    lines = max(text.count("\n") + 1 for text in told)
    height = WIDTH / len(told) * pictures.shape[1] / pictures.shape[2] + LINE * lines + 0.2
    figure, axes = plt.subplots(1, len(told), figsize=(WIDTH, height), squeeze=False)
    for axis, picture, text in zip(axes[0], pictures, told, strict=True):
        show(axis, picture)
        axis.set_xlabel(text, loc="left", fontsize=8.5, labelpad=3)
    figure.suptitle(title or None)
    return figure


@closed
def shared_label_rows(
    queries: Sequence[str],
    pictures: np.ndarray,
    shared: Sequence[Sequence[str]],
    title: str = "",
) -> Figure:
    """A row per query in words: the pictures found first, each with the categories it shares.

    A picture that shares none has a dashed red frame and a cross.

    Args:
        queries: Q texts (tags, and categories below them).
        pictures: (Q, k, h, w, 3) uint8, best first.
        shared: Q lists of k texts: the shared categories; "" for none.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 5 or len(queries) != len(pictures) or len(shared) != len(pictures):
        raise InputError(
            f"pictures must be (Q, k, h, w, 3), one row a query; got {pictures.shape} and "
            f"{len(queries)} queries, {len(shared)} lists of shared categories"
        )
    pictures_of(pictures.reshape(-1, *pictures.shape[2:]), "pictures")
    Q, k = pictures.shape[:2]
    wide = 1.9  # of the words, in pictures
    unit = WIDTH / (wide + k)
    height = unit * pictures.shape[2] / pictures.shape[3]
    words = [_lines(text, 26) for text in queries]
    told = [[wrap(text, 16) if text else "✗" for text in row] for row in shared]
    lines = [max(text.count("\n") + 1 for text in row) for row in told]
    heights = [
        max(height + 0.16 * n, LINE * (w.count("\n") + 1)) + 0.25
        for n, w in zip(lines, words, strict=True)
    ]
    figure, axes = plt.subplots(
        Q,
        1 + k,
        figsize=(WIDTH, sum(heights) + 0.3),
        height_ratios=heights,
        width_ratios=[wide, *[1] * k],
        squeeze=False,
    )
    for q, row in enumerate(axes):
        row[0].axis("off")
        row[0].text(0, 1, words[q], va="top", fontsize=8.5, transform=row[0].transAxes)
        for axis, picture, text, same in zip(row[1:], pictures[q], told[q], shared[q], strict=True):
            show(axis, picture)
            color = HIT if same else MISS
            for spine in axis.spines.values():
                spine.set(visible=True, color=color, lw=2.2, ls="-" if same else (0, (3, 2)))
            axis.set_xlabel(text, color=color, fontsize=7.5 if same else 11, labelpad=2)
    axes[0, 0].set_title("query", loc="left", color=MUTED, fontsize=9)
    for i, axis in enumerate(axes[0, 1:]):
        axis.set_title(str(i + 1), loc="center", color=MUTED, fontsize=9)
    figure.suptitle(title or None)
    return figure


def _lines(text: str, characters: int) -> str:
    """Text with breaks of its own, and more where a line would be too long."""
    return "\n".join(wrap(line, characters) for line in text.split("\n"))


def _legend_below(figure: Figure, axis) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
