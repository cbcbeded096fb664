"""Figures of pictures: grids, and rows of a query with what was found for it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots.style import (
    HIT,
    LINE,
    MISS,
    MUTED,
    SMALL,
    WIDTH,
    closed,
    frame,
    lines_of,
    panels,
    same_length,
    wrap,
)


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
    images = _pictures(images, "images")
    same_length(images=images, titles=titles)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    wrapped = [wrap(text, int(WIDTH / columns * 11)) for text in titles or []]
    lines = max(map(lines_of, wrapped), default=0)
    height = WIDTH / columns * _tall(images) + LINE * lines + 0.05
    figure, axes = panels(rows, columns, (WIDTH, rows * height), title)
    for i, axis in enumerate(axes.flat):
        if i >= len(images):
            axis.axis("off")
        else:
            _show(axis, images[i])
            if wrapped:
                axis.set_title(wrapped[i], fontsize=SMALL, loc="center")
    return figure


@closed
def tagged(pictures: np.ndarray, texts: Sequence[str], title: str = "") -> Figure:
    """Pictures side by side, each with a text below it.

    Args:
        pictures: (n, h, w, 3) uint8.
        texts: n texts, which may have breaks of their own.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    pictures = _pictures(pictures, "pictures")
    same_length(pictures=pictures, texts=texts)
    told = [_broken(text, int(12 * WIDTH / max(len(texts), 1)) - 1) for text in texts]
    height = WIDTH / len(told) * _tall(pictures) + LINE * max(map(lines_of, told)) + 0.2
    figure, axes = panels(1, len(told), (WIDTH, height), title)
    for axis, picture, text in zip(axes[0], pictures, told, strict=True):
        _show(axis, picture)
        axis.set_xlabel(text, loc="left", fontsize=SMALL, labelpad=3)
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
    sources, targets = _pictures(sources, "sources"), _pictures(targets, "targets")
    same_length(sources=sources, texts=texts, targets=targets)
    tall, wide = max(_tall(sources), _tall(targets)), 1.4
    size = (0.65 * WIDTH, (1.3 * tall + 0.08) * len(sources) + 0.4)
    figure, axes = panels(len(sources), 3, size, title, width_ratios=[1, wide, 1])
    for row, source, text, target in zip(axes, sources, texts, targets, strict=True):
        _show(row[0], source)
        _sentence(row[1], wrap(text, 22) + "\n⟶", tall / wide)
        _show(row[2], target)
    _heads(axes[0], ("source", "edit", "target"), fontsize=SMALL)
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
    flat = _pictures(results.reshape(-1, *results.shape[2:]), "results")
    targets = _pictures(targets, "targets")
    sources = None if sources is None else _pictures(sources, "sources")
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
    pictures = side * max(_tall(x) for x in (flat, targets, sources) if x is not None)
    tall = [max(pictures, LINE * lines_of(text)) for text in texts]
    figure, axes = _rows([t + 0.4 for t in tall], ratios, title)  # the mark below, and air
    for q, row in enumerate(axes):
        if sources is not None:
            _show(row[0], sources[q])
        sentence, target, gap, *found = row[-k - 3 :]
        _sentence(sentence, texts[q], tall[q] / wide)
        _show(target, targets[q])
        target.set_xlabel(f"rank {ranks[q]:,}", fontsize=SMALL, labelpad=3)
        gap.axis("off")
        for axis, picture, hit in zip(found, results[q], hits[q], strict=True):
            _found(axis, picture, hit, "✓" if hit else "✗", fontsize=10, labelpad=1)
    _heads(axes[0], heads)
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
    flat = _pictures(pictures.reshape(-1, *pictures.shape[2:]), "pictures")
    k, wide = pictures.shape[1], 1.9  # width of the words, in pictures
    height = WIDTH / (wide + k) * _tall(flat)
    words = [_broken(text, 21) for text in queries]
    told = [[wrap(text, 13) if text else "✗" for text in row] for row in shared]
    heights = [
        max(height + LINE * max(map(lines_of, row)), LINE * lines_of(text)) + 0.25
        for row, text in zip(told, words, strict=True)
    ]
    figure, axes = _rows(heights, [wide, *[1] * k], title)
    for q, (query, *found) in enumerate(axes):
        query.axis("off")
        query.text(0, 1, words[q], va="top", fontsize=SMALL, transform=query.transAxes)
        for axis, picture, text, same in zip(found, pictures[q], told[q], shared[q], strict=True):
            _found(axis, picture, bool(same), text, fontsize=SMALL if same else 10, labelpad=2)
    axes[0, 0].set_title("query", loc="left", color=MUTED, fontsize=SMALL)
    _heads(axes[0, 1:], [str(i + 1) for i in range(k)])
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
    pictures = _pictures(pictures, "pictures")
    same_length(pictures=pictures, sentences=sentences, hits=hits, ranks=ranks)
    share, characters = 0.24, 76
    wrapped = [[wrap(text, characters) for text in row] for row in sentences]
    lines = [sum(map(lines_of, row)) + 0.4 * len(row) for row in wrapped]
    least = WIDTH * share * _tall(pictures) + 0.45
    heights = [max(least, LINE * n + 0.3) for n in lines]
    figure, axes = _rows(heights, [share, 1 - share], title)
    for q, (axis, told) in enumerate(axes):
        _show(axis, pictures[q])
        if ranks is not None:
            axis.set_xlabel(f"rank {ranks[q]:,.0f}", fontsize=SMALL, labelpad=3)
        told.axis("off")
        y = 1 - 0.15 / heights[q]
        marks = [None] * len(wrapped[q]) if hits is None else hits[q]
        for text, hit in zip(wrapped[q], marks, strict=True):
            if hit is not None:
                color = HIT if hit else MISS
                told.text(0, y, "✓" if hit else "✗", color=color, va="top", fontsize=10)
            told.text(0.035, y, text, va="top", fontsize=SMALL)
            y -= LINE * (lines_of(text) + 0.4) / heights[q]
    return figure


@closed
def attention_rows(
    pictures: np.ndarray, words: Sequence[Sequence[str]], maps: Sequence[np.ndarray], title=""
) -> Figure:
    """Where the words of a sentence look: the picture, then a panel per word.

    Over the grey picture lies the word's attention, cell by cell, in shares of what it would be if
    it looked everywhere alike: 1 is no preference. All panels have one scale, so that words that
    look at the same places look the same.

    Args:
        pictures: (Q, h, w, 3) uint8.
        words: Q lists of n words.
        maps: Q arrays (n, rows, columns) of weights, at least 0.
        title: of the figure.

    Raises:
        InputError: arrays are not as above, or differ in length.
    """
    pictures = _pictures(pictures, "pictures")
    same_length(pictures=pictures, words=words, maps=maps)
    n = max(map(len, words))
    height = WIDTH / (n + 1) * _tall(pictures) + LINE + 0.1
    size = (WIDTH, height * len(pictures) + 0.9)
    figure, axes = panels(len(pictures), n + 1, size, title)
    shares = [_shares(weights) for weights in maps]
    top = max(share.max() for share in shares)
    for axis in axes.flat:
        axis.axis("off")
    for row, picture, texts, share in zip(axes, pictures, words, shares, strict=True):
        row[0].axis("on")
        _show(row[0], picture)
        _heads(row[:1], ["picture"])
        h, w = picture.shape[:2]
        grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        for axis, text, one in zip(row[1:], texts, share, strict=False):
            axis.imshow(grey)
            place = {"extent": (-0.5, w - 0.5, h - 0.5, -0.5), "cmap": "viridis", "alpha": 0.6}
            lit = axis.imshow(one, vmin=0, vmax=top, **place)
            axis.set_title(text, fontsize=SMALL, loc="center")
    bar = figure.colorbar(lit, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    bar.set_label("attention; 1: as if it looked everywhere alike")
    return figure


def _pictures(images: np.ndarray, name: str) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        raise InputError(
            f"{name} must be (N, h, w, 3) uint8 with N > 0, got {images.shape} {images.dtype}"
        )
    return images


def _tall(pictures: np.ndarray) -> float:
    """Height over width of (N, h, w, 3) pictures."""
    return pictures.shape[1] / pictures.shape[2]


def _rows(heights: list[float], ratios: list[float], title: str) -> tuple[Figure, np.ndarray]:
    """Rows of the given heights in inches, columns of the given ratios, below a title."""
    size = (WIDTH, sum(heights) + 0.3)
    shape = {"height_ratios": heights, "width_ratios": ratios}
    return panels(len(heights), len(ratios), size, title, **shape)


def _heads(axes: Sequence[Axes], heads: Sequence[str], fontsize: float = SMALL) -> None:
    for axis, head in zip(axes, heads, strict=True):
        axis.set_title(head, loc="center", color=MUTED, fontsize=fontsize)


def _show(axis: Axes, picture: np.ndarray) -> None:
    axis.imshow(picture)
    axis.set(xticks=[], yticks=[])
    frame(axis)


def _found(axis: Axes, picture: np.ndarray, hit: bool, text: str, **look) -> None:
    """A result: framed by whether it is a hit, with a text below."""
    _show(axis, picture)
    color = HIT if hit else MISS
    frame(axis, color, "-" if hit else (0, (3, 2)), width=2.2)
    axis.set_xlabel(text, color=color, **look)


def _sentence(axis: Axes, text: str, height: float) -> None:
    axis.axis("off")
    axis.set_box_aspect(height)  # as tall as the pictures beside it, so that heads line up
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=SMALL, transform=axis.transAxes)


def _broken(text: str, characters: int) -> str:
    """Text with breaks of its own, and more where a line would be too long."""
    return "\n".join(wrap(line, characters) for line in text.split("\n"))


def _shares(weights: np.ndarray) -> np.ndarray:
    """Weights (n, rows, columns), each map divided by its mean."""
    weights = np.asarray(weights, dtype=np.float64)
    return weights / np.maximum(weights.mean(axis=(1, 2), keepdims=True), 1e-12)
