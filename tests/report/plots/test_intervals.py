"""Dots stand on means, lines on intervals, rows on methods."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots


def test_recall_intervals_put_dots_on_means_and_hollow_ones_without_interval():
    table = pd.DataFrame(
        {
            "method": ["TIRG", "mine"] * 2,
            "metric": ["R@1", "R@1", "R@10", "R@10"],
            "mean": [50.0, 60.0, 70.0, 80.0],
            "low": [48.0, np.nan, 68.0, 79.0],
            "high": [52.0, np.nan, 72.0, 81.0],
        }
    )
    figure = plots.recall_intervals(table, chance={"R@1": 0.1})
    first, second = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["R@1", "R@10"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["TIRG", "mine"]
    known, unknown, chance = first.lines
    assert (known.get_xdata().tolist(), known.get_ydata().tolist()) == ([50], [0])
    assert (unknown.get_xdata().tolist(), unknown.get_markerfacecolor()) == ([60], "white")
    assert chance.get_xdata()[0] == 0.1
    assert first.collections[0].get_segments()[0].tolist() == [[48, 0], [52, 0]]
    assert "hollow: no interval is known" in [t.get_text() for t in figure.findobj(plt.Text)]
    assert first.get_xlabel() == "dotted: chance, 0.1"
    assert second.get_xlabel() == ""


def test_with_and_without_dim_share_a_row():
    names = ["Image only", "TIRG", "FiLM", "TIRG + DIM", "FiLM + DIM"]
    table = pd.DataFrame({"method": names, "mean": [1.0, 2, 3, 4, 5], "low": 0.5, "high": 6.0})
    figure = plots.recall_intervals(table)
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["Image only", "TIRG", "FiLM"]
    place = {line.get_xdata()[0]: line.get_ydata()[0] for line in axis.lines}
    assert [round(place[x]) for x in (1, 2, 3, 4, 5)] == [0, 1, 2, 1, 2]
    assert len(set(place.values())) == 5  # none hides another
    assert [t.get_text() for t in figure.legends[0].texts] == ["without DIM", "with DIM"]


def test_differences_stand_in_their_groups_around_no_difference():
    table = pd.DataFrame(
        {
            "method": ["a", "b", "c"],
            "difference": [1.0, -2.0, 3.0],
            "low": [0.0, -3.0, 2.0],
            "high": [2.0, -1.0, 4.0],
            "group": ["x", "x", "y"],
        }
    )
    figure = plots.difference_intervals(table, unit="points of RSUM")
    (axis,) = figure.axes
    x, y, zero = axis.lines
    assert (x.get_xdata().tolist(), y.get_xdata().tolist()) == ([1, -2], [3])
    assert (x.get_color(), x.get_marker()) != (y.get_color(), y.get_marker())
    assert zero.get_xdata()[0] == 0
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b", "c"]
    assert axis.get_xlabel() == "points of RSUM; dotted: no difference"
    assert [t.get_text() for t in figure.legends[0].texts] == ["x", "y"]
    assert not plots.difference_intervals(table.drop(columns="group")).legends


def test_a_table_without_intervals_is_refused():
    with pytest.raises(InputError, match="lacks the columns low, high"):
        plots.recall_intervals(pd.DataFrame({"method": ["DIM"], "mean": [1.0]}))
