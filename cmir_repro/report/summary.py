"""What the three papers' re-implementations come to, in six rows for README."""

from typing import NamedTuple

from cmir_repro.evaluation.verdicts import verdict
from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.presets.dim import WITH_DIM
from cmir_repro.report import markdown as md
from cmir_repro.report import tables
from cmir_repro.report.columns import COLUMNS
from cmir_repro.report.columns.base import ByMethod
from cmir_repro.report.scorecard import SCALES

HEAD = (
    "task",
    "scale",
    "method",
    "seeds",
    "chosen by",
    "mean [95 %]",
    "difference [95 %]",
    "probability of improvement",
    "verdict",
)
TIRG = COLUMNS["dim"].reference


class Group(NamedTuple):
    """Rows of one setting; each pair is compared, a method that is not in one just shown."""

    task: str
    setting: tuple[str, str, str]  # system, data set, task
    methods: tuple[str, ...]
    pairs: dict[str, str]


GROUPS = (
    Group(
        "CSS 3D, image + text -> image, R@1",
        ("dim", "css", "3d-3d"),
        ("Image only", "Concatenation", TIRG, TIRG + WITH_DIM),
        {TIRG + WITH_DIM: TIRG},
    ),
    Group(
        "CSS 3D, image <-> sentence, RSUM",
        ("aai", "css", "3d"),
        (aai.FULL,),
        {aai.FULL: aai.REFERENCE},
    ),
    Group(
        "CSS 3D, image <-> tags, MAP@all",
        ("crcgs", "css", "3d-colour-shape"),
        (crcgs.FULL,),
        {crcgs.FULL: crcgs.REFERENCE},
    ),
)


def markdown() -> str:
    """One row a method: its mean and what it is compared with, both with intervals over seeds and
    queries together.
    """
    return "\n".join(md.table(HEAD, [row for group in GROUPS for row in _rows(group)]))


def _rows(group: Group) -> list[list[str]]:
    scale, found = _of_largest_scale(group)
    gains = tables.against(found, group.pairs).set_index("method", drop=False)
    rows = []
    for method in group.methods:
        start = ["" if rows else group.task, "" if rows else f"`{scale}`", method]
        if method not in found:
            rows.append([*start, "0", "", "no run yet", "", "", ""])
            continue
        mean, records = tables.headline(found, method), found[method]
        compared = ["", "", ""]
        if method in gains.index:
            gain = gains.loc[method]
            told = f"{verdict(gain)} {gain['minus']}"
            compared = [md.difference(gain), f"{gain['probability']:.2f}", told]
        shown = [str(mean.seeds), tables.chosen(records), f"{mean.mean:.1f} {md.bounds(mean)}"]
        rows.append([*start, *shown, *compared])
    return rows


def _of_largest_scale(group: Group) -> tuple[str, ByMethod]:
    """The scale at which the pairs have the most seeds, of several the largest; its records."""
    found = {scale: _records(group, scale) for scale in SCALES}
    scale = max(SCALES, key=lambda scale: _known(group, found[scale]))  # the first of equals
    return scale, found[scale]


def _records(group: Group, scale: str) -> ByMethod:
    system, dataset, task = group.setting
    return tables.finished(system, dataset, scale, task, (*group.methods, *group.pairs.values()))


def _known(group: Group, found: ByMethod) -> tuple[int, int]:
    """Seeds of the pair with the fewest; where a pair lacks, how many methods there are."""
    gains = tables.against(found, group.pairs)
    complete = len(gains) == len(group.pairs)
    return (int(gains["seeds"].min()), 0) if complete else (0, len(found))
