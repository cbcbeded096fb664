"""Figures of image <-> sentence retrieval; style and conventions as in `plots`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots.figures import (
    HIT,
    LINE,
    MISS,
    MUTED,
    WIDTH,
    closed,
    look,
    pictures_of,
    same_length,
    show,
    wrap,
)


@closed
def pooling_curves(curves: Mapping[str, Mapping[str, np.ndarray]], title: str = "") -> Figure:
    """What each place of the sorted set weighs, a panel per modality, a line per set.

    Args:
        curves: panel -> name of the line -> (n,) coefficients, largest value first.
        title: of the figure.

    Raises:
        InputError: nothing to draw.
    """
    if not curves or not all(curves.values()):
        raise InputError("no coefficients were given, so there is no curve to draw")
    figure, axes = plt.subplots(1, len(curves), figsize=(WIDTH, 3.2), squeeze=False)
    for axis, (panel, lines) in zip(axes[0], curves.items(), strict=True):
        for i, (name, weights) in enumerate(lines.items()):
            color, marker = look(i)
            place = np.arange(1, len(weights) + 1)
            axis.plot(place, weights, color=color, marker=marker, ms=4, markevery=0.1, label=name)
        axis.set(title=panel, xlabel="place in the order, largest value first")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.set_ylim(bottom=min(0, *(w.min() for w in lines.values())))
        axis.legend()
    axes[0, 0].set_ylabel("weight")
    figure.suptitle(title or None)
    return figure


@closed
def sentence_rows(
    pictures: np.ndarray,
    sentences: Sequence[Sequence[str]],
    hits: np.ndarray | None = None,
    ranks: Sequence[float] | None = None,
    title: str = "",
) -> Figure:
    """A row per picture: the picture, then sentences: those found for it, best first, or its own.

    A tick marks the picture's own sentences, a cross the others.

    Args:
        pictures: (Q, h, w, 3) uint8.
        sentences: Q lists of k sentences.
        hits: (Q, k) bool, whether a sentence is the picture's own; None: nothing was searched.
        ranks: Q ranks of its first own sentence; None likewise.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    pictures = pictures_of(pictures, "pictures")
    same_length(pictures=pictures, sentences=sentences, hits=hits, ranks=ranks)
    share, characters = 0.24, 96
    wrapped = [[wrap(text, characters) for text in row] for row in sentences]
    side = WIDTH * share
    lines = [sum(text.count("\n") + 1 for text in row) + 0.4 * len(row) for row in wrapped]
    least = side * pictures.shape[1] / pictures.shape[2] + 0.45
    heights = [max(least, LINE * n + 0.3) for n in lines]
    figure, axes = plt.subplots(
        len(pictures),
        2,
        figsize=(WIDTH, sum(heights) + 0.3),
        height_ratios=heights,
        width_ratios=[share, 1 - share],
        squeeze=False,
    )
    for q, (axis, told) in enumerate(axes):
        show(axis, pictures[q])
        if ranks is not None:
            axis.set_xlabel(f"rank {ranks[q]:,.0f}", fontsize=9, labelpad=3)
        told.axis("off")
        y = 1 - 0.15 / heights[q]
        marks = [None] * len(wrapped[q]) if hits is None else hits[q]
        for text, hit in zip(wrapped[q], marks, strict=True):
            if hit is not None:
                color = HIT if hit else MISS
                told.text(0, y, "✓" if hit else "✗", color=color, va="top", fontsize=11)
            told.text(0.035, y, text, va="top", fontsize=9)
            y -= LINE * (text.count("\n") + 1.4) / heights[q]
    figure.suptitle(title or None)
    return figure


@closed
def attention_rows(
    pictures: np.ndarray, words: Sequence[Sequence[str]], maps: Sequence[np.ndarray], title=""
) -> Figure:
    """Where the words of a sentence look: the picture, then a panel per word.

    A panel is bright where the word's attention is, dark where there is none; each panel has its
    own scale.

    Args:
        pictures: (Q, h, w, 3) uint8.
        words: Q lists of n words.
        maps: Q arrays (n, rows, columns) of weights, at least 0.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    pictures = pictures_of(pictures, "pictures")
    same_length(pictures=pictures, words=words, maps=maps)
    n = max(map(len, words))
    side = WIDTH / (n + 1)
    height = side * pictures.shape[1] / pictures.shape[2] + LINE + 0.1
    figure, axes = plt.subplots(
        len(pictures), n + 1, figsize=(WIDTH, height * len(pictures) + 0.4), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for row, picture, texts, weights in zip(axes, pictures, words, maps, strict=True):
        show(row[0], picture)
        row[0].set_title("picture", fontsize=9, loc="center", color=MUTED)
        for axis, text, weight in zip(row[1:], texts, weights, strict=False):
            size = picture.shape[:2]
            light = torch.from_numpy(np.array(weight, dtype=np.float32))[None, None]
            light = F.interpolate(light, size, mode="bilinear")[0, 0].numpy()
            light = light / max(light.max(), 1e-12)
            shown = picture * (0.15 + 0.85 * light[..., None])
            show(axis, shown.astype(np.uint8))
            axis.set_title(text, fontsize=9, loc="center")
    figure.suptitle(title or None)
    return figure
