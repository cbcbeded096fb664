"""Cells of the tables."""

import pandas as pd
import pytest

from cmir_repro.report import markdown


@pytest.mark.parametrize(
    ("metric", "low", "high", "cell"),
    [
        ("R@1", 70.0, 90.0, "80.0 [70.0, 90.0]"),
        ("R@1", -10.0, 130.0, "80.0 [0.0, 100.0]"),
        ("RSUM", 70.0, 130.0, "80.0 [70.0, 130.0]"),
        ("RSUM", -50.0, 608.2, "80.0 [0.0, 600.0]"),
        ("R@1", None, None, "80.0"),
    ],
)
def test_an_interval_stays_within_what_its_metric_can_be(metric, low, high, cell):
    row = pd.Series({"metric": metric, "mean": 80.0, "low": low, "high": high})
    assert markdown.mean(row) == cell
