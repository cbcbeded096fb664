"""What a ranking by categories says: for each query, groups of tied items and the relevant in them.

An item is relevant when it shares a category with the query. Codes of L bits have L + 1 distances,
so nearly everything ties, and a sort would decide at random what a metric says; so nothing is
sorted by code: items are counted by distance. Letters: Q queries, N database items, C categories.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.hamming import as_codes, words
from cmir_repro.evaluation.recall import check_widths, unit_rows

# Pairs of query and item from which on `kernels` are faster, their import included.
_MANY_CODES, _MANY_COSINES = 2**27, 2**25
_FEW = 32  # relevant items; with more a whole sort is cheaper
_WINDOW = np.float32(64)  # tolerances to each side of a relevant item


class Groups(NamedTuple):
    """M groups of items that tie: those of the first query, best first, then the second's, ...

    All queries rank the same N items. Groups without a relevant item may be left out: no measure
    needs more of them than their items, which `before` counts.
    """

    query: np.ndarray  # (M,) int64, in [0, queries)
    items: np.ndarray  # (M,) int64, at least 1
    relevant: np.ndarray  # (M,) int64, how many of the items are
    before: np.ndarray  # (M,) int64, items that this query ranks before the group
    relevant_before: np.ndarray  # (M,) int64
    queries: int  # Q
    size: int  # N

    def only(self, chosen: np.ndarray) -> "Groups":
        """The groups of (M,) bool or rows, at the places they have."""
        return Groups(*(values[chosen] for values in self[:-2]), self.queries, self.size)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """(M,) of each group -> (Q,)."""
        return np.bincount(self.query, values, self.queries)


def in_order(query: np.ndarray, items: np.ndarray, relevant: np.ndarray, queries: int) -> Groups:
    """Groups that follow one another as they are given, at least one of each query."""
    first = np.searchsorted(query, np.arange(queries))
    before, relevant_before = (np.cumsum(values) - values for values in (items, relevant))
    if queries > 1:
        before -= before[first][query]
        relevant_before -= relevant_before[first][query]
    return Groups(query, items, relevant, before, relevant_before, queries, before[-1] + items[-1])


def hamming_histograms(
    query_codes: np.ndarray,
    database_codes: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    chunk: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """How many database items there are at each Hamming distance, and how many are relevant.

    Args:
        query_codes: (Q, L), of what `hamming.as_codes` takes; database_codes: (N, L).
        query_labels: (Q, C) bool, or 0 and 1; database_labels: (N, C).
        chunk: queries per block; by default so many that a block of distances takes 2 MB.

    Returns:
        totals, relevants: (Q, L + 1) int64 each; column d counts items with d bits that differ.

    Raises:
        InputError: shapes disagree or values are not binary.
    """
    query, item = as_codes(query_codes, "query"), as_codes(database_codes, "database")
    if query.shape[1] != item.shape[1]:
        raise InputError(
            f"query codes have {query.shape[1]} bits, database codes {item.shape[1]}; they must "
            "come from the same model"
        )
    asked, found = _masks(query_labels, len(query), database_labels, len(item))
    L = query.shape[1]
    query, item = words(query), words(item)
    Q, N = query.shape[1], item.shape[1]
    chunk = _chunk(chunk, 2**18, N)
    counts = np.empty((Q, L + 1, 2), np.int64)  # irrelevant, relevant
    if Q * N >= _MANY_CODES:
        from cmir_repro.evaluation import kernels  # seconds, where it is not yet compiled

        kernels.hamming_counts(query, item, asked, found, counts)
        return counts.sum(2), counts[:, :, 1].copy()
    for start in range(0, Q, chunk):
        rows = slice(start, start + chunk)
        distance = np.zeros((), np.uint16)
        for q, d in zip(query[:, rows], item, strict=True):
            distance = distance + np.bitwise_count(q[:, None] ^ d)  # (chunk, N)
        # One count of both: the cell of an item is its query's row, distance and relevance.
        cell = np.multiply(distance, 2, dtype=np.int64)
        cell += _relevant(asked[:, rows], found)
        cell += 2 * (L + 1) * np.arange(len(cell))[:, None]
        part = np.bincount(cell.ravel(), minlength=len(cell) * 2 * (L + 1))
        counts[rows] = part.reshape(len(cell), L + 1, 2)
    return counts.sum(2), counts[:, :, 1].copy()


def hamming_groups(totals: np.ndarray, relevants: np.ndarray) -> Groups:
    """The groups of `hamming_histograms`: items at one distance tie."""
    query, distance = np.nonzero(totals)
    return in_order(query, totals[query, distance], relevants[query, distance], len(totals))


def cosine_groups(
    queries: np.ndarray,
    database: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    tolerance: float,
    chunk: int | None = None,
) -> Iterator[Groups]:
    """The groups by cosine of features, of a block of queries after the other.

    Scores tie that a chain of steps of at most `tolerance` links; a chain that is longer than the
    tolerance is cut into pieces of that length, from its top. So ties are never wider than it, and
    do not depend on the order of the database, as single bits of matrix products do.

    Args:
        queries: (Q, D) number; rows are scaled to length 1 here. database: (N, D).
        query_labels: (Q, C) bool, or 0 and 1; database_labels: (N, C).
        chunk: queries per block; by default so many that a block of scores takes 16 MB.

    Raises:
        InputError: shapes disagree; a row is zero or not finite; labels are not binary.

    Source: our choice.
    """
    queries, database = unit_rows(queries, "query"), unit_rows(database, "database")
    check_widths(queries, database)
    asked, found = _masks(query_labels, len(queries), database_labels, len(database))
    chunk = _chunk(chunk, 2**22, len(database))
    few = _chunk(None, 2**18, len(database))  # what is sorted at a time stays in the cache
    for start in range(0, len(queries), chunk):
        scores = queries[start : start + chunk] @ database.T  # (chunk, N)
        for row in range(0, len(scores), few):
            part = scores[row : row + few]
            rows = slice(start + row, start + row + len(part))
            if len(queries) * len(database) >= _MANY_COSINES:
                yield _compiled(part, asked[:, rows], found, np.float32(tolerance))
            else:
                yield grouped(part, _relevant(asked[:, rows], found), np.float32(tolerance))


def grouped(scores: np.ndarray, relevant: np.ndarray, tolerance: np.float32) -> Groups:
    """Groups with a relevant item, of (b, N) float32 scores, the best highest, and (b, N) bool.

    Ties as in `cosine_groups`.
    """
    b, N = scores.shape
    # Relevance travels in the lowest bit of a float64, which a float32 leaves free: numpy sorts
    # numbers by vector instructions, and faster than it finds and follows an order of theirs.
    key = (-scores).astype(np.float64)
    key.view(np.int64)[...] |= relevant
    key.sort(axis=1)
    key = key.ravel()
    relevant, scores = key.view(np.int64) & 1, key.astype(np.float32)
    begins = np.empty(b * N, bool)
    np.greater(np.diff(scores), tolerance, out=begins[1:])
    begins[::N] = True
    first = np.flatnonzero(begins)  # of each chain
    items = np.diff(first, append=b * N)
    rows = np.flatnonzero(items > 2)  # a shorter chain is no longer than the tolerance
    start = first[rows]
    rows = rows[scores[start + items[rows] - 1] - scores[start] > tolerance]
    if len(rows):
        # Places of their items, one chain after the other; a chain's first begins a group already.
        skipped = first[rows] - np.cumsum(items[rows]) + items[rows]
        places = np.arange(items[rows].sum()) + np.repeat(skipped, items[rows])
        top = np.repeat(scores[first[rows]], items[rows])
        piece = np.floor((scores[places] - top) / tolerance)
        begins[places[1:]] |= np.diff(piece) > 0
        first = np.flatnonzero(begins)
        items = np.diff(first, append=b * N)
    found = np.concatenate([[0], np.cumsum(relevant)])  # before each item
    inside = np.diff(found[first], append=found[-1])
    kept = np.flatnonzero(inside)
    first = first[kept]
    query = first // N
    return Groups(
        query=query,
        items=items[kept],
        relevant=inside[kept],
        before=first - query * N,
        relevant_before=found[first] - found[query * N],
        queries=b,
        size=N,
    )


def levelled(scores: np.ndarray, tolerance: float, depth: int | None = None) -> np.ndarray:
    """Scores of one query, (n,) number, best first, where what ties has its group's best score.

    Ties as in `cosine_groups`, so that a list of what comes out ties where it is equal.

    Args:
        depth: of how many, at most; None: of all.
    """
    scores, tolerance = np.asarray(scores, np.float32), np.float32(tolerance)
    begins = np.concatenate([[True], -np.diff(scores) > tolerance])[: len(scores)]
    if depth is not None:  # up to the end of the chain that the last one is in
        later = depth + np.flatnonzero(begins[depth:])
        scores, begins = (x[: later[0]] if len(later) else x for x in (scores, begins))
    first = np.flatnonzero(begins)  # of each chain
    for start, stop in itertools.pairwise([*first, len(scores)]):
        far = scores[start] - scores[start:stop]
        if stop - start > 2 and far[-1] > tolerance:
            begins[start + 1 : stop] |= np.diff(np.floor(far / tolerance)) > 0
    return scores[np.flatnonzero(begins)][np.cumsum(begins) - 1][:depth]


def _compiled(
    scores: np.ndarray, asked: np.ndarray, found: np.ndarray, tolerance: np.float32
) -> Groups:
    """`grouped` of cosines, by kernels; asked, found: masks of categories."""
    from cmir_repro.evaluation import kernels

    b, N = scores.shape
    key, room = np.empty((b, N), np.int32), np.empty((4, N), np.int64)
    kernels.keys(scores.view(np.int32), asked, found, key)
    key.sort(axis=1)  # by vector instructions, which compiled loops lack
    parts = [room[:, : kernels.groups(row, tolerance, room)].copy() for row in key]
    query = np.repeat(np.arange(b), [part.shape[1] for part in parts])
    return Groups(query, *np.concatenate(parts, axis=1), b, N)


def of_few(scores: np.ndarray, columns: Sequence[np.ndarray], tolerance: np.float32) -> Groups:
    """`grouped` where few items are relevant: only what is near these is sorted.

    Args:
        scores: (b, N) float32, the best highest. columns: of each row the relevant ones, (r,) int.
    """
    parts = [_near(row, marked, tolerance) for row, marked in zip(scores, columns, strict=True)]
    return joined([(np.array([i]), part) for i, part in enumerate(parts)], len(scores))


def _near(row: np.ndarray, columns: np.ndarray, tolerance: np.float32) -> Groups:
    """The groups of one query; all is sorted where ties reach further than a window."""
    mask = np.zeros(len(row), bool)
    mask[columns] = True
    window = _WINDOW * tolerance
    found = {}
    for score in row[columns].tolist() if len(columns) <= _FEW else ():
        high, low = np.float32(score) + window, np.float32(score) - window
        inside = np.flatnonzero((row <= high) & (row >= low))
        # Ties do not reach the window's ends if a gap is between these and the score's chain.
        near = np.sort(row[inside])
        gaps = np.flatnonzero(np.diff(near) > tolerance)
        place = np.searchsorted(near, score)
        if tolerance and (
            (high - near[-1] <= tolerance and not (gaps >= place).any())
            or (near[0] - low <= tolerance and not (gaps < place).any())
        ):
            return grouped(row[None], mask[None], tolerance)
        g = grouped(row[inside][None], mask[inside][None], tolerance)
        behind = len(near) - np.searchsorted(near, score, side="right")  # items above the score
        own = np.searchsorted(g.before, behind, side="right") - 1
        above = np.count_nonzero(row > high)
        found[above + int(g.before[own])] = int(g.items[own]), int(g.relevant[own])
    if not found and len(columns):
        return grouped(row[None], mask[None], tolerance)
    before = np.array(sorted(found), np.int64)
    items, relevant = (np.array([found[b][i] for b in before.tolist()], np.int64) for i in (0, 1))
    query = np.zeros(len(before), np.int64)
    ahead = np.cumsum(relevant) - relevant
    return Groups(query, items, relevant, before, ahead, 1, len(row))


def joined(parts: Sequence[tuple[np.ndarray, Groups]], queries: int) -> Groups:
    """Groups of several rankings, which may be of different sizes, as those of all queries.

    Args:
        parts: for each ranking its queries' numbers, (q,) int, in [0, queries), and its groups.

    Returns:
        In the order of the queries; `size` is that of the longest ranking.
    """
    numbers = np.concatenate([rows[groups.query] for rows, groups in parts])
    order = np.argsort(numbers, kind="stable")
    columns = zip(*(groups[1:-2] for _, groups in parts), strict=True)
    rest = (np.concatenate(column)[order] for column in columns)
    return Groups(numbers[order], *rest, queries, max(groups.size for _, groups in parts))


def random_groups(items: int, relevant: np.ndarray) -> Groups:
    """All items tied: what a random order of `items`, of which (Q,) are relevant, says."""
    Q = len(relevant)
    return in_order(np.arange(Q), np.full(Q, items), np.asarray(relevant, np.int64), Q)


def _masks(query_labels, Q: int, database_labels, N: int) -> tuple[np.ndarray, np.ndarray]:
    asked, found = _labels(query_labels, Q, "query"), _labels(database_labels, N, "database")
    if asked.shape[1] != found.shape[1]:
        raise InputError(
            f"query labels have {asked.shape[1]} categories, database labels {found.shape[1]}"
        )
    return words(asked), words(found)


def _labels(labels: np.ndarray, rows: int, what: str) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 2 or len(labels) != rows or not labels.size:
        raise InputError(
            f"{what} labels must be ({rows}, categories), one row per {what} item, got "
            f"{labels.shape}"
        )
    odd = np.flatnonzero(((labels != 0) & (labels != 1)).any(1))
    if len(odd):
        raise InputError(f"{what} labels of row {odd[0]} are not all 0 or 1")
    return labels.astype(bool)


def _relevant(asked: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Whether a category is shared: (W, b) and (W, N) uint64 masks -> (b, N) bool."""
    shared = np.zeros((), np.uint64)
    for q, d in zip(asked, found, strict=True):
        shared = shared | (q[:, None] & d)
    return shared != 0


def _chunk(chunk: int | None, entries: int, N: int) -> int:
    if chunk is not None and chunk < 1:
        raise InputError(f"chunk must be at least 1, got {chunk}")
    return chunk or max(1, entries // N)
