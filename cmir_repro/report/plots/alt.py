"""Alternative text of figures in notebooks, for readers who do not see the picture.

A figure's caption (`captions`, or the one that `save_figure` was given) is its text; a figure
without one is described by what is written in it.
"""

import html
import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

LONGEST = 400  # characters; a screen reader cannot skim
BARE = re.compile(r"[\d\W]*")  # a number, a tick mark: nothing without what stands around it


def alt_text(figure: Figure) -> str:
    """The title, and the caption or else titles, labels, row names and texts of the panels.

    A caption is the figure's label, where `save_figure` puts it.
    """
    caption = figure.get_label()
    panels = [said for axis in figure.axes for said in _written(axis)]
    words = dict.fromkeys(" ".join(said.split()) for said in ([caption] if caption else panels))
    said = [figure.get_suptitle(), "; ".join(w for w in words if not BARE.fullmatch(w))]
    told = ". ".join(part for part in said if part)
    return textwrap.shorten(told, LONGEST, placeholder=" ...") or "A figure without a title"


def describe_figures(shell: "InteractiveShell") -> None:
    """Let this shell show figures as HTML images with their alternative text.

    Outputs of the kind image/png have no place for it that nbconvert's default page, JupyterLab
    and the book would read; HTML is shown by all of them.
    """
    plt.switch_backend(plt.get_backend())  # the inline one sets how figures are drawn when loaded
    formatters = shell.display_formatter.formatters
    draw = formatters["image/png"].pop(Figure, None)
    if draw is None:  # a shell that shows no pictures, or one that was told already
        return

    def image(figure: Figure) -> str:
        data = draw(figure)
        data, size = data if isinstance(data, tuple) else (data, {})  # "retina" gives its size
        named = {"alt": alt_text(figure), "src": f"data:image/png;base64,{data}", **size}
        return "<img " + " ".join(f'{k}="{html.escape(str(v))}"' for k, v in named.items()) + ">"

    formatters["text/html"].for_type(Figure, image)


def _written(axis: Axes) -> Iterator[str]:
    """What is written in and around a panel."""
    for place in ("left", "center", "right"):
        yield axis.get_title(place)
    if axis.axison:
        yield axis.get_xlabel()
        yield axis.get_ylabel()
        for label in (*axis.get_yticklabels(), *axis.get_xticklabels()):
            yield label.get_text()
    yield from axis.get_legend_handles_labels()[1]
    yield from (text.get_text() for text in axis.texts)
