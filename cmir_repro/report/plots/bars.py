"""A few values beside each other."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots.style import COLORS, MUTED, WIDTH, closed, named_rows, panels


@closed
def value_bars(values: Mapping[str, float], label: str, title: str = "") -> Figure:
    """A bar for each value, the first on top, with the value at its end.

    Args:
        values: name -> value. label: what they are, with the unit.

    Raises:
        InputError: there is no value.
    """
    if not values:
        raise InputError("there are no values to draw")
    figure, ((axis,),) = panels(1, 1, (WIDTH, 0.28 * len(values) + 0.75), title)
    bars = axis.barh(range(len(values)), list(values.values()), height=0.6, color=COLORS[0])
    axis.bar_label(bars, fmt="{:.3g}", padding=3)
    axis.margins(x=0.2 if min(values.values()) < 0 else 0.1)  # room for the values
    axis.axvline(0, color=MUTED, lw=0.8)
    named_rows(axis, values)
    axis.set_xlabel(label)
    figure.set_label(label + ": " + "; ".join(f"{k} {v:.3g}" for k, v in values.items()))
    return figure
