"""Figures of lines: learning curves, pooling coefficients, precision and code length."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots.methods import looks
from cmir_repro.report.plots.style import (
    WIDTH,
    closed,
    columns_of,
    legend,
    panels,
    reference,
)


@closed
def learning_curves(
    losses: Mapping[str, pd.DataFrame],
    recalls: Mapping[str, pd.DataFrame] | None = None,
    recall_label: str = "validation recall@1 (%)",
    chance: float | None = None,
    window: int = 1,
    title: str = "",
    loss_label: str = "training loss",
) -> Figure:
    """Loss against step, and beside it validation recall against step.

    Losses of different objectives have no common scale: only their course can be compared.

    Args:
        losses: name -> columns step, loss.
        recalls: name -> columns step, recall; a name has the same colour in both panels. What has
            no rows was never validated and is left out.
        recall_label: what was measured, on which split.
        chance: level of a random ranking, drawn as a dotted line.
        window: the loss is drawn as a running mean over this many logged steps, the values
            themselves thinly behind it. Our choice.
        title: of the figure.
        loss_label: what the left panel shows.

    Raises:
        InputError: nothing to draw, or a column is missing.
    """
    recalls = {name: rows for name, rows in (recalls or {}).items() if len(rows)}
    names = list(dict.fromkeys([*losses, *recalls]))
    if not names:
        raise InputError("no histories were given, so there is no curve to draw")
    figure, axes = panels(1, 2 if recalls else 1, (WIDTH if recalls else 0.6 * WIDTH, 2.6), title)
    loss_axis, recall_axis = axes[0, 0], axes[0, -1]
    for i, (name, (color, marker)) in enumerate(looks(names).items()):
        if name in losses:
            style = {"color": color, "marker": marker, "markevery": (0.04 * i, 0.2)}
            _loss(loss_axis, style, name, columns_of(losses[name], name, "step", "loss"), window)
        if name in recalls:
            history = columns_of(recalls[name], name, "step", "recall")
            style = {"color": color, "marker": marker, "ms": 4, "label": name}
            recall_axis.plot(history["step"], history["recall"], **style)
    mean_over = f", mean over {window} logged steps" if window > 1 else ""
    loss_axis.set(title=f"{_capital(loss_label)}{mean_over}", xlabel="step")
    if recalls:
        recall_axis.set(title=_capital(recall_label), xlabel="step")
        if chance is not None:
            reference(recall_axis.axhline, chance, f"chance ({chance:.3g})")
        _from_zero(recall_axis)
    for axis in axes[0]:
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    legend(figure, columns=5)
    return figure


@closed
def setting_curves(table: pd.DataFrame, label: str, title: str = "") -> Figure:
    """A validation figure against the step, one line for each setting: the mean over its seeds.

    The axis begins at the lowest value of the second half of a training: what comes before is
    steep, and says nothing about where a setting ends.

    Args:
        table: columns setting, seed, step, value, as `report.settings.curves` gives them. A step
            counts where all seeds of the setting have it.
        label: what `value` is.
        title: of the figure.

    Raises:
        InputError: nothing to draw, or a column is missing.
    """
    table = columns_of(table, "the table of settings", "setting", "seed", "step", "value")
    figure, axes = panels(1, 1, (WIDTH, 3.4), title)
    (axis,) = axes[0]
    seen, lowest = looks(table["setting"]), []
    for name, rows in table.groupby("setting", sort=False):
        by_step = rows.groupby("step")["value"]
        curve = by_step.mean()[by_step.size() == rows["seed"].nunique()]
        color, marker = seen[name]
        axis.plot(curve.index, curve, color=color, marker=marker, ms=4, label=name)
        lowest.append(curve[curve.index >= curve.index.max() / 2].min())
    axis.set(xlabel="step", ylabel=label)
    axis.set_ylim(bottom=min(lowest) - 1)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    legend(figure, columns=3)
    return figure


@closed
def pooling_curves(curves: Mapping[str, Mapping[str, np.ndarray]], title: str = "") -> Figure:
    """What each place of the sorted set weighs, a panel per modality, a line per set.

    Args:
        curves: panel -> name of the line -> (n,) coefficients, largest value first.
        title: of the figure.

    Raises:
        InputError: nothing to draw.
    """
    if not curves or not all(curves.values()):
        raise InputError("no coefficients were given, so there is no curve to draw")
    figure, axes = panels(1, len(curves), (WIDTH, 2.6), title)
    for axis, (panel, lines) in zip(axes[0], curves.items(), strict=True):
        seen = looks(lines)
        for name, weights in lines.items():
            color, marker = seen[name]
            place = np.arange(1, len(weights) + 1)
            axis.plot(place, weights, color=color, marker=marker, ms=4, markevery=0.1, label=name)
        axis.set(title=panel, xlabel="place in the order, largest value first")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.set_ylim(bottom=min(0, *(w.min() for w in lines.values())))
        axis.legend()
    axes[0, 0].set_ylabel("weight")
    return figure


@closed
def bits_against_map(table: pd.DataFrame, chance: float | None = None, title: str = "") -> Figure:
    """MAP against the length of the codes, a line a method, a panel a metric.

    Args:
        table: columns method, bits, metric, mean, low, high (percent; low and high may be NaN).
        chance: level of a random order, the same in all panels, dotted.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "method", "bits", "metric", "mean", "low", "high")
    metrics, bits = list(table["metric"].unique()), sorted(table["bits"].unique())
    figure, axes = panels(1, len(metrics), (WIDTH, 2.7), title, sharey=True)
    methods = list(table["method"].unique())
    seen = looks(methods)
    for axis, metric in zip(axes[0], metrics, strict=True):
        for i, method in enumerate(methods):
            rows = table[(table["metric"] == metric) & (table["method"] == method)]
            rows = rows.sort_values("bits")
            color, marker = seen[method]
            # A little apart, so that intervals at the same length do not hide one another.
            x = np.searchsorted(bits, rows["bits"]) + 0.06 * (i - (len(methods) - 1) / 2)
            known = rows["low"].notna().to_numpy()
            axis.vlines(x[known], rows["low"][known], rows["high"][known], color=color, lw=1.5)
            axis.plot(x, rows["mean"], color=color, marker=marker, ms=4, label=method)
        reference(axis.axhline, chance)
        axis.set_xticks(range(len(bits)), bits)
        axis.set(title=metric, xlabel="bits")
    axes[0, 0].set_ylabel(_with_chance("MAP (%)", chance))
    legend(figure)
    return figure


@closed
def precision_recall_curves(
    table: pd.DataFrame, chance: float | None = None, title: str = ""
) -> Figure:
    """Interpolated precision against recall, a line a method, a panel a direction.

    Args:
        table: columns method, panel, recall, precision, in percent.
        chance: share of the database that is relevant to a query on average, dotted.
        title: of the figure.

    Raises:
        InputError: no rows, or a column is missing.
    """
    table = columns_of(table, "the table", "method", "panel", "recall", "precision")
    names = list(table["panel"].unique())
    figure, axes = panels(1, len(names), (WIDTH, 2.7), title, sharey=True)
    seen = looks(table["method"])
    for axis, panel in zip(axes[0], names, strict=True):
        by_method = table[table["panel"] == panel].groupby("method", sort=False)
        for i, (method, rows) in enumerate(by_method):
            color, marker = seen[method]
            style = {"color": color, "marker": marker, "markevery": (4 * i, 20), "ms": 4}
            axis.plot(rows["recall"], rows["precision"], label=method, **style)
        reference(axis.axhline, chance)
        axis.set(title=panel, xlabel="recall (%)", xlim=(0, 100))
    axes[0, 0].set_ylabel(_with_chance("precision (%)", chance))
    legend(figure)
    return figure


def _from_zero(axis: Axes) -> None:
    """Begin at 0, unless that would squeeze all there is to see into the upper half."""
    low, high = axis.dataLim.intervaly
    if low < high / 2:
        axis.set_ylim(bottom=0)


def _loss(axis: Axes, style: dict, name: str, history: pd.DataFrame, window: int) -> None:
    mean = history["loss"].rolling(window, min_periods=1, center=True).mean()
    if window > 1:
        axis.plot(history["step"], history["loss"], color=style["color"], alpha=0.2, lw=0.7)
    axis.plot(history["step"], mean, label=name, ms=4, **style)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_chance(label: str, chance: float | None) -> str:
    return label if chance is None else f"{label}; dotted: chance"
