"""Figures of label-based retrieval show what they are given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots import crcgs as crcgs_plots


def pictures(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 20, 30, 3), dtype=np.uint8)


def test_bits_stand_in_order_and_carry_their_means():
    table = pd.DataFrame(
        {
            "method": ["one"] * 2,
            "bits": [64, 16],
            "metric": ["i2t"] * 2,
            "mean": [70.0, 60.0],
            "low": [69.0, np.nan],
            "high": [71.0, np.nan],
        }
    )
    figure = crcgs_plots.bits_against_map(table, chance=50.0)
    (axis,) = figure.axes
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), [60, 70])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["16", "64"]
    assert not plt.get_fignums()


def test_precision_is_drawn_against_recall_in_its_panel():
    table = pd.DataFrame(
        {
            "method": ["one", "one", "one"],
            "panel": ["a", "a", "b"],
            "recall": [0.0, 100.0, 0.0],
            "precision": [90.0, 10.0, 5.0],
        }
    )
    figure = crcgs_plots.precision_recall_curves(table)
    first, second = figure.axes
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [90, 10])
    np.testing.assert_array_equal(second.lines[0].get_ydata(), [5])


def test_pictures_that_share_nothing_get_a_cross():
    figure = crcgs_plots.shared_label_rows(
        ["red, cube"], pictures(1, 2), [["red cube", ""]], "title"
    )
    words, first, second = figure.axes
    assert words.texts[0].get_text() == "red, cube"
    assert [axis.get_xlabel() for axis in (first, second)] == ["red cube", "✗"]


def test_tags_stand_below_their_pictures():
    figure = crcgs_plots.tagged(pictures(2), ["red\n[red cube]", "blue"])
    assert [axis.get_xlabel() for axis in figure.axes] == ["red\n[red cube]", "blue"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="2 queries"):
        crcgs_plots.shared_label_rows(["a", "b"], pictures(1, 2), [["x", "y"]])
    with pytest.raises(InputError, match="no rows"):
        crcgs_plots.bits_against_map(
            pd.DataFrame(columns=["method", "bits", "metric", "mean", "low", "high"])
        )
    with pytest.raises(InputError, match="lacks the columns precision"):
        crcgs_plots.precision_recall_curves(pd.DataFrame({"method": [], "panel": [], "recall": []}))
