"""Figures of the released code show what they are given."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots


def test_forces_have_a_panel_per_form():
    c = np.array([0.0, 0.5, 1.0])
    one = pd.DataFrame({"form": "one", "cosine": c, "pull": [3.0, 2.0, 1.0], "push": [9.0] * 3})
    figure = plots.force_panels(pd.concat([one, one.assign(form="two", pull=4.0)]))
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["one", "two"]
    assert figure.axes[0].get_yscale() == "log"
    push, pull = (line.get_ydata().tolist() for line in figure.axes[0].lines)
    assert (push, pull) == ([9.0] * 3, [3.0, 2.0, 1.0])


def test_depth_curves_point_out_the_depths_and_draw_chance_apart():
    table = pd.DataFrame(
        {"codes": ["16 bits", "16 bits", "chance", "chance"], "depth": [10, 100] * 2,
         "map": [80.0, 60.0, 55.0, 50.0]}
    )  # fmt: skip
    figure = plots.depth_curves(table, {"queries": 10, "all": 1000})
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["16 bits"].get_ydata().tolist() == [80.0, 60.0]
    assert (lines["16 bits"].get_linestyle(), lines["chance"].get_linestyle()) == ("-", ":")
    assert {"queries 10", "all 1,000"} <= {text.get_text() for text in axis.texts}


def orders():
    rows = [("16 bits", "random order", 60.0 + i) for i in range(3)]
    rows += [("16 bits", "as filed", 66.0), ("16 bits", "expected", 61.0)]
    return pd.DataFrame(rows, columns=["codes", "order", "map"])


@pytest.mark.parametrize("shift", [0, 7])  # an index of its own does not matter
def test_orders_are_dots_and_the_expected_value_a_line(shift):
    table = orders()
    table.index += shift
    (axis,) = plots.order_dots(table).axes
    dots, line = axis.collections
    assert dots.get_offsets()[:, 0].tolist() == [60.0, 61.0, 62.0]
    assert line.get_segments()[0][:, 0].tolist() == [61.0, 61.0]
    (filed,) = axis.lines
    assert filed.get_xdata().tolist() == [66.0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["16 bits"]


@pytest.mark.parametrize(
    "draw",
    [
        plots.force_panels,
        lambda table: plots.depth_curves(table, {}),
        plots.order_dots,
    ],
)
def test_a_table_that_lacks_columns_or_rows_is_refused(draw):
    with pytest.raises(InputError, match="lacks the columns"):
        draw(pd.DataFrame({"x": [1]}))
    columns = ["form", "cosine", "pull", "push", "codes", "depth", "map", "order"]
    with pytest.raises(InputError, match="no rows"):
        draw(pd.DataFrame(columns=columns))
