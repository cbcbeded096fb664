"""What the three papers' re-implementations come to, in six rows for README."""

import pandas as pd

from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.presets.dim import WITH_DIM
from cmir_repro.report import aai_tables, crcgs_tables, tables

HEAD = "| task at scale `mini` | method | seeds | mean [95 %] | minus | difference [95 %] |"
COMPOSED = ("Image only", "Concatenation", tables.REFERENCE, tables.REFERENCE + WITH_DIM)
RANK_FIRST, BOTH_WAYS, AVERAGE_PRECISION = "R@1", "RSUM", "MAP@all"


def markdown() -> str:
    """One row a method: its mean over seeds with the t-interval, and what it is compared with."""
    return "\n".join([HEAD, "|---" * 6 + "|", *_composed(), _aai(), _crcgs()])


def _composed() -> list[str]:
    task = "CSS 3D, image + text -> image, R@1"
    found = tables.finished("css", "mini", "3d-3d", COMPOSED)
    if not found:
        return [_row(task, method) for method in COMPOSED]
    recall = tables.recall_table(found).set_index(["method", "metric"])
    with_dim = COMPOSED[-1]
    gained = tables.against(found, {with_dim: tables.REFERENCE})
    rows = []
    for method in COMPOSED:
        mean = recall.loc[(method, RANK_FIRST)] if method in found else None
        rows.append(_row(task, method, mean, gained))
    return rows


def _aai() -> str:
    task = "CSS 3D, image <-> sentence, RSUM"
    found = aai_tables.finished("css", "mini", "3d")
    if "AAI" not in found:
        return _row(task, "AAI")
    means = aai_tables.recall_table(found).set_index(["method", "scoring", "metric"])
    mean = means.loc[("AAI", aai_tables.best(found["AAI"]), BOTH_WAYS)]
    return _row(task, "AAI", mean, aai_tables.against(found, aai.REFERENCE))


def _crcgs() -> str:
    task = "CSS 3D, image <-> tags, MAP@all"
    found = crcgs_tables.finished("css", "mini", "3d-colour-shape")
    if "CRCGS" not in found:
        return _row(task, "CRCGS")
    means = crcgs_tables.map_table(found).set_index(["method", "scoring", "metric"])
    mean = means.loc[("CRCGS", crcgs_tables.COSINE, AVERAGE_PRECISION)]
    return _row(task, "CRCGS", mean, crcgs_tables.against(found, crcgs.REFERENCE))


def _row(
    task: str, method: str, mean: pd.Series | None = None, against: pd.DataFrame | None = None
) -> str:
    """A line of the table; empty cells where the ledger has nothing."""
    if mean is None:
        return f"| {task} | {method} | 0 | no run yet | | |"
    minus = difference = ""
    if against is not None and len(against):
        for _, row in against[against["method"] == method].iterrows():
            minus = row["minus"]
            difference = f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
    return (
        f"| {task} | {method} | {int(mean['seeds'])} | {aai_tables.shown(mean)} | {minus} "
        f"| {difference} |"
    )
