"""Intervals against textbook values, and against how often they hold the truth."""

import itertools

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.intervals import STATISTICS, bootstrap, over_seeds, paired_bootstrap


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("many", [False, True])  # few unique values, and all of them unique
def test_the_interval_of_a_mean_is_that_of_the_central_limit(many):
    values = rng(1).normal(3, 2, 1000) if many else rng(1).integers(0, 2, 1000)
    half = 1.96 * values.std() / np.sqrt(1000)
    low, high = bootstrap(values, generator=rng(), n=4000)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


@pytest.mark.parametrize("values", [[5.0], [1, 4], [3, 1, 7], [2, 9, 1, 4], [1, 1, 5, 8, 8]])
@pytest.mark.parametrize("name", STATISTICS)
def test_resampled_statistics_have_the_law_of_all_resamples(name, values):
    every = [getattr(np, name)(v) for v in itertools.product(values, repeat=len(values))]
    found = STATISTICS[name](np.array(values, float), rng(), 20_000)
    for value in np.unique(every):
        share = np.isclose(found, value).mean()
        assert share == pytest.approx(np.isclose(every, value).mean(), abs=0.015)


@pytest.mark.parametrize("many", [False, True])
def test_the_interval_of_a_median_agrees_with_resampling_by_hand(many):
    values = rng(2).exponential(10, 301) if many else rng(2).integers(1, 30, 301)
    generator = rng(3)
    draws = [np.median(generator.choice(values, 301)) for _ in range(4000)]
    found = bootstrap(values, "median", generator=rng(), n=4000)
    expected = np.quantile(draws, [0.025, 0.975])
    np.testing.assert_allclose(found, expected, atol=0.1 * (expected[1] - expected[0]))


def test_coverage_is_near_nominal():
    truth, runs = 0.3, 300
    inside = 0
    for seed in range(runs):
        generator = rng(seed)
        hits = generator.random(400) < truth
        low, high = bootstrap(hits, generator=generator, n=500)
        inside += low <= truth <= high
    assert 0.91 <= inside / runs <= 0.985


def test_narrower_levels_nest():
    values = rng().normal(size=200)
    wide = bootstrap(values, generator=rng(), level=0.99)
    narrow = bootstrap(values, generator=rng(), level=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_generator_decides_and_global_state_does_not():
    values = rng().normal(size=50)
    assert bootstrap(values, generator=rng(1)) == bootstrap(values, generator=rng(1))
    assert bootstrap(values, generator=rng(1)) != bootstrap(values, generator=rng(2))


def test_a_constant_has_no_spread():
    assert bootstrap(np.full(30, 4.0), "median", generator=rng()) == (4.0, 4.0)


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ([], {}, "at least one"),
        ([[1.0]], {}, "at least one"),
        ([1.0, np.nan], {}, "value 1"),
        ([1.0], {"statistic": "mode"}, "mean, median"),
        ([1.0], {"level": 1.0}, "level"),
        ([1.0], {"n": 0}, "resample"),
    ],
)
def test_bad_input_is_refused(values, more, message):
    with pytest.raises(InputError, match=message):
        bootstrap(np.array(values), generator=rng(), **more)


def test_a_run_does_not_differ_from_itself():
    a = rng().normal(size=100)
    assert paired_bootstrap(a, a, generator=rng()) == (0, 0, 0, 1)


def test_pairing_finds_what_two_separate_intervals_cannot():
    hard = rng().normal(0, 10, 500)  # queries differ a lot, the runs by a little
    a, b = hard + 1 + rng(1).normal(0, 1, 500), hard
    found = paired_bootstrap(a, b, generator=rng())
    assert found.difference == pytest.approx((a - b).mean())
    assert 0 < found.low < found.difference < found.high
    assert found.p == pytest.approx(2 / 2001)
    assert bootstrap(a, generator=rng())[0] < bootstrap(b, generator=rng())[1]
    turned = paired_bootstrap(b, a, generator=rng())
    assert (turned.difference, turned.p) == (-found.difference, found.p)


def test_p_is_calibrated_when_nothing_differs():
    ps = []
    for seed in range(200):
        g = rng(seed)
        ps.append(paired_bootstrap(*g.normal(size=(2, 100)), generator=g, n=400).p)
    assert 0.015 <= np.mean(np.array(ps) < 0.05) <= 0.1
    assert 0.4 <= np.mean(ps) <= 0.6


def test_runs_must_be_over_the_same_queries():
    a = np.arange(3.0)
    paired_bootstrap(a, a, generator=rng(), ids_a=["x", "y", "z"], ids_b=["x", "y", "z"])
    with pytest.raises(InputError, match="3 and 2"):
        paired_bootstrap(a, a[:2], generator=rng())
    with pytest.raises(InputError, match="row 1 is query 'y' in one run and 'z'"):
        paired_bootstrap(a, a, generator=rng(), ids_a=["x", "y", "z"], ids_b=["x", "z", "y"])
    with pytest.raises(InputError, match="both"):
        paired_bootstrap(a, a, generator=rng(), ids_a=["x", "y", "z"])
    with pytest.raises(InputError, match="2 query ids for 3"):
        paired_bootstrap(a, a, generator=rng(), ids_a=["x", "y"], ids_b=["x", "y", "z"])


def test_over_seeds_is_the_t_interval():
    # Two values: half width is t(0.975, 1 degree) * |a - b| / 2 = 12.706 * 1.
    found = over_seeds([10.0, 12.0])
    assert found == pytest.approx((11, 11 - 12.7062, 11 + 12.7062, 2), abs=1e-4)
    # Five values, t(0.975, 4) = 2.7764, standard deviation sqrt(2.5).
    assert over_seeds([1, 2, 3, 4, 5]).high == pytest.approx(3 + 2.7764 * np.sqrt(0.5), abs=1e-3)


def test_one_seed_has_no_interval():
    assert over_seeds([7.5]) == (7.5, None, None, 1)
