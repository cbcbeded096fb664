"""What the three papers' re-implementations come to, in six rows for README."""

from typing import NamedTuple

from cmir_repro.evaluation.verdicts import verdict
from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.presets.dim import WITH_DIM
from cmir_repro.report import markdown as md
from cmir_repro.report import tables
from cmir_repro.report.columns import COLUMNS

HEAD = (
    "task at scale `mini`",
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
    setting: tuple[str, str, str, str]
    methods: tuple[str, ...]
    pairs: dict[str, str]


GROUPS = (
    Group(
        "CSS 3D, image + text -> image, R@1",
        ("dim", "css", "mini", "3d-3d"),
        ("Image only", "Concatenation", TIRG, TIRG + WITH_DIM),
        {TIRG + WITH_DIM: TIRG},
    ),
    Group(
        "CSS 3D, image <-> sentence, RSUM",
        ("aai", "css", "mini", "3d"),
        (aai.FULL,),
        {aai.FULL: aai.REFERENCE},
    ),
    Group(
        "CSS 3D, image <-> tags, MAP@all",
        ("crcgs", "css", "mini", "3d-colour-shape"),
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
    found = tables.finished(*group.setting, (*group.methods, *group.pairs.values()))
    gains = tables.against(found, group.pairs).set_index("method", drop=False)
    rows = []
    for method in group.methods:
        if method not in found:
            rows.append([group.task, method, "0", "", "no run yet", "", "", ""])
            continue
        mean, records = tables.headline(found, method), found[method]
        compared = ["", "", ""]
        if method in gains.index:
            gain = gains.loc[method]
            told = f"{verdict(gain)} {gain['minus']}"
            compared = [md.difference(gain), f"{gain['probability']:.2f}", told]
        shown = [str(mean.seeds), tables.chosen(records), f"{mean.mean:.1f} {md.bounds(mean)}"]
        rows.append([group.task, method, *shown, *compared])
    return rows
