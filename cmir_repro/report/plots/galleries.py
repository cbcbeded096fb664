"""Figures of large galleries: recall against speed and size, and growth with the gallery."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from cmir_repro.report.plots.methods import looks
from cmir_repro.report.plots.style import WIDTH, closed, columns_of, legend, panels


@closed
def index_curves(table: pd.DataFrame, title: str = "") -> Figure:
    """Recall against queries a second and against bytes an item, and seconds against items.

    Args:
        table: of `evaluation.index.growth.measure`, over one or several sizes. The first two
            panels show the largest gallery, and of each length of code, in the second, the most
            cells looked into.

    Raises:
        InputError: no rows, or a column is missing.
    """
    names = ("way", "items", "code", "probe", "recall", "seconds", "bytes", "queries a second")
    table = columns_of(table, "the table", *names)
    last = table[table["items"] == table["items"].max()]
    figure, axes = panels(1, 3, (WIDTH, 2.8), title)
    for way, (color, marker) in looks(list(table["way"].unique())).items():
        style = {"color": color, "marker": marker, "ms": 4}
        mine = last[last["way"] == way]
        code = mine["code"].max()
        part = mine[mine["code"] == code].sort_values("probe")
        axes[0, 0].plot(part["queries a second"], part["recall"], label=way, **style)
        deep = mine[mine["probe"] == mine["probe"].max()].sort_values("bytes")
        axes[0, 1].plot(deep["bytes"], deep["recall"], **style)
        grown = table[(table["way"] == way) & (table["code"] == code)]
        common = grown.groupby("items")["probe"].max().min()
        grown = grown[grown["probe"] == common].sort_values("items")
        axes[0, 2].plot(grown["items"], 1000 * grown["seconds"], **style)
    axes[0, 0].set(
        title="Recall against speed", xlabel="queries a second of one core", xscale="log"
    )
    axes[0, 0].set_ylabel("of the exact first ten (%)")
    axes[0, 1].set(title="Recall against size", xlabel="bytes a picture", xscale="log")
    axes[0, 2].set(title="Growth", xlabel="pictures", xscale="log", yscale="log")
    axes[0, 2].set_ylabel("milliseconds a query")
    for axis in axes[0, :2]:
        axis.set_ylim(0, 103)
    for axis in (axes[0, 0].xaxis, axes[0, 1].xaxis, axes[0, 2].xaxis, axes[0, 2].yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.set_major_formatter(EngFormatter(sep="") if axis.axis_name == "x" else "{x:g}")
        axis.set_minor_formatter(NullFormatter())
    legend(figure, columns=3)
    return figure
