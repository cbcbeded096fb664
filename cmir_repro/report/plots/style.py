"""What all figures share: colours, sizes, frames, legends, and how one is saved.

Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart, and never carry
a meaning alone: a marker, a tick or a word repeats it. Figures are as wide as a page of a paper,
7 inches, and no text in them is smaller than `SMALL`.
"""

import functools
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmir_repro.core import files, paths
from cmir_repro.core.errors import InputError
from cmir_repro.report import words
from cmir_repro.report.plots import captions

WIDTH = 7.0  # inches of a figure, that of a page
SMALL = 8.0  # points of the smallest text
LINE = 0.155  # inches of a line of small text
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
# Of frames and of text: the palette's green and vermilion, darker, 4.5 : 1 on white at least.
HIT, MISS, MUTED = "#00704F", "#B04A00", "#5A5A5A"
HAIRLINE = "#e6e6e6"
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere, and has ✓ and ✗
    "font.size": SMALL,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "figure.titlesize": 9.5,
    "figure.dpi": 130,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.hashsalt": "cmir_repro",  # an unchanged figure is an unchanged file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "lines.linewidth": 1.3,
    "image.interpolation": "none",  # pixels as they are, in vector files too
}


def style() -> None:
    """Set matplotlib's defaults to `STYLE`, for figures drawn outside this package."""
    plt.rcParams.update(STYLE)


def closed(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in `STYLE` without touching the defaults, and close what was drawn."""

    @functools.wraps(draw)
    def wrapper(*arguments, **options) -> Figure:
        with plt.rc_context(STYLE):
            before = set(plt.get_fignums())
            try:
                return draw(*arguments, **options)
            finally:
                for number in set(plt.get_fignums()) - before:
                    plt.close(number)

    return wrapper


def panels(
    rows: int, columns: int, size: tuple[float, float], title: str = "", **options
) -> tuple[Figure, np.ndarray]:
    """A titled figure of `size` inches and its (rows, columns) axes; options as of subplots.

    Codes of data sets and tasks in the title are spelt out.
    """
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    figure.suptitle(words.spelt(title) or None)
    return figure, axes


def look(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th of several things; past the colours, markers shift."""
    n = len(COLORS)
    return COLORS[i % n], MARKERS[(i + i // n) % n]


def frame(axis: Axes, color: str = "#cccccc", line="-", width: float = 0.8) -> None:
    """A frame of all four sides; `line` as matplotlib's line styles."""
    for spine in axis.spines.values():
        spine.set(visible=True, color=color, linestyle=line, linewidth=width)


def legend(
    figure: Figure,
    where: str = "lower center",
    columns: int = 4,
    handles: Mapping[str, Artist] | None = None,
) -> None:
    """One legend beside all panels, each name once, in at most so many columns.

    Args:
        where: "lower center" for below, "right center" for a single column.
        handles: name -> what stands beside it; by default what the panels have labels of.
    """
    found = dict(handles or {})
    for axis in figure.axes if handles is None else ():
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    columns = min(len(found), columns) if where.startswith("lower") else 1
    figure.legend(found.values(), found, loc=f"outside {where}", ncols=columns)


def reference(line: Callable, value: float | None, label: str | None = None) -> None:
    """A dotted line at `value`, behind everything; `line` is an axis' axhline or axvline."""
    if value is not None:
        line(value, color=MUTED, ls=":", lw=1.2, zorder=0, label=label)


def named_rows(
    axis: Axes,
    names: Iterable[str],
    places: Sequence[float] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Names as rows, the first on top, with hairlines to lead the eye.

    Args:
        places: heights of the rows; by default 0, 1, ...
        limits: bottom and top; by default half a row around.
    """
    names = list(names)
    axis.set_yticks(range(len(names)) if places is None else places, names)
    axis.set_ylim(limits or (len(names) - 0.5, -0.5))
    axis.grid(axis="y", color=HAIRLINE, lw=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def wrap(text: str, characters: int) -> str:
    """Text in lines of at most so many characters; a break of its own becomes a space.

    A number and its percent sign stay on one line.
    """
    kept = str(text).replace(" %", "\N{NO-BREAK SPACE}%")
    return textwrap.fill(kept, characters, break_on_hyphens=False)


def lines_of(text: str) -> int:
    """How many lines a text has."""
    return text.count("\n") + 1


def same_length(**things) -> None:
    """Refuse things of different length; None counts as absent.

    Raises:
        InputError: their lengths differ; all are named.
    """
    lengths = {name: len(thing) for name, thing in things.items() if thing is not None}
    if len(set(lengths.values())) > 1:
        raise InputError(f"one of each per row is needed, got {lengths}")


def columns_of(table: pd.DataFrame, name: str, *needed: str) -> pd.DataFrame:
    """The table itself, if it has the columns and a row.

    Raises:
        InputError: it lacks some, which are named.
    """
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"{name} lacks the columns {', '.join(missing)}")
    if not len(table):
        raise InputError(f"{name} has no rows")
    return table


def save_figure(
    figure: Figure, name: str, data: pd.DataFrame | None = None, caption: str = ""
) -> None:
    """Write `name`.png and `name`.svg into the figures folder, and `name`.csv with what it shows.

    The pictures carry their caption (as Description) and neither date nor version, so an unchanged
    figure is an unchanged file. Nothing is printed.

    Args:
        figure: from this package or not.
        name: without folder and ending.
        data: the numbers the figure is drawn from, six significant digits; an index that is more
            than a count is kept.
        caption: one sentence that says what to see; by default that of `captions`.

    Raises:
        InputError: the name is not a plain one, or the folder cannot be written.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"a figure's name is letters, digits, - and _, got {name!r}")
    described = captions.described(name)
    said = caption or (described.caption if described else "")
    figure.set_label(said)  # where `alt` finds it
    told = {"Description": said} if said else {}
    nothing = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    for kind, silent in nothing.items():
        with files.atomic(paths.figures() / f"{name}.{kind}") as temporary, plt.rc_context(STYLE):
            # Constrained layout leaves no room to trim, and a fixed size keeps figures alike.
            figure.savefig(temporary, format=kind, metadata=silent | told)
    if data is not None:
        keep = not isinstance(data.index, pd.RangeIndex)
        with files.atomic(paths.figures() / f"{name}.csv") as temporary:
            data.to_csv(temporary, index=keep, float_format="%.6g", lineterminator="\n")
