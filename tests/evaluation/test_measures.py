"""Measures of rankings with several right answers: loops over items and over all orders of ties."""

import itertools
import math

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.rule import measure
from cmir_repro.evaluation.average_precision import (
    average_precision_at,
    average_precision_by_trapezoids,
)
from cmir_repro.evaluation.measures import Marked, Rankings, value
from cmir_repro.evaluation.tie_groups import in_order

# Of each query its groups of ties: (items, relevant).
CASES = [
    [(1, 1), (1, 0), (2, 1), (3, 2)],
    [(4, 2), (1, 0), (2, 1)],
    [(1, 0), (5, 1)],
    [(2, 0), (3, 3), (1, 0)],
    [(6, 4)],
    [(1, 0), (1, 0), (1, 1), (1, 1), (2, 0)],
]
NAMES = [
    "R@1", "R@3", "mAP@1", "mAP@3", "mAP@5", "mAP", "mAP by trapezoids", "nDCG@1", "nDCG@3",
    "nDCG@10", "MRR", "MRR@2", "P@3", "R-precision", "negatives@2",
]  # fmt: skip


def by_loop(name, order, total):
    """A measure of one ranking, written out: `order` says of each place whether it is right."""
    kind, k, _ = measure(name)
    places = order if k is None else order[:k]
    if kind == "R":
        return float(any(places))
    if kind in ("P", "negatives"):
        return sum(places) / k
    if kind == "R-precision":
        return sum(order[:total]) / total
    if kind == "MRR":
        return next((1 / i for i, right in enumerate(places, 1) if right), 0.0)
    if kind == "nDCG":
        gain = sum(right / math.log2(i + 1) for i, right in enumerate(places, 1))
        return gain / sum(1 / math.log2(i + 1) for i in range(1, min(total, k) + 1))
    if kind == "mAP by trapezoids":  # as utils.py of billpsomas/icir: places from 0
        area, found = 0.0, 0
        for place, right in enumerate(order):
            if right:
                before = found / place if place else 1.0
                area += (before + (found + 1) / (place + 1)) / 2 / (total + 1e-5)
                found += 1
        return area
    found, precisions = 0, 0.0
    for i, right in enumerate(places, 1):
        found += right
        precisions += right * found / i
    return precisions / (total if k is None else min(total, k))


def orders(groups):
    """Every order of the tied items, as lists of 0 and 1."""
    each = [
        sorted(set(itertools.permutations([1] * r + [0] * (n - r)))) for n, r in groups
    ]  # fmt: skip
    return [list(itertools.chain(*parts)) for parts in itertools.product(*each)]


def rankings(groups, extra=0):
    n, r = np.array(groups).T
    total = np.array([r.sum() + extra])
    marked = Marked(in_order(np.zeros(len(n), int), n, r, 1), total)
    return Rankings(np.array([n.sum()]), marked, marked, marked)


@pytest.mark.parametrize("name", NAMES)
def test_ties_count_as_the_mean_over_their_orders(name):
    for groups in CASES:
        found, total = rankings(groups), sum(r for _, r in groups)
        every = [by_loop(name, order, total) for order in orders(groups)]
        assert value(measure(name), found, "mean")[0] == pytest.approx(np.mean(every), abs=1e-12)
        best, worst = (value(measure(name), found, ties)[0] for ties in ("best", "worst"))
        assert best == pytest.approx(max(every), abs=1e-12)
        assert worst == pytest.approx(min(every), abs=1e-12)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("mAP", "R-precision")])
def test_what_is_not_ranked_costs(name):
    """Two more right items that the list does not hold."""
    for groups in CASES[:4]:
        found, total = rankings(groups, extra=2), sum(r for _, r in groups) + 2
        every = [by_loop(name, order, total) for order in orders(groups)]
        assert value(measure(name), found, "mean")[0] == pytest.approx(np.mean(every), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_chance_is_the_mean_over_random_orders(name):
    found = rankings([(1, 1), (2, 0), (2, 1), (1, 0)])
    every = [by_loop(name, list(order), 2) for order in itertools.permutations([1, 1, 0, 0, 0, 0])]
    chance = value(measure(name), found.at_random(), "mean")[0]
    assert chance == pytest.approx(np.mean(every), abs=1e-12)


def test_rankings_of_different_lengths_have_their_own_chance():
    left = np.array([4, 9])
    marked = Marked(in_order(np.array([0, 1]), left, np.array([1, 2]), 2), np.array([1, 2]))
    found = Rankings(left, marked, marked)
    chance = value(measure("P@3"), found.at_random(), "mean")
    np.testing.assert_allclose(chance, [1 / 4, 2 / 9])
    chance = value(measure("R@4"), found.at_random(), "mean")
    np.testing.assert_allclose(chance, [1, 1 - (5 / 9) * (4 / 8)])


def test_large_rankings_stay_exact():
    """All of 100,000 items tie: the expectation is that of a random order."""
    N = 100_000
    groups = in_order(np.array([0]), np.array([N]), np.array([1]), 1)
    H = sum(1 / i for i in range(1, N + 1))
    marked = Marked(groups, np.array([1]))
    found = Rankings(np.array([N]), marked, marked)
    assert value(measure("MRR"), found, "mean")[0] == pytest.approx(H / N)
    assert average_precision_at(groups, N, np.array([1]))[0] == pytest.approx(H / N)
    at_first = (1 + 1) / 2 / N  # the trapezoid of the first place is 1, of others half
    wanted = at_first + (H - 1) / 2 / N
    found = average_precision_by_trapezoids(groups, np.array([1]))[0]
    assert found == pytest.approx(wanted / (1 + 1e-5))


@pytest.mark.parametrize("name", ["map@5", "mAP@0", "nDCG", "R", "macro", "P@1.5", 3, ""])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="measures must be"):
        measure(name)
