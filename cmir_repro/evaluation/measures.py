"""The measures of rankings with several right answers, each expected over the orders of ties.

Recall here is a hit: whether any right answer is among the first k. Gains are 0 or 1. Letters: Q
queries, M groups of ties (`tie_groups.Groups`), of n items with r relevant, after p items.
"""

from typing import NamedTuple

import numpy as np

from cmir_repro.core.rule import Measure
from cmir_repro.evaluation.average_precision import (
    average_precision,
    average_precision_at,
    average_precision_by_trapezoids,
)
from cmir_repro.evaluation.tie_groups import Groups, random_groups
from cmir_repro.evaluation.tied_ranks import Ranks

NEVER = 2**40  # the items before one that is not ranked at all


class Marked(NamedTuple):
    """Where the items of one kind (the relevant ones, say) stand in each query's ranking."""

    groups: Groups
    total: np.ndarray  # (Q,) int64, how many there are, ranked or not

    def at_random(self, left: np.ndarray) -> "Marked":
        """The same in rankings of (Q,) `left` items in random order: all of them tie."""
        tied = random_groups(left, self.total)
        return Marked(tied._replace(size=int(left.max())), self.total)


class Rankings(NamedTuple):
    """The rankings of Q queries.

    left: (Q,) int64, items ranked for each. relevant: at least 1 each. target: the items that
    recall counts (the relevant ones, unless a benchmark says otherwise). negatives: explicit hard
    negatives, or None.
    """

    left: np.ndarray
    relevant: Marked
    target: Marked
    negatives: Marked | None = None

    def at_random(self) -> "Rankings":
        """What a random order is expected to score is the value of these."""
        marked = (m and m.at_random(self.left) for m in self[1:])
        return Rankings(self.left, *marked)


def value(measure: Measure, found: Rankings, ties: str) -> np.ndarray:
    """(Q,) float64 in [0, 1] of a measure, means over groups aside."""
    kind, k = measure.kind, measure.k
    groups, total = found.relevant
    if kind == "R":
        return first_ranks(found.target.groups, ties).hits(k)
    if kind == "MRR":
        return first_ranks(groups, ties).reciprocal(k)
    if kind == "nDCG":
        return discounted_gain(groups, k, total, ties)
    if kind == "mAP by trapezoids":
        return average_precision_by_trapezoids(groups, total, ties)
    if kind == "mAP":
        if k is None:
            return np.nan_to_num(average_precision(groups, None, ties))
        return average_precision_at(groups, k, total, ties)
    if kind == "negatives":
        return found_among(found.negatives.groups, np.full(len(total), k), ties) / k
    places = total if kind == "R-precision" else np.full(len(total), k)
    return found_among(groups, places, ties) / places


def first_ranks(groups: Groups, ties: str) -> Ranks:
    """The place of each query's first relevant item; one that is not ranked has no place."""
    g = groups.only(groups.relevant > 0)
    query, first = np.unique(g.query, return_index=True)
    above = np.full(groups.queries, NEVER)
    relevant, irrelevant = np.ones_like(above), np.zeros_like(above)
    above[query] = g.before[first]
    relevant[query] = g.relevant[first]
    irrelevant[query] = (g.items - g.relevant)[first]
    return Ranks.counted(above, relevant, irrelevant, ties)


def found_among(groups: Groups, places: np.ndarray, ties: str) -> np.ndarray:
    """(Q,) how many relevant items are expected among the first (Q,) places."""
    start, stop, share = _runs(groups, ties)
    last = places[groups.query]
    return groups.sum(share * (np.minimum(stop, last) - np.minimum(start, last)))


def discounted_gain(groups: Groups, k: int, total: np.ndarray, ties: str = "mean") -> np.ndarray:
    """Normalised discounted cumulative gain of the first k places, gains 0 or 1.

    An item at place i gains 1 / log2(i + 1); the divisor is the gain of the best ranking (Järvelin
    and Kekäläinen 2002, as in trec_eval). Ties: McSherry and Najork 2008.

    Args:
        total: (Q,) int, relevant items of each query, at least 1.
    """
    gain = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # of first places
    start, stop, share = _runs(groups, ties)
    found = groups.sum(share * (gain[np.minimum(stop, k)] - gain[np.minimum(start, k)]))
    return found / gain[np.minimum(total, k)]


def _runs(g: Groups, ties: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of each group that may hold relevant items, (start, stop], and how likely each is."""
    if ties == "mean":
        return g.before, g.before + g.items, g.relevant / g.items
    start = g.before if ties == "best" else g.before + g.items - g.relevant
    return start, start + g.relevant, np.ones(len(g.items))
