"""Rows of differences: both intervals, the words for them, and the mean over methods."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.intervals import over_seeds_and_queries, paired_bootstrap
from cmir_repro.report import differences


def points(*seeds):
    """(Q, S) of made-up queries."""
    return pd.DataFrame(dict(enumerate(np.array(seeds, float))), index=list("abcd"))


PLAIN = points([0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1])
BETTER = points([1, 0, 1, 1], [1, 1, 1, 1], [1, 0, 0, 1])  # query a, in every seed


def test_both_intervals_are_those_of_the_library():
    found = differences.compared(BETTER, PLAIN, percent=100.0)
    both = over_seeds_and_queries(100 * (BETTER - PLAIN).to_numpy().T)
    assert found[:3] == (25, both.low, both.high)
    runs = paired_bootstrap(
        100 * BETTER.mean(axis=1).to_numpy(),
        100 * PLAIN.mean(axis=1).to_numpy(),
        generator=np.random.default_rng(0),
    )
    assert found[3:5] == pytest.approx((runs.low, runs.high))
    # Means of runs are 75, 100, 50 against 50, 75, 25: six of nine pairs, and two that tie.
    assert (found.probability, found.spread, found.needed) == (7 / 9, 0, 2)


def test_one_seed_has_queries_only():
    found = differences.compared(BETTER[[0]], PLAIN[[0]])
    assert found[1:3] == found[3:5]
    assert np.isnan(found.spread)
    assert found.needed is None


def test_other_queries_are_refused():
    with pytest.raises(InputError, match="row 3 is query 'd' in one run and 'e' in the other"):
        differences.compared(BETTER, PLAIN.rename({"d": "e"}))


def test_the_mean_over_methods_counts_each_once():
    pairs = [(BETTER, PLAIN), (PLAIN, PLAIN), (BETTER[[0]], PLAIN[[0]])]
    found = differences.over_methods(pairs, 100.0)
    assert (found.mean, found.seeds) == (pytest.approx(50 / 3), 3)


def gains(seeds, low, high, **more):
    row = {"method": "A", "minus": "B", "seeds": seeds, "difference": 1.0, "low": low, "high": high}
    row |= {"low_of_runs": 0.5, "high_of_runs": 1.5, "probability": 1.0}
    return pd.DataFrame([row | {"spread": 0.24, "needed": 1234} | more])


def test_words_follow_the_interval_over_seeds_and_not_that_of_the_runs():
    head, _, row = differences.markdown(gains(3, -0.5, 2.5))
    assert head.startswith("| method | is | reference | seeds | difference [95 %] |")
    assert row == (
        "| A | no detectable difference from | B | 3 | +1.0 [-0.5, +2.5] | +1.0 [+0.5, +1.5] "
        "| 1.00 | 0.2 | 1,234 |"
    )
    assert "| A | above | B |" in differences.markdown(gains(3, 0.1, 1.9))[2]
    one = differences.markdown(gains(1, 0.5, 1.5, spread=np.nan, needed=None))[2]
    assert "| (1 seed: queries only) above | B | 1 | 1 seed: queries only | +1.0" in one
    assert one.endswith("| – | – |")


def test_the_last_row_is_the_mean_over_methods():
    over = differences.over_methods([(BETTER, PLAIN), (PLAIN, BETTER)])
    last = differences.markdown(gains(3, 0.1, 1.9), over, "fusions")[-1]
    assert last.startswith("| *mean of 2 fusions* | no detectable difference from | *their")
    assert differences.markdown(gains(3, 0.1, 1.9).iloc[:0]) == []
