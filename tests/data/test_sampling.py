"""Batches of training queries: what an epoch covers, and that any step can be redone alone."""

import numpy as np
import pytest

from cmir_repro.data.sampling import SAMPLERS, same_source_pairs, shuffled

# Sources with 1 to 5 queries, in no order, as source image numbers are.
SOURCES = np.random.Generator(np.random.Philox(3)).permutation(
    np.repeat([7, 2, 90, 4, 31], range(1, 6))
)


def test_an_epoch_of_shuffled_covers_each_query_once():
    steps = [shuffled(SOURCES, 5, seed=0, step=step) for step in range(6)]
    assert sorted(np.concatenate(steps[:3])) == list(range(15))
    assert sorted(np.concatenate(steps[3:])) == list(range(15))
    assert np.concatenate(steps[:3]).tolist() != np.concatenate(steps[3:]).tolist()


def test_an_epoch_of_shuffled_drops_the_incomplete_batch():
    steps = [shuffled(SOURCES, 4, seed=0, step=step) for step in range(3)]
    assert len(set(np.concatenate(steps).tolist())) == 12


@pytest.mark.parametrize("batch", [1, 2, 7, 8])
def test_pairs_share_the_source_and_differ_in_the_query(batch):
    for step in range(200):
        rows = same_source_pairs(SOURCES, batch, seed=0, step=step)
        assert len(rows) == batch
        for first, second in zip(rows[::2], rows[1::2], strict=False):
            assert SOURCES[first] == SOURCES[second]
            if SOURCES[first] == 7:  # the only query of its source
                assert first == second
            else:
                assert first != second


def test_first_of_a_pair_is_any_query_and_second_any_other_of_its_source():
    rows = same_source_pairs(SOURCES, 60_000, seed=1, step=0).reshape(-1, 2)
    first = np.bincount(rows[:, 0], minlength=15) / len(rows)
    assert first == pytest.approx(1 / 15, abs=0.006)
    for query in range(15):
        others = np.flatnonzero((SOURCES[query] == SOURCES) & (np.arange(15) != query))
        seconds = rows[rows[:, 0] == query, 1]
        assert set(seconds) == set(others) or SOURCES[query] == 7
        for other in others:
            assert (seconds == other).mean() == pytest.approx(1 / len(others), abs=0.05)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_depends_on_seed_and_step_alone(name):
    sampler = SAMPLERS[name]
    forward = [sampler(SOURCES, 4, seed=5, step=step) for step in range(6)]
    backward = [sampler(SOURCES, 4, seed=5, step=step) for step in reversed(range(6))][::-1]
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.int64
    other_seed = [sampler(SOURCES, 4, seed=6, step=step) for step in range(6)]
    assert not np.array_equal(forward, other_seed)
    assert len({rows.tobytes() for rows in forward}) == 6
