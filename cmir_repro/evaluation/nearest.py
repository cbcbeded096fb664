"""The nearest gallery images of each query: for looking at results, not for scoring them.

Recall comes from `recall.ranks`, which is exact about ties; here the order of equal scores is
whatever faiss leaves.
"""

import math

import numpy as np

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.evaluation.recall import check_widths, unit_rows

# faiss wants 39 training points per cell, of which there are sqrt(G).
SMALLEST_IVFPQ = 39**2
_ROWS = 2**16  # gallery rows in memory at a time


def nearest(
    queries: np.ndarray,
    gallery: np.ndarray,
    k: int,
    source: np.ndarray | None = None,
    index: str = "flat",
) -> tuple[np.ndarray, np.ndarray]:
    """The k gallery items with the highest cosine to each query.

    Args:
        queries: (Q, D) number.
        gallery: (G, D) number; may be a memory map (`numpy.load(..., mmap_mode="r")`).
        k: at least 1; may exceed what is left of the gallery.
        source: (Q,) int, gallery row to leave out for each query, -1 for none.
        index: "flat", exact, keeps the gallery in memory; or "ivfpq", for galleries past it: D/8
            bytes an image, a tenth of the cells searched, 10 k candidates scored exactly.

    Returns:
        ids, (Q, k) int64: gallery rows, best first; -1 where fewer than k are left (or, with
            "ivfpq", found).
        scores, (Q, k) float32: their cosines; -inf where the id is -1.

    Raises:
        InputError: faiss is not installed; shapes disagree; a row is zero or not finite;
            "ivfpq" with a gallery below `SMALLEST_IVFPQ` or D that is not a multiple of 8.
    """
    one_of("index", index, ["flat", "ivfpq"])
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
    wanted = k + 1 if index == "flat" else 10 * k + 1
    built = _flat(gallery) if index == "flat" else _ivfpq(gallery)
    scores, ids = built.search(queries, min(wanted, G))  # (Q, wanted)
    if index == "ivfpq":
        scores = _exact(queries, gallery, ids)
    scores[(ids == source[:, None]) | (ids < 0)] = -np.inf
    ids[np.isneginf(scores)] = -1
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores, ids = np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)
    spare = ((0, 0), (0, k - scores.shape[1]))
    return np.pad(ids, spare, constant_values=-1), np.pad(scores, spare, constant_values=-np.inf)


def _flat(gallery: np.ndarray):
    built = _faiss().IndexFlatIP(gallery.shape[1])
    _add(built, gallery)
    return built


def _ivfpq(gallery: np.ndarray):
    G, D = gallery.shape
    if G < SMALLEST_IVFPQ or D % 8:
        raise InputError(
            f"ivfpq needs at least {SMALLEST_IVFPQ} gallery items and D a multiple of 8, got "
            f"({G}, {D}); use flat"
        )
    faiss = _faiss()
    cells = int(math.sqrt(G))
    # 4 bits for each 4 dimensions: as small as the usual 8 for 8, and trained far faster.
    built = faiss.index_factory(D, f"IVF{cells},PQ{D // 4}x4fs", faiss.METRIC_INNER_PRODUCT)
    few = np.linspace(0, G - 1, min(G, 64 * cells), dtype=np.int64)
    built.train(unit_rows(gallery[few], "gallery"))
    built.nprobe = math.ceil(cells / 10)
    _add(built, gallery)
    return built


def _add(built, gallery: np.ndarray) -> None:
    for start in range(0, len(gallery), _ROWS):
        built.add(unit_rows(gallery[start : start + _ROWS], f"gallery (from row {start})"))


def _exact(queries: np.ndarray, gallery: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Cosine of each query and its candidates, (Q, candidates) float32."""
    scores = np.empty(ids.shape, np.float32)
    for i, (query, row) in enumerate(zip(queries, ids, strict=True)):
        scores[i] = unit_rows(gallery[np.maximum(row, 0)], "gallery") @ query
    return scores


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise InputError("nearest needs faiss; install faiss-cpu") from error
    return faiss
