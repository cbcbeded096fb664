"""Published numbers to set beside ours, each with its source; what no source shows is unknown.

R@1 in percent on CSS, protocol of TIRG. The table of the DIM paper itself could not be obtained.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """R@1 in percent, and where it was read."""

    value: float
    source: str


_SURVEY = "secondary: README of the survey fuxianghuang1/Multimodal-Composite-Editing-and-Retrieval"
_TIRG_README = "README of google/tirg, best single released model; the paper's table was not seen"

# (method, task) -> numbers.
CSS_R1 = {
    ("TIRG", "3d-3d"): [Published(73.7, _SURVEY), Published(76.0, _TIRG_README)],
    ("TIRG", "2d-3d"): [Published(46.6, _SURVEY)],
}
UNKNOWN = "unknown"


def css_r1(method: str, task: str) -> str:
    """The published R@1 as words for a table cell; "unknown" where no source was seen."""
    found = CSS_R1.get((method, task))
    return " / ".join(f"{p.value:.1f}" for p in found) if found else UNKNOWN


def sources(task: str) -> list[str]:
    """One line a number: method, value and where it was read."""
    return [
        f"{method} {p.value:.1f}: {p.source}"
        for (method, of), numbers in CSS_R1.items()
        if of == task
        for p in numbers
    ]
