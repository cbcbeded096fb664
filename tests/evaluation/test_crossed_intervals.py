"""Intervals over seeds and queries together: by hand, and by how often they hold the truth."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.intervals import (
    bootstrap,
    over_methods_and_queries,
    over_seeds,
    over_seeds_and_queries,
    paired_over_seeds_and_queries,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def world(generator, S, Q, seeds, queries, rest):
    """A table of known variance components whose true mean is 0."""
    parts = seeds * generator.normal(size=(S, 1)) + queries * generator.normal(size=Q)
    return parts + rest * generator.normal(size=(S, Q))


def pigeonhole(values, generator, n=200):
    """Resamples rows and columns, each with replacement (Owen 2007)."""
    S, Q = values.shape
    rows = generator.multinomial(S, np.full(S, 1 / S), size=n) / S
    columns = generator.multinomial(Q, np.full(Q, 1 / Q), size=n) / Q
    return np.quantile(((rows @ values) * columns).sum(axis=1), [0.025, 0.975])


def coverage(interval, tables):
    held = [low <= 0 <= high for low, high in map(interval, tables)]
    return np.mean(held)


def this_one(values):
    found = over_seeds_and_queries(values)
    return found.low, found.high


def test_by_hand_on_two_seeds_and_two_queries():
    # Means over queries 1 and 5, over seeds 2 and 4; rest +-1. V_S = 8 / 2, V_Q = 2 / 2 of which
    # the rest is 4 / 1 / 4 = 1, so the queries add nothing: t(0.975, 1) * 2.
    found = over_seeds_and_queries([[1.0, 1.0], [3.0, 7.0]])
    assert (found.mean, found.difference, found.seeds) == (3, 3, 2)
    assert found.high - 3 == pytest.approx(12.7062 * 2, abs=1e-3)


def test_without_seeds_that_differ_it_is_the_interval_of_the_queries():
    queries = rng().normal(size=400)
    found = over_seeds_and_queries(np.tile(queries, (3, 1)))
    half = 1.959964 * queries.std(ddof=1) / 20
    assert found.high - found.mean == pytest.approx(half)
    low, high = bootstrap(queries, generator=rng(), n=4000)
    assert found.low == pytest.approx(low, abs=0.1 * half)
    assert found.high == pytest.approx(high, abs=0.1 * half)


def test_without_queries_that_differ_it_is_the_t_interval_of_the_seeds():
    by_seed = np.array([10.0, 12.0, 17.0])
    found = over_seeds_and_queries(np.repeat(by_seed[:, None], 5, axis=1))
    expected = over_seeds(by_seed)
    assert found[:3] == pytest.approx(expected[:3])


def test_it_is_never_narrower_than_over_the_queries_alone():
    """Seeds may agree by chance, and then their spread alone would be less than their noise."""
    for seed in range(50):
        values = world(rng(seed), 3, 60, 0, 1, 5)
        found = over_seeds_and_queries(values)
        half = 1.959964 * values.mean(axis=0).std(ddof=1) / np.sqrt(60)
        assert found.high - found.mean >= half - 1e-6


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("parts", [(1.3, 1, 30), (0, 10, 30), (1, 22, 20), (3, 5, 20)])
def test_coverage_is_at_least_nominal_with_few_seeds(seeds, parts):
    generator = rng(1)
    tables = [world(generator, seeds, 300, *parts) for _ in range(500)]
    assert 0.93 <= coverage(this_one, tables) <= 0.995


def test_coverage_of_differences_of_hits():
    """Hits are 0 or 1, so nothing is normal and the parts are not additive; the truth of the
    difference is worked out from the law that the hits are drawn from.
    """
    generator, inside, runs = rng(2), 0, 400
    nodes = 1.5 * rng(9).normal(size=200_000)  # the difficulty of queries
    spread = 0.25 * rng(10).normal(size=200_000)  # how well a training went

    def hits(level, S, difficulty):
        trained = level + 0.25 * generator.normal(size=(S, 1))
        return generator.random((S, len(difficulty))) < 1 / (1 + np.exp(difficulty - trained))

    def truth(level):
        return np.mean(1 / (1 + np.exp(nodes - level - spread)))

    expected = truth(0.4) - truth(0.0)
    for _ in range(runs):
        difficulty = 1.5 * generator.normal(size=300)
        found = paired_over_seeds_and_queries(hits(0.4, 3, difficulty), hits(0.0, 3, difficulty))
        inside += found.low <= expected <= found.high
    assert 0.93 <= inside / runs <= 0.99


def test_what_resamples_seeds_or_queries_only_holds_the_truth_too_seldom():
    """Why neither the bootstrap both ways nor the queries alone are taken."""
    generator = rng(3)
    tables = [world(generator, 2, 300, 3, 5, 20) for _ in range(300)]
    assert coverage(lambda v: pigeonhole(v, generator), tables) < 0.85
    assert coverage(lambda v: bootstrap(v.mean(axis=0), generator=generator, n=200), tables) < 0.65


def test_one_seed_has_the_interval_of_its_queries():
    values = rng().normal(size=(1, 80))
    found = over_seeds_and_queries(values, generator=rng(4))
    assert found[1:] == (*bootstrap(values[0], generator=rng(4)), 1)


def test_pairs_are_of_one_seed_and_one_query():
    common = 30 * rng().normal(size=(3, 200))  # what a seed makes of a query, in both methods
    a, b = common + 1 + 0.1 * rng(1).normal(size=(3, 200)), common
    found = paired_over_seeds_and_queries(a, b)
    assert 0.9 < found.low < found.mean < found.high < 1.1
    assert found == over_seeds_and_queries(a - b)
    turned = paired_over_seeds_and_queries(a, b[[1, 2, 0]])
    assert turned.high - turned.low > 10 * (found.high - found.low)


def test_over_methods_their_spread_counts():
    """Nine methods of which each is sure to gain or to lose: of a tenth nothing is known."""
    gains = np.linspace(-4, 6, 9)
    tables = [gain + 0.01 * rng(i).normal(size=(i % 2 + 2, 50)) for i, gain in enumerate(gains)]
    found = over_methods_and_queries(tables)
    expected = over_seeds(gains)
    assert found.mean == pytest.approx(1, abs=0.01)
    assert found[:3] == pytest.approx(expected[:3], abs=0.02)
    assert found.seeds == 9


def test_coverage_over_methods():
    generator, inside, runs = rng(5), 0, 400
    for _ in range(runs):
        queries = 10 * generator.normal(size=200)
        tables = [
            2 * generator.normal() + queries + world(generator, 3, 200, 1.5, 0, 30)
            for _ in range(6)
        ]
        found = over_methods_and_queries(tables)
        inside += found.low <= 0 <= found.high
    assert 0.93 <= inside / runs <= 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: over_seeds_and_queries([1.0, 2.0]), "seeds, queries"),
        (lambda: over_seeds_and_queries(np.zeros((0, 4))), "at least one of each"),
        (lambda: over_seeds_and_queries([[1.0, 2.0], [3.0, np.nan]]), "seed 1 and query 1 is not"),
        (lambda: over_seeds_and_queries([[1.0, 2.0]]), "one seed: pass a generator"),
        (lambda: over_seeds_and_queries([[1.0], [2.0]]), "one query says nothing"),
        (lambda: over_seeds_and_queries(np.eye(2), level=95), "level must lie"),
        (
            lambda: paired_over_seeds_and_queries(np.eye(2), np.ones((3, 2))),
            r"\(2, 2\) and \(3, 2\)",
        ),
        (lambda: over_methods_and_queries([np.eye(2)]), "at least two of them, got 1"),
        (lambda: over_methods_and_queries([np.eye(2), np.eye(3)]), "methods have 2, 3 queries"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_other_queries_are_refused():
    with pytest.raises(InputError, match="row 1 is query 'y' in one run and 'z'"):
        paired_over_seeds_and_queries(
            np.eye(2), np.ones((2, 2)), ids_a=["x", "y"], ids_b=["x", "z"]
        )
