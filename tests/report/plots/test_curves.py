"""Curves are the numbers they are given, in the panels and colours that the legend names."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots


def test_learning_curves_share_colours_between_panels():
    steps = np.arange(20)
    losses = {
        n: pd.DataFrame({"step": steps, "loss": 1 / (steps + k)}) for n, k in (("A", 1), ("B", 2))
    }
    recalls = {"B": pd.DataFrame({"step": [0, 10], "recall": [1.0, 40.0]})}
    figure = plots.learning_curves(losses, recalls, chance=0.5, window=3)
    loss, recall = figure.axes
    colors = {line.get_label(): line.get_color() for line in loss.lines}
    drawn = {line.get_label(): line for line in recall.lines}
    assert drawn["B"].get_color() == colors["B"] != colors["A"]
    assert drawn["chance (0.5)"].get_ydata()[0] == 0.5
    assert drawn["B"].get_ydata().tolist() == [1, 40]
    smooth = next(line for line in loss.lines if line.get_label() == "A").get_ydata()
    assert smooth[5] == pytest.approx(losses["A"]["loss"][4:7].mean())
    assert "mean over 3 logged steps" in loss.get_title(loc="left")
    assert len(plots.learning_curves(losses).axes) == 1


def test_setting_curves_are_means_over_seeds_cut_below_the_second_half():
    rows = [
        *(("wide", seed, 10 * n, 10.0 * n + seed) for seed in (0, 2) for n in range(1, 9)),
        ("wide", 0, 90, 99.0),  # of one seed only
        *(("TIRG", 0, 10 * n, 5.0 * n) for n in range(1, 5)),
    ]
    table = pd.DataFrame(rows, columns=["setting", "seed", "step", "value"])
    (axis,) = plots.setting_curves(table, "validation R@1 (%)").axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axis.lines}
    assert drawn["wide"] == [[10 * n, 10 * n + 1] for n in range(1, 9)]
    assert drawn["TIRG"] == [[10 * n, 5 * n] for n in range(1, 5)]
    assert axis.get_ylim()[0] == 9  # one below the 10 of TIRG at half its training
    with pytest.raises(InputError, match="the table of settings has no rows"):
        plots.setting_curves(table[:0], "")


def test_pooling_curves_are_the_coefficients():
    weights = np.array([0.7, 0.2, 0.1])
    figure = plots.pooling_curves({"image": {"GPO": weights}, "text": {"GPO": weights}})
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), weights)
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["image", "text"]


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
    figure = plots.bits_against_map(table, chance=50.0)
    (axis,) = figure.axes
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), [60, 70])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["16", "64"]


def test_precision_is_drawn_against_recall_in_its_panel():
    table = pd.DataFrame(
        {
            "method": ["one", "one", "one"],
            "panel": ["a", "a", "b"],
            "recall": [0.0, 100.0, 0.0],
            "precision": [90.0, 10.0, 5.0],
        }
    )
    figure = plots.precision_recall_curves(table)
    first, second = figure.axes
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [90, 10])
    np.testing.assert_array_equal(second.lines[0].get_ydata(), [5])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="lacks the columns loss"):
        plots.learning_curves({"DIM": pd.DataFrame({"step": [1]})})
    with pytest.raises(InputError, match="no curve"):
        plots.learning_curves({})
    with pytest.raises(InputError, match="no coefficients"):
        plots.pooling_curves({"image": {}})
    columns = ["method", "bits", "metric", "mean", "low", "high"]
    with pytest.raises(InputError, match="no rows"):
        plots.bits_against_map(pd.DataFrame(columns=columns))
    with pytest.raises(InputError, match="lacks the columns precision"):
        plots.precision_recall_curves(pd.DataFrame({"method": [], "panel": [], "recall": []}))
