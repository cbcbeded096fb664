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

# (method, task of CSS) -> numbers.
CSS_R1 = {
    ("TIRG", "3d-3d"): [Published(73.7, _SURVEY), Published(76.0, _TIRG_README)],
    ("TIRG", "2d-3d"): [Published(46.6, _SURVEY)],
}
UNKNOWN = "unknown"
# Data sets that others have measured on, too; on any other nobody but us has.
BENCHMARKS = ("css", "css-released", "fashion200k", "mitstates", "fashioniq", "cirr")


def r1(method: str, dataset: str, task: str) -> str:
    """The published R@1 as words for a table cell; "unknown" where no source was seen."""
    found = _numbers(method, dataset, task)
    if found:
        return " / ".join(f"{p.value:.1f}" for p in found)
    return UNKNOWN if dataset in BENCHMARKS else "none: data of our own"


def why(method: str, dataset: str, task: str) -> str:
    """One sentence on why our number may differ from the published one."""
    if dataset not in BENCHMARKS:
        return "Nobody else has measured on these pictures and queries."
    if not _numbers(method, dataset, task):
        return "No source with its number could be read."
    return (
        "Theirs is a ResNet-18 with ImageNet weights and 160,000 steps on the released Blender "
        "pictures; ours starts from nothing, on pictures rendered here, in far fewer steps."
    )


def sources(dataset: str, task: str) -> list[str]:
    """One line a number: method, value and where it was read."""
    return [
        f"{method} {p.value:.1f}: {p.source}"
        for (method, of), numbers in CSS_R1.items()
        if of == task and dataset.startswith("css")
        for p in numbers
    ]


def _numbers(method: str, dataset: str, task: str) -> list[Published]:
    return CSS_R1.get((method, task), []) if dataset.startswith("css") else []
