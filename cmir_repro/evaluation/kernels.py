"""Counting in compiled loops, for inputs that are worth the compilation; imported where used.

Each kernel gives exactly what the NumPy code beside its caller gives. Letters: Q queries, N items,
L bits, W words of 64 bits.
"""

from collections.abc import Callable

import numba
import numpy as np

_BLOCK = 2048  # items at a time: what is kept of them stays in the nearest cache
_FULL, _ONE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(1)
_PAIRS, _FOURS, _BYTES = (_FULL // np.uint64(part) for part in (3, 5, 17))
_ONES = _FULL // np.uint64(255)


def compiled(function: Callable) -> Callable:
    """`function`, compiled when it is first called and kept for later processes where that works.

    Kept beside the source or in the user's cache; where neither can be written it is compiled for
    this process alone.
    """
    try:
        fast = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder to keep it in
        return numba.njit(nogil=True)(function)

    def call(*arguments):
        try:
            return fast(*arguments)
        except OSError:  # compiled but not kept, for want of room; now it is there
            return fast(*arguments)

    return call


@numba.njit
def _add_bits(query: np.uint64, items: np.ndarray, bits: np.ndarray) -> None:
    """Add to (n,) bits how many differ from one word of the query; one instruction where any."""
    for i in range(items.size):
        x = query ^ items[i]
        x -= (x >> _ONE) & _PAIRS
        x = (x & _FOURS) + ((x >> np.uint64(2)) & _FOURS)
        x = (x + (x >> np.uint64(4))) & _BYTES
        bits[i] += np.uint32((x * _ONES) >> np.uint64(56))


@numba.njit
def _share(asked: np.uint64, found: np.ndarray, shared: np.ndarray) -> None:
    for i in range(found.size):
        shared[i] |= asked & found[i]


@numba.njit
def _count(bits: np.ndarray, shared: np.ndarray, cells: np.ndarray, counts: np.ndarray) -> None:
    """Count items by bits and relevance, in four histograms, for one would wait for itself."""
    n = bits.size
    for i in range(n):
        cells[i] = 2 * bits[i] + np.uint32(shared[i] != np.uint64(0))
    whole = n // 4 * 4
    for i in range(0, whole, 4):
        counts[0, cells[i]] += np.uint32(1)
        counts[1, cells[i + 1]] += np.uint32(1)
        counts[2, cells[i + 2]] += np.uint32(1)
        counts[3, cells[i + 3]] += np.uint32(1)
    for i in range(whole, n):
        counts[0, cells[i]] += np.uint32(1)


@compiled
def hamming_counts(
    query: np.ndarray, item: np.ndarray, asked: np.ndarray, found: np.ndarray, out: np.ndarray
) -> None:
    """Distance, relevance and histogram in one pass over the items.

    Args:
        query: (W, Q) uint64 codes; item: (W, N). asked: (W', Q) uint64 categories; found: (W', N).
        out: (Q, L + 1, 2) int64, written: irrelevant and relevant items at each distance.
    """
    N = item.shape[1]
    cells, all_bits = np.empty(_BLOCK, np.uint32), np.empty(_BLOCK, np.uint32)
    all_shared = np.empty(_BLOCK, np.uint64)
    counts = np.empty((4, 2 * out.shape[1]), np.uint32)
    for q in range(query.shape[1]):
        counts[:] = 0
        for start in range(0, N, _BLOCK):
            end = min(start + _BLOCK, N)
            bits, shared = all_bits[: end - start], all_shared[: end - start]
            bits[:] = 0
            shared[:] = 0
            for w in range(len(query)):
                _add_bits(query[w, q], item[w, start:end], bits)
            for w in range(len(asked)):
                _share(asked[w, q], found[w, start:end], shared)
            _count(bits, shared, cells, counts)
        for d in range(out.shape[1]):
            for relevant in range(2):
                cell = 2 * d + relevant
                out[q, d, relevant] = np.int64(counts[0, cell]) + counts[1, cell] + counts[2, cell]
                out[q, d, relevant] += counts[3, cell]


@compiled
def keys(bits: np.ndarray, asked: np.ndarray, found: np.ndarray, out: np.ndarray) -> None:
    """Whole numbers that sort as scores do, the best lowest, with relevance in the lowest bit.

    A float32 between -2 and 2 never uses the highest bit of its exponent: there is room.

    Args:
        bits: (b, N) int32 view of float32 scores. asked: (W', b) uint64; found: (W', N).
        out: (b, N) int32, written.
    """
    shared = np.empty(bits.shape[1], np.uint64)
    for q in range(len(bits)):
        shared[:] = 0
        for w in range(len(asked)):
            _share(asked[w, q], found[w], shared)
        for i in range(bits.shape[1]):
            size = 2 * (bits[q, i] & np.int32(0x3FFFFFFF))
            relevant = np.int32(shared[i] != np.uint64(0))
            out[q, i] = (size if bits[q, i] < 0 else -size) + relevant


@compiled
def groups(key: np.ndarray, tolerance: np.float32, out: np.ndarray) -> int:
    """Groups of ties with a relevant item in a sorted row of `keys`.

    Args:
        key: (N,) int32, ascending. tolerance: as in `tie_groups.cosine_groups`.
        out: (4, N) int64, written: items, relevant, before and relevant_before of each group.

    Returns:
        How many groups there are.
    """
    N = key.size
    bits = np.empty(N, np.int32)
    for i in range(N):
        half = key[i] >> 1
        bits[i] = half if half >= 0 else (-half) | np.int32(-(2**31))
    scores = bits.view(np.float32)  # negated
    count = before = 0
    begin = 0
    while begin < N:
        end = begin + 1
        while end < N and scores[end] - scores[end - 1] <= tolerance:
            end += 1
        long = end - begin > 2 and scores[end - 1] - scores[begin] > tolerance
        first = begin
        while first < end:
            last, relevant = first, 0
            piece = np.floor((scores[first] - scores[begin]) / tolerance) if long else 0.0
            while last < end:
                if long and np.floor((scores[last] - scores[begin]) / tolerance) > piece:
                    break
                relevant += key[last] & 1
                last += 1
            if relevant:
                out[0, count], out[1, count] = last - first, relevant
                out[2, count], out[3, count] = first, before
                count += 1
                before += relevant
            first = last
        begin = end
    return count


@compiled
def ranked(
    scores: np.ndarray, first: np.ndarray, last: np.ndarray, tolerance: np.float32, out: np.ndarray
) -> None:
    """Items above the best relevant one, and relevant and irrelevant ones that tie with it.

    Args:
        scores: (b, G) float32. first, last: (b,) int64, the slice of each row that is relevant.
        out: (3, b) int64, written.
    """
    for q in range(len(scores)):
        row = scores[q]
        best = row[first[q]]
        for i in range(first[q], last[q]):
            best = max(best, row[i])
        high, low = best + tolerance, best - tolerance
        relevant = 0
        for i in range(first[q], last[q]):
            relevant += row[i] >= low
        above = within = np.int32(0)
        for i in range(row.size):
            above += np.int32(row[i] > high)
            within += np.int32(row[i] >= low)
        out[0, q], out[1, q], out[2, q] = above, relevant, within - above - relevant
