"""Average precision, precision at n and precision-recall, expected over the orders of ties.

Average precision is the mean, over the relevant items, of the precision at the place of each. Where
items tie, a sort puts them in an order that nobody meant; here every order counts the same, and
the expectation is computed in closed form (McSherry and Najork 2008). Letters: Q queries, M groups
of ties (`tie_groups.Groups`), of n items with r relevant; p items, s relevant, come before.
"""

import numpy as np
from scipy.special import gammaln

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
    H = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, N + 1))])  # harmonic numbers
    depth = N if depth is None else min(_whole("depth", depth), N)
    counted = groups.only((groups.relevant > 0) & (groups.before < depth))
    whole = counted.before + counted.items <= depth
    done = counted.only(whole)
    total, count = done.sum(_precisions(done, ties, H)), done.sum(done.relevant)
    result = np.divide(total, count, out=np.zeros(groups.queries), where=count > 0)
    if not whole.all():
        cut = counted.only(~whole)  # one of a query at most
        result[cut.query] = _cut(cut, depth - cut.before, total[cut.query], ties, H)
    return _undefined(result, groups)


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


def _precisions(g: Groups, ties: str, H: np.ndarray) -> np.ndarray:
    """Expected sum of the precisions at the places of a group's relevant items.

    "mean": place j of the group holds a relevant item with probability r / n, then with s and
    on average (j - 1) (r - 1) / (n - 1) relevant ones before; summed over j in closed form.
    """
    n, r, p, s = g.items, g.relevant, g.before, g.relevant_before
    if ties == "mean":
        c = np.divide(r - 1.0, n - 1, out=np.zeros(np.shape(r)), where=n > 1)
        return r / n * (c * n + (s + 1 - c * (p + 1)) * (H[p + n] - H[p]))
    q = p if ties == "best" else p + n - r  # items before the relevant ones, which are in a row
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
