"""Average precision against the mean over every order of ties, and curves worked out by hand."""

import itertools
import math

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.average_precision import (
    average_precision,
    by_radius,
    precision_at,
    precision_recall,
)
from cmir_repro.evaluation.tie_groups import in_order, random_groups


def groups_of(*queries):
    """Groups from, for each query, a list of (items, relevant)."""
    rows = [(q, n, r) for q, groups in enumerate(queries) for n, r in groups]
    query, items, relevant = np.array(rows, np.int64).T
    return in_order(query, items, relevant, len(queries))


def orders(groups):
    """Every order of relevance (1) that breaks the ties of one query, each as likely."""
    of_each = [
        set(itertools.permutations([1] * r + [0] * (n - r))) for n, r in groups
    ]  # the orders of a group that look different are equally likely
    for parts in itertools.product(*of_each):
        yield [one for part in parts for one in part]


def ap_by_hand(order, depth=None):
    """The definition; at a depth as the released code has it."""
    depth = len(order) if depth is None else depth
    found, total = 0, 0.0
    for place, relevant in enumerate(order[:depth], 1):
        if relevant:
            found += 1
            total += found / place
    return total / found if found else 0.0


def first_or_last(groups, ties):
    return [
        one
        for n, r in groups
        for one in ([1] * r + [0] * (n - r) if ties == "best" else [0] * (n - r) + [1] * r)
    ]


def case(seed):
    r = np.random.default_rng(seed)
    while True:
        items = r.integers(1, 6, r.integers(1, 5))
        relevant = [int(r.integers(0, n + 1)) for n in items]
        ways = math.prod(math.comb(int(n), k) for n, k in zip(items, relevant, strict=True))
        if sum(relevant) and ways <= 300:
            return list(zip(items.tolist(), relevant, strict=True))


CASES = [case(seed) for seed in range(60)]
# With items that are not relevant last, so that all rank as many.
TOGETHER = groups_of(*[[*groups, (30 - sum(n for n, _ in groups), 0)] for groups in CASES])


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 5, 8, 100])
def test_mean_ties_are_the_mean_over_all_orders(depth):
    wanted = [np.mean([ap_by_hand(o, depth) for o in orders(groups)]) for groups in CASES]
    # A depth past the end changes nothing.
    found = [average_precision(groups_of(groups), depth)[0] for groups in CASES]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("ties", ["best", "worst"])
@pytest.mark.parametrize("depth", [None, 1, 2, 3, 5, 8, 100])
def test_best_and_worst_put_the_relevant_ones_first_and_last(ties, depth):
    for groups in CASES:
        wanted = ap_by_hand(first_or_last(groups, ties), depth)
        assert average_precision(groups_of(groups), depth, ties)[0] == pytest.approx(wanted)
    worst, mean, best = (average_precision(TOGETHER, None, t) for t in ("worst", "mean", "best"))
    assert (worst <= mean + 1e-12).all()
    assert (mean <= best + 1e-12).all()
    assert (worst < best - 0.1).any()


def test_many_queries_at_once_are_each_on_its_own():
    same = [groups for groups in CASES if sum(n for n, _ in groups) >= 5]
    N = 30
    padded = [[*groups, (N - sum(n for n, _ in groups), 3)] for groups in same]
    for depth, ties in itertools.product((None, 4, 9, 25), ("mean", "best", "worst")):
        whole = average_precision(groups_of(*padded), depth, ties)
        alone = [average_precision(groups_of(groups), depth, ties)[0] for groups in padded]
        np.testing.assert_allclose(whole, alone, rtol=1e-12)
        whole = precision_at(groups_of(*padded), 7, ties)
        alone = [precision_at(groups_of(groups), 7, ties)[0] for groups in padded]
        np.testing.assert_allclose(whole, alone, rtol=1e-12)
    curves = precision_recall(groups_of(*padded))
    alone = [precision_recall(groups_of(groups))[0] for groups in padded]
    np.testing.assert_allclose(curves, alone, rtol=1e-9)


def test_blocks_of_the_cut_change_nothing(monkeypatch):
    wide = groups_of(*[[(40, r)] for r in range(1, 40)])
    whole = average_precision(wide, 17)
    monkeypatch.setattr("cmir_repro.evaluation.average_precision._ENTRIES", 20)
    np.testing.assert_allclose(average_precision(wide, 17), whole, rtol=1e-12)


def test_without_ties_it_is_the_released_rule():
    """AP of the first k places over the relevant ones among them; all of them without k."""
    r = np.random.default_rng(1)
    order = r.random((30, 50)) < 0.3
    order[0, :10] = False  # nothing within 10: counts as 0
    groups = groups_of(*[[(1, int(x)) for x in row] for row in order])
    for depth in (None, 10, 25):
        found = average_precision(groups, depth)
        np.testing.assert_allclose(found, [ap_by_hand(row.tolist(), depth) for row in order])
    assert average_precision(groups, 10)[0] == 0
    assert average_precision(groups)[0] > 0


def test_a_shallow_depth_flatters():
    """As many relevant items first as the depth has places, the rest last: perfect, and not."""
    groups = groups_of([(1, 1)] * 10 + [(1, 0)] * 80 + [(1, 1)] * 10)
    assert average_precision(groups, 10)[0] == 1
    assert average_precision(groups)[0] < 0.6


def test_a_random_order_in_large_databases():
    """Sampled orders agree with the closed form, cut or not."""
    N, r, k = 2000, 600, 300
    groups = random_groups(N, np.array([r]))
    generator = np.random.default_rng(0)
    base = np.arange(N) < r
    drawn = [generator.permutation(base) for _ in range(400)]
    for depth in (None, k):
        sampled = [ap_by_hand(order.tolist(), depth) for order in drawn]
        error = np.std(sampled) / np.sqrt(len(sampled))
        assert average_precision(groups, depth)[0] == pytest.approx(np.mean(sampled), abs=4 * error)
    one = average_precision(random_groups(188_321, np.array([1, 188_321])))
    assert one[0] == pytest.approx(sum(1 / i for i in range(1, 188_322)) / 188_321)
    assert one[1] == pytest.approx(1)


def test_a_query_without_relevant_items_has_no_value():
    groups = groups_of([(2, 0), (3, 0)], [(2, 1), (3, 1)])
    for values in (
        average_precision(groups),
        average_precision(groups, 3),
        precision_at(groups, 2),
        precision_recall(groups)[:, 50],
    ):
        assert np.isnan(values).tolist() == [True, False]


@pytest.mark.parametrize("n", [1, 2, 4, 6, 11, 1000])
def test_precision_is_the_mean_over_all_orders(n):
    for groups in CASES:
        size = sum(items for items, _ in groups)
        every = [sum(o[:n]) / min(n, size) for o in orders(groups)]
        assert precision_at(groups_of(groups), n)[0] == pytest.approx(np.mean(every))
        assert precision_at(groups_of(groups), n, "best")[0] == pytest.approx(max(every))
        assert precision_at(groups_of(groups), n, "worst")[0] == pytest.approx(min(every))


def test_precision_at_recall_by_hand():
    # Thresholds: recall 0 of 1 item; 1/4 of 2; 3/4 of 5; 4/4 of 10.
    curve = precision_recall(groups_of([(1, 0), (1, 1), (3, 2), (5, 1)]))[0]
    assert curve.shape == (101,)
    # The best with that recall or more: up to 1/4 not the 1/2 that is found there.
    np.testing.assert_allclose(curve, [0.6] * 76 + [0.4] * 25)
    falling = precision_recall(groups_of([(1, 1), (2, 1), (7, 1)]))[0]
    np.testing.assert_allclose(falling, [1.0] * 34 + [2 / 3] * 33 + [0.3] * 34)


def test_precision_at_recall_is_the_written_out_definition():
    for groups in CASES:
        total = sum(r for _, r in groups)
        points, n, r = [], 0, 0
        for items, relevant in groups:
            n, r = n + items, r + relevant
            points.append((r, r / n))
        wanted = [
            max(precision for r, precision in points if 100 * r >= level * total)
            for level in range(101)
        ]
        np.testing.assert_allclose(precision_recall(groups_of(groups))[0], wanted)


def test_the_curve_by_radius_by_hand():
    totals = np.array([[1, 2, 1], [0, 1, 3], [2, 1, 1]])
    relevants = np.array([[1, 1, 0], [0, 0, 3], [0, 0, 0]])  # the last query does not count
    recall, precision = by_radius(totals, relevants)
    np.testing.assert_allclose(recall, [(1 / 2 + 0) / 2, (1 + 0) / 2, 1])
    np.testing.assert_allclose(precision, [1, (2 / 3 + 0) / 2, (2 / 4 + 3 / 4) / 2])
    recall, precision = by_radius(np.array([[0, 2]]), np.array([[0, 1]]))
    assert recall.tolist() == [0, 1]
    assert np.isnan(precision[0])
    assert precision[1] == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: average_precision(TOGETHER, 0), "depth must be at least 1, got 0"),
        (lambda: average_precision(TOGETHER, None, "lucky"), "ties 'lucky' is unknown"),
        (lambda: precision_at(TOGETHER, 0), "n must be at least 1"),
        (lambda: precision_at(TOGETHER, 1, "lucky"), "ties 'lucky' is unknown"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
