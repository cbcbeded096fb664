"""UMAP's layout is that of its updates written out, and keeps neighbours together."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist

from cmir_repro.analysis import layout as module
from cmir_repro.analysis.layout import layout

A, B = 1.577, 0.895  # of min_dist 0.1


@pytest.fixture
def graph():
    """Two groups of eight points, each a ring of near points with a chord each; no edge between."""
    rows = [8 * g + n for g in range(2) for n in range(8)]
    near = [8 * g + (n + 1) % 8 for g in range(2) for n in range(8)]
    far = [8 * g + (n + 3) % 8 for g in range(2) for n in range(8)]
    heads, tails = rows + near + rows + far, near + rows + far + rows
    return coo_array(([1.0] * 32 + [0.4] * 32, (heads, tails)), shape=(16, 16))


def start(seed=0):
    return np.random.default_rng(seed).uniform(0, 10, (16, 2)).astype(np.float32)


def written_out(graph, places, epochs, generator):
    """Algorithm 5 of the paper, an edge and a random row at a time, in double precision."""
    places, state = places.astype(np.float64), int(generator.integers(1, 1 << 32))
    edges = graph.tocoo()
    period = edges.data.max() / edges.data
    pause = period / module.REPEL
    due, pushed = period.copy(), pause.copy()

    def clipped(force, difference):
        return np.clip(force * difference, -4, 4)

    for epoch in range(epochs):
        step = 1 - epoch / epochs
        for e, (i, j) in enumerate(zip(edges.row, edges.col, strict=True)):
            if due[e] > epoch:
                continue
            due[e] += period[e]
            difference = places[i] - places[j]
            square = (difference**2).sum()
            force = -2 * A * B * square ** (B - 1) / (1 + A * square**B)
            places[i] += step * clipped(force, difference)
            places[j] -= step * clipped(force, difference)
            for _ in range(int((epoch - pushed[e]) / pause[e])):
                pushed[e] += pause[e]
                state ^= (state << 13) % 2**32
                state ^= state >> 17
                state ^= (state << 5) % 2**32
                k = state * len(places) // 2**32
                if k == i:
                    continue
                difference = places[i] - places[k]
                square = (difference**2).sum()
                force = 2 * B / ((0.001 + square) * (1 + A * square**B))
                places[i] += step * clipped(force, difference)
    return places


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_algorithm_written_out(graph, seed):
    """For a few epochs: what differs by rounding grows tenfold every two of them."""
    found = layout(graph, start(seed), A, B, 5, np.random.default_rng(3))
    wanted = written_out(graph, start(seed), 5, np.random.default_rng(3))
    assert np.abs(wanted - start(seed)).max() > 1
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_neighbours_come_together_and_groups_stay_apart(graph):
    places = layout(graph, start(), A, B, 200, np.random.default_rng(0))
    apart = cdist(places, places)
    group = np.arange(16) // 8
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).all()
    linked = graph.toarray() > 0
    assert apart[linked].mean() < apart[group[:, None] != group].mean() / 2


def test_a_seed_repeats_itself_and_leaves_the_start_alone(graph):
    given = start()
    one, again, other = (
        layout(graph, given, A, B, 50, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(given, start())


def test_an_edge_too_weak_for_one_epoch_does_not_pull(graph):
    weak = coo_array(([0.001] * 2, ([0, 8], [8, 0])), shape=(16, 16))
    with_it = layout((graph + weak).tocoo(), start(), A, B, 20, np.random.default_rng(0))
    without = layout((graph + 0 * weak).tocoo(), start(), A, B, 20, np.random.default_rng(0))
    np.testing.assert_array_equal(with_it, without)


def test_points_at_one_place_are_left_to_the_others(graph):
    given = np.full((16, 2), 5.0, dtype=np.float32)
    given[8:] += 1
    assert np.isfinite(layout(graph, given, A, B, 20, np.random.default_rng(0))).all()


def test_powers_of_the_tables_are_powers():
    squares = np.exp(np.random.default_rng(0).uniform(-20, 20, 1000)).astype(np.float32)
    exponents, mantissas = module._tables(B)
    mantissa, exponent = np.frexp(squares)  # of [0.5, 1)
    at = (2 * mantissa.astype(np.float64) - 1) * (len(mantissas) - 1)
    power = np.interp(at, np.arange(len(mantissas)), mantissas) * exponents[exponent - 1 + 127]
    np.testing.assert_allclose(power, squares.astype(np.float64) ** B, rtol=3e-7)
