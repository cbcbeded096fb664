"""The nearest gallery images of each query: for looking at results, not for scoring them.

Galleries past memory have an index of their own: `evaluation.index`.

Recall comes from `recall.ranks`, which is exact about ties; here the order of equal scores is
whatever faiss leaves.
"""

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.recall import check_widths, unit_rows

_ROWS = 2**16  # gallery rows in memory at a time


def nearest(
    queries: np.ndarray,
    gallery: np.ndarray,
    k: int,
    source: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k gallery items with the highest cosine to each query.

    Args:
        queries: (Q, D) number.
        gallery: (G, D) number; may be a memory map (`numpy.load(..., mmap_mode="r")`).
        k: at least 1; may exceed what is left of the gallery.
        source: (Q,) int, gallery row to leave out for each query, -1 for none.

    Returns:
        ids, (Q, k) int64: gallery rows, best first; -1 where fewer than k are left.
        scores, (Q, k) float32: their cosines; -inf where the id is -1.

    Raises:
        InputError: faiss is not installed; shapes disagree; a row is zero or not finite.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    queries = unit_rows(queries, "query")
    if np.ndim(gallery) != 2 or not len(gallery):
        raise InputError(f"gallery features must be (G, D), got {np.shape(gallery)}")
    check_widths(queries, gallery)
    G, Q = len(gallery), len(queries)
    source = np.full(Q, -1) if source is None else np.asarray(source)
    if source.shape != (Q,) or source.min() < -1 or source.max() >= G:
        raise InputError(f"source must be ({Q},) rows of the {G} gallery items or -1")
    # One more than asked for, because the source image may be among them.
    built = load_faiss().IndexFlatIP(gallery.shape[1])
    for start in range(0, G, _ROWS):
        built.add(unit_rows(gallery[start : start + _ROWS], f"gallery (from row {start})"))
    scores, ids = built.search(queries, min(k + 1, G))  # (Q, wanted)
    scores[(ids == source[:, None]) | (ids < 0)] = -np.inf
    ids[np.isneginf(scores)] = -1
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores, ids = np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)
    spare = ((0, 0), (0, k - scores.shape[1]))
    return np.pad(ids, spare, constant_values=-1), np.pad(scores, spare, constant_values=-np.inf)


def load_faiss():
    """The module faiss; an `InputError` where it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise InputError("nearest needs faiss; install faiss-cpu") from error
    return faiss
