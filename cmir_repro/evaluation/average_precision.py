"""Average precision, precision at n and precision-recall, expected over the orders of ties.

Average precision is the mean, over the relevant items, of the precision at the place of each. Where
items tie, a sort puts them in an order that nobody meant; here every order counts the same, and
the expectation is computed in closed form (McSherry and Najork 2008). Letters: Q queries, M groups
of ties (`tie_groups.Groups`), of n items with r relevant; p items, s relevant, come before.
"""

from functools import lru_cache

import numpy as np

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.protocol import TIES
from cmir_repro.evaluation.tie_groups import Groups

LEVELS = 101  # of recall, from 0 to 1
_ENTRIES = 2**21  # of a block of probabilities: 16 MB


def average_precision(groups: Groups, depth: int | None = None, ties: str = "mean") -> np.ndarray:
    """Average precision of each query.

    Args:
        depth: how many places count. None: all, divided by the number of relevant items. With a
            depth, divided by the number of relevant items within it, and 0 if there are none: so
            an item that is missed costs nothing, and the value grows as the depth falls. This is
            what the code of CRCGS computes.
        ties: "mean" over all orders; "best": relevant ones first; "worst": relevant ones last. At
            a depth these two are no bounds, for what is relevant enters the divisor too.

    Returns:
        (Q,) float64 in [0, 1]; NaN for a query without any relevant item in the database.

    Source: McSherry and Najork 2008 for all places; at a depth, our derivation: given how many
        relevant items of the group that the depth cuts are within it (hypergeometric), those
        within are in random order.
    """
    one_of("ties", ties, TIES)
    N = groups.size
    H = _harmonic(N)
    depth = N if depth is None else min(_whole("depth", depth), N)
    counted = groups.only((groups.relevant > 0) & (groups.before < depth))
    whole = counted.before + counted.items <= depth
    done = counted if whole.all() else counted.only(whole)
    total, count = done.sum(_precisions(done, ties, H)), done.sum(done.relevant)
    result = np.divide(total, count, out=np.zeros(groups.queries), where=count > 0)
    if not whole.all():
        cut = counted.only(~whole)  # one of a query at most
        result[cut.query] = _cut(cut, depth - cut.before, total[cut.query], ties, H)
    return _undefined(result, groups)


def average_precision_at(
    groups: Groups, k: int, total: np.ndarray, ties: str = "mean"
) -> np.ndarray:
    """Average precision of the first k places, divided by as many relevant items as fit there.

    The best ranking has 1 and a relevant item that is missed costs: what CIRCO reports (Baldrati et
    al. 2023, equation 4). `average_precision` at a depth is another measure.

    Args:
        total: (Q,) int, relevant items of each query, at least 1, ranked or not.

    Returns:
        (Q,) float64 in [0, 1]. "best" and "worst" order of ties are its bounds.
    """
    one_of("ties", ties, TIES)
    first = groups.only((groups.relevant > 0) & (groups.before < _whole("k", k)))
    H = _harmonic(groups.size)
    found = first.sum(_precisions(first, ties, H, np.minimum(first.items, k - first.before)))
    return found / np.minimum(total, k)


def average_precision_by_trapezoids(
    groups: Groups, total: np.ndarray, ties: str = "mean"
) -> np.ndarray:
    """Area under precision over recall by trapezoids, as revisited Oxford and i-CIR compute it.

    At each relevant item the precision there and the one just before it (1 at the first place) are
    averaged. The divisor is total + 0.00001, as in utils.py of billpsomas/icir.

    Args:
        total: (Q,) int, relevant items of each query.

    Returns:
        (Q,) float64.
    """
    one_of("ties", ties, TIES)
    g, H = groups.only(groups.relevant > 0), _harmonic(groups.size)
    n, r, p, s = g.items, g.relevant, g.before, g.relevant_before
    top = p == 0  # nothing is before the group's first place
    if ties == "mean":
        c = np.divide(r - 1.0, n - 1, out=np.zeros(np.shape(r)), where=n > 1)
        below = c * n + (s - c * p) * (H[p + n - 1] - H[np.maximum(p - 1, 0)])
        before = r / n * np.where(top, 1 + c * (n - 1), below)
    else:
        q = p if ties == "best" else p + n - r
        below = r + (s - q) * (H[np.maximum(q + r - 1, 0)] - H[np.maximum(q - 1, 0)])
        before = np.where(q == 0, r, below)
    return g.sum((before + _precisions(g, ties, H)) / 2) / (total + 1e-5)


def precision_at(groups: Groups, n: int, ties: str = "mean") -> np.ndarray:
    """Share of relevant items among the first n, or among all where there are fewer.

    Returns:
        (Q,) float64; NaN as in `average_precision`.
    """
    one_of("ties", ties, TIES)
    n = min(_whole("n", n), groups.size)
    first = groups.only(groups.before < n)
    inside = _inside(np.minimum(n - first.before, first.items), first, ties)
    return _undefined(first.sum(inside) / n, groups)


def precision_recall(groups: Groups) -> np.ndarray:
    """Interpolated precision at recall 0, 0.01, ..., 1.

    At a level it is the best precision of any threshold with at least that recall (as TREC defines
    it). A threshold takes a whole group of ties or nothing of it, so no order matters.

    Returns:
        (Q, LEVELS) float64; NaN as in `average_precision`.
    """
    total = groups.sum(groups.relevant).astype(np.int64)
    # A threshold that finds nothing more than the one before it is worse.
    g = groups.only(groups.relevant > 0)
    count = g.relevant_before + g.relevant  # found at each threshold
    precision = count / (g.before + g.items)
    # Best of this threshold and those after it: a running maximum from the end, which the step
    # from query to query lets begin anew.
    step = 2.0 * (groups.queries - g.query)
    best = np.maximum.accumulate((precision + step)[::-1])[::-1] - step
    needed = -(-np.arange(LEVELS) * total[:, None] // (LEVELS - 1))  # (Q, LEVELS), rounded up
    span = total.max() + 1
    first = np.searchsorted(
        count + span * g.query, needed + span * np.arange(groups.queries)[:, None]
    )
    # A query with nothing relevant has no threshold; whatever is taken for it does not stay.
    return _undefined(np.append(best, np.nan)[np.minimum(first, len(best))], groups)


def by_radius(totals: np.ndarray, relevants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of what lies within each Hamming radius: the field's curve of codes.

    Args:
        totals, relevants: (Q, L + 1), from `tie_groups.hamming_histograms`.

    Returns:
        recall, precision: (L + 1,) float64, means over the queries with a relevant item. The
        precision of a radius is that of the queries which have anything within it, NaN if none.
    """
    totals, relevants = (x[relevants.any(1)] for x in (totals, relevants))
    within, found = totals.cumsum(1), relevants.cumsum(1)
    recall = (found / found[:, -1:]).mean(0)
    asked = (within > 0).sum(0)
    precision = np.divide(found, within, out=np.zeros(found.shape), where=within > 0).sum(0)
    return recall, np.divide(precision, asked, out=np.full(len(asked), np.nan), where=asked > 0)


@lru_cache(maxsize=4)
def _harmonic(N: int) -> np.ndarray:
    """The harmonic numbers 0 to N, to be read only: blocks of queries rank the same items."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, N + 1))])


def _precisions(
    g: Groups, ties: str, H: np.ndarray, places: np.ndarray | None = None
) -> np.ndarray:
    """Expected sum of the precisions at the places of a group's relevant items.

    places: only the first so many of each group count; None: all.

    "mean": place j of the group holds a relevant item with probability r / n, then with s and
    on average (j - 1) (r - 1) / (n - 1) relevant ones before; summed over j in closed form.
    """
    n, r, p, s = g.items, g.relevant, g.before, g.relevant_before
    t = n if places is None else places
    if ties == "mean":
        c = np.divide(r - 1.0, n - 1, out=np.zeros(np.shape(r)), where=n > 1)
        return r / n * (c * t + (s + 1 - c * (p + 1)) * (H[p + t] - H[p]))
    q = p if ties == "best" else p + n - r  # items before the relevant ones, which are in a row
    if places is not None:
        r = np.clip(p + t - q, 0, r)
    return r + (s - q) * (H[q + r] - H[q])


def _inside(t: np.ndarray, g: Groups, ties: str) -> np.ndarray:
    """How many relevant items are among the first t of each group, expected."""
    n, r = g.items, g.relevant
    if ties == "mean":
        return t * r / n
    return np.minimum(r, t) if ties == "best" else np.maximum(0, t - (n - r))


def _cut(g: Groups, t: np.ndarray, total: np.ndarray, ties: str, H: np.ndarray) -> np.ndarray:
    """Average precision of queries whose last group has only its first t places within the depth.

    Args:
        g: one group of each of K queries. t: (K,). total: (K,) sum of precisions before it.
    """

    def divided(g: Groups, t: np.ndarray, total: np.ndarray, x: np.ndarray) -> np.ndarray:
        """With x relevant items among the t."""
        found = total + _precisions(g._replace(items=t, relevant=x), ties, H)
        count = g.relevant_before + x
        return np.where(count > 0, found / np.maximum(count, 1), 0.0)

    if ties != "mean":
        return divided(g, t, total, _inside(t, g, ties))
    from scipy.special import gammaln  # a tenth of a second, and only depths need it

    low, high = np.maximum(0, t - (g.items - g.relevant)), np.minimum(g.relevant, t)
    result = np.empty(len(t))
    block = max(1, _ENTRIES // int((high - low).max() + 1))
    factorial = gammaln(np.arange(g.items.max() + 1) + 1.0)  # its logarithm
    for start in range(0, len(t), block):
        rows = slice(start, start + block)
        part = Groups(*(values[rows, None] for values in g[:-2]), g.queries, g.size)
        least, most, taken = low[rows, None], high[rows, None], t[rows, None]
        x = np.minimum(least + np.arange((most - least).max() + 1), most)  # (block, values of x)
        # Hypergeometric, but for factors that do not depend on x.
        left = part.relevant - x, taken - x, part.items - part.relevant - taken + x
        log = -factorial[x] - sum(factorial[k] for k in left)
        log[np.arange(x.shape[1]) > most - least] = -np.inf
        chance = np.exp(log - log.max(1, keepdims=True))
        value = divided(part, taken, total[rows, None], x)
        result[rows] = (chance * value).sum(1) / chance.sum(1)
    return result


def _undefined(values: np.ndarray, groups: Groups) -> np.ndarray:
    """`values`, (Q, ...), with NaN where a query has no relevant item."""
    values[groups.sum(groups.relevant) == 0] = np.nan
    return values


def _whole(what: str, value: int) -> int:
    if value < 1:
        raise InputError(f"{what} must be at least 1, got {value}")
    return int(value)
