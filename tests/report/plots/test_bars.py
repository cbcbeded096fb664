"""Bars of a few values."""

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots


def test_a_bar_for_each_value_in_order_and_told_in_words():
    figure = plots.value_bars({"sorted": 100, "expected": 20.04}, "R@1 in %", "Ties")
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [100, 20.04]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["sorted", "expected"]
    assert [text.get_text() for text in axis.texts] == ["100", "20"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first on top
    assert plots.alt_text(figure) == "Ties. R@1 in %: sorted 100; expected 20"


def test_nothing_is_refused():
    with pytest.raises(InputError, match="there are no values to draw"):
        plots.value_bars({}, "R@1")
