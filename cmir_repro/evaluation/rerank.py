"""Re-ranking of images and sentences: a matcher scores the first k of each ranking by cosine.

A fusion encoder is too slow for every pair of a test set. So, as ALBEF does, the cosines (ITC)
choose k candidates of each query, and the matcher's score (ITM) orders these. Letters: G images,
S sentences, E dimensions, P pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.progress import bar
from cmir_repro.core.protocol import Protocol
from cmir_repro.evaluation import image_text
from cmir_repro.evaluation.image_text import BothRanks, checked, folds, ranked_images, unit_pairs
from cmir_repro.evaluation.tied_ranks import Ranks

MODES = ("itc", "itm", "itc+itm")
# Rows of images (P,) int64 and of sentences (P,) int64 -> scores (P,), higher is a better match.
Match = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rerank(
    images: np.ndarray,
    sentences: np.ndarray,
    image_of: np.ndarray,
    match: Match | None,
    protocol: Protocol,
    k: int,
    mode: str = "itm",
    chunk: int = 1024,
    progress: bool = False,
) -> BothRanks:
    """Ranks in both directions when each query's first k are ordered by a matcher.

    The candidates come before everything else, and what is no candidate keeps its order by
    cosine. ALBEF gives all the rest one score, a tie at the bottom; keeping their order is our
    choice. Recall at K <= k is the same either way: what lies outside the candidates has a rank
    above k, however good the matcher would have found it. Only mean ranks and recalls beyond k
    differ, and only ours do not hang on how a sort treats that tie.

    Among equal cosines at the k-th place the lower rows are candidates. Among candidates, ties
    are the protocol's, as in `recall.ranks`, with its tolerance times the size of the score
    where that exceeds 1: matching scores are not bounded as cosines are.

    A pair that is a candidate in both directions is scored once. The matrix of all pairs is never
    held: only blocks of rows (32 MB), the candidates, and one score for each pair of them.

    Args:
        images: (G, E) number; rows are scaled to length 1 here. sentences: (S, E) number.
        image_of: (S,) int, row of `images` that the sentence describes.
        match: scores pairs, which come with ascending rows of images: those of one image follow
            one another, so that its tokens can be used again. Not called with mode "itc".
        protocol: one with direction "both". With folds, candidates are of the query's fold.
        k: candidates of each query; more than there are means all.
        mode: "itm", the matcher's score alone (ALBEF, TCL); "itc+itm", that plus the cosine
            (LAVIS); "itc", cosines alone: `image_sentence.ranks`.
        chunk: pairs per call of `match`.
        progress: show a bar of pairs.

    Raises:
        InputError: as in `image_sentence.ranks`; the matcher returns another number of scores, or
            one that is not finite.

    Source: ALBEF's evaluation (Li et al. 2021), and LAVIS for the sum.
    """
    one_of("mode", mode, MODES)
    for what, value in (("k", k), ("chunk", chunk)):
        if value < 1:
            raise InputError(f"{what} must be at least 1, got {value}")
    if mode == "itc":
        return image_text.ranks(images, sentences, image_of, protocol)
    images, sentences = unit_pairs(images, sentences)
    image_of = checked(image_of, len(images), len(sentences), protocol)
    last = ranked_images(len(images), protocol)
    i2t, t2i = Ranks.empty(last), Ranks.empty(len(image_of))
    for these, rows in folds(image_of, last, protocol):
        number = np.arange(these.start, these.stop)
        own = image_of[rows]
        i = _first(images[these], sentences[rows], number, own, k, protocol)
        t = _first(sentences[rows], images[these], own, number, k, protocol)
        width = len(rows)
        pairs = np.concatenate(
            [
                (np.arange(len(number))[:, None] * width + i.rows).ravel(),
                (t.rows.astype(np.int64) * width + np.arange(width)[:, None]).ravel(),
            ]
        )
        pairs, place = np.unique(pairs, return_inverse=True)
        scores = _matched(match, pairs, number, rows, chunk, progress)[place]
        split = i.rows.size
        i2t.put(these, _reordered(i, scores[:split], mode, protocol))
        t2i.put(rows, _reordered(t, scores[split:], mode, protocol))
    kept = np.flatnonzero(image_of < last)
    return BothRanks(i2t, t2i[kept], image_of[kept], f"{mode} among the first {k} by itc")


class _First(NamedTuple):
    """The candidates of each query, in any order, and its rank where none of them is relevant."""

    rows: np.ndarray  # (Q, k) int32, of the gallery
    cosines: np.ndarray  # (Q, k) float32
    relevant: np.ndarray  # (Q, k) bool
    outside: Ranks  # of Q; not set where a candidate is relevant


def _first(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    k: int,
    protocol: Protocol,
) -> _First:
    """The k with the highest cosine to each query; an item is relevant when labels are equal."""
    Q, n = len(queries), len(gallery)
    k = min(k, n)
    first = _First(
        np.empty((Q, k), np.int32),
        np.empty((Q, k), np.float32),
        np.empty((Q, k), bool),
        Ranks.empty(Q),
    )
    block = max(1, 2**23 // n)
    for start in range(0, Q, block):
        at = slice(start, min(start + block, Q))
        scores = queries[at] @ gallery.T  # (block, n)
        rows = _top(scores, k, protocol.tie_tolerance)  # (block, k)
        first.rows[at] = rows
        first.cosines[at] = np.take_along_axis(scores, rows, 1)
        first.relevant[at] = gallery_labels[rows] == query_labels[at, None]
        lost = np.flatnonzero(~first.relevant[at].any(axis=1))
        for i in lost:
            row = scores[i]
            row[rows[i]] = np.inf  # candidates come first
            relevant = gallery_labels == query_labels[start + i]
            here = slice(start + i, start + i + 1)
            first.outside.put(here, _ranks(row[None], relevant[None], protocol))
    return first


def _top(scores: np.ndarray, k: int, tolerance: float) -> np.ndarray:
    """Rows of the k highest of each line of (Q, n) scores, in any order, (Q, k) int64.

    Scores within the tolerance of the k-th tie with it, and of these the lower rows are taken: so
    what is chosen does not depend on the last bits of a product.
    """
    n = scores.shape[1]
    if k == n:
        return np.broadcast_to(np.arange(n), scores.shape)
    # One more than asked for: when it is clearly below the others, nothing ties across the edge.
    top = np.argpartition(scores, n - k - 1, axis=1)[:, n - k - 1 :]
    found = np.take_along_axis(scores, top, 1)
    edge = found[:, 1:].min(axis=1)  # the k-th
    for i in np.flatnonzero(edge - found[:, 0] <= tolerance):
        sure = np.flatnonzero(scores[i] > edge[i] + tolerance)
        tied = np.flatnonzero(np.abs(scores[i] - edge[i]) <= tolerance)
        top[i, 1:] = np.concatenate([sure, tied[: k - len(sure)]])
    return top[:, 1:]


def _matched(
    match: Match,
    pairs: np.ndarray,
    images: np.ndarray,
    sentences: np.ndarray,
    chunk: int,
    show: bool,
) -> np.ndarray:
    """The matcher's score of each pair (number of image times sentences, plus sentence)."""
    scores = np.empty(len(pairs), np.float32)
    with bar(total=len(pairs), unit=" pairs", desc="matching", disable=not show) as progress:
        for start in range(0, len(pairs), chunk):
            image, sentence = np.divmod(pairs[start : start + chunk], len(sentences))
            found = np.asarray(match(images[image], sentences[sentence]))
            if found.shape != image.shape:
                raise InputError(
                    f"the matcher returned scores of shape {found.shape} for {len(image)} pairs"
                )
            if not np.isfinite(found).all():
                bad = np.flatnonzero(~np.isfinite(found))[0]
                raise InputError(
                    f"the matcher's score of image row {images[image[bad]]} and sentence row "
                    f"{sentences[sentence[bad]]} is not finite; check its weights and inputs"
                )
            scores[start : start + chunk] = found
            progress.update(len(image))
    return scores


def _reordered(first: _First, scores: np.ndarray, mode: str, protocol: Protocol) -> Ranks:
    """The rank of each query by its candidates' scores, (Q * k,)."""
    scores = scores.reshape(first.rows.shape)
    if mode == "itc+itm":
        scores = scores + first.cosines
    here = first.relevant.any(axis=1)
    first.outside.put(here, _ranks(scores[here], first.relevant[here], protocol))
    return first.outside


def _ranks(scores: np.ndarray, relevant: np.ndarray, protocol: Protocol) -> Ranks:
    """Rank of the first relevant item in each line of (Q, n), as `recall.ranks` defines it."""
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    slack = protocol.tie_tolerance * np.maximum(1, np.abs(best))
    above = np.count_nonzero((scores > best + slack) & ~relevant, axis=1)
    tied = scores >= best - slack
    r = np.count_nonzero(tied & relevant, axis=1)
    return Ranks.counted(above, r, np.count_nonzero(tied, axis=1) - r - above, protocol.ties)
