"""Words follow from intervals, and counts of seeds from the power of a t-test."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.intervals import Crossed, Difference
from cmir_repro.evaluation.verdicts import (
    probability_of_improvement,
    seeds_needed,
    sentence,
    sentences,
    verdict,
)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 2, "above"),
        (-2, -0.1, "below"),
        (-1, 1, "no detectable difference from"),
        (0, 1, "no detectable difference from"),  # zero itself is not excluded
        (-1, 0, "no detectable difference from"),
    ],
)
def test_words_are_said_where_the_interval_excludes_zero(low, high, words):
    assert verdict(Crossed((low + high) / 2, low, high, 3)) == words
    of_one_run = Difference((low + high) / 2, low, high, 0.01)
    assert verdict(of_one_run) == f"(1 seed: queries only) {words}"


def test_one_seed_is_named():
    found = Crossed(1.0, 0.5, 1.5, 1)
    assert verdict(found) == "(1 seed: queries only) above"
    told = sentence("A", "B", found)
    assert told == "A: (1 seed: queries only) above B (+1.0 [+0.5, +1.5], 1 seed)"


def test_a_sentence_has_the_numbers():
    row = SimpleNamespace(method="A", minus="B", difference=-0.04, low=-3, high=2.96, seeds=3)
    assert sentences([row]) == ["A: no detectable difference from B (-0.0 [-3.0, +3.0], 3 seeds)"]
    told = sentence("A", "B", SimpleNamespace(difference=2.0, low=1.0, high=3.0, seeds=2), digits=0)
    assert told == "A: above B (+2 [+1, +3], 2 seeds)"


@pytest.mark.parametrize("bounds", [(np.nan, 1.0), (2.0, 1.0), (0.0, np.inf)])
def test_what_is_no_interval_has_no_verdict(bounds):
    with pytest.raises(InputError, match="is no interval"):
        verdict(Crossed(1.0, *bounds, 3))


def test_probability_of_improvement_counts_pairs():
    assert probability_of_improvement([1, 2, 3], [0, 2]) == pytest.approx(4.5 / 6)
    assert probability_of_improvement([5], [1, 2]) == 1
    assert probability_of_improvement([1, 1], [1, 1]) == 0.5
    a, b = np.random.default_rng(0).integers(0, 5, size=(2, 4))
    pairs = [1.0 if x > y else 0.5 if x == y else 0.0 for x, y in itertools.product(a, b)]
    assert probability_of_improvement(a, b) == pytest.approx(np.mean(pairs))
    assert probability_of_improvement(b, a) == pytest.approx(1 - np.mean(pairs))
    with pytest.raises(InputError, match="at least one run"):
        probability_of_improvement([], [1.0])


# Textbook sizes of the paired t-test at 5 %, power 0.8, by effect / standard deviation.
@pytest.mark.parametrize(("sd", "n"), [(1.0, 10), (2.0, 34), (5.0, 199), (40.0, 12560)])
def test_seeds_needed_are_those_of_the_paired_t_test(sd, n):
    assert seeds_needed([-sd, 0, sd]) == n
    assert seeds_needed([-3 * sd, 0, 3 * sd], effect=3.0) == n


def test_as_many_seeds_as_that_do_see_it_that_often():
    n = seeds_needed([-1.5, 0.0, 1.5])
    draws = np.random.default_rng(0).normal(1, 1.5, size=(4000, n))
    from scipy.stats import ttest_1samp

    assert np.mean(ttest_1samp(draws, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.03)


def test_of_one_seed_nothing_is_known_and_two_are_always_needed():
    assert seeds_needed([3.0]) is None
    assert seeds_needed([1.0, 1.0, 1.0]) == 2
    for wrong in ({"effect": 0.0}, {"power": 1.0}, {"level": 95}):
        with pytest.raises(InputError, match="out of range"):
            seeds_needed([1.0, 2.0], **wrong)
    with pytest.raises(InputError, match="at least one seed"):
        seeds_needed([])
