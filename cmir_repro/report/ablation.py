"""The ablation of DIM: TIRG + DIM with one thing changed, against both TIRG and TIRG + DIM."""

from cmir_repro.experiments.presets.dim import ABLATED, WITH_DIM
from cmir_repro.report import markdown as md
from cmir_repro.report import tables

PLAIN, DEFAULT = "TIRG", "TIRG" + WITH_DIM
HEAD = ("method", "seeds", "R@1", f"minus {PLAIN} [95 %]", f"minus {DEFAULT} [95 %]")


def markdown(dataset: str, scale: str, task: str) -> str:
    """R@1 of each change, and its differences over the seeds that both methods have.

    Until TIRG, TIRG + DIM and one change have a run, the words for that.

    Raises:
        InputError: as in `tables.finished` and `tables.against`.
    """
    found = tables.finished("dim", dataset, scale, task, [PLAIN, DEFAULT, *ABLATED])
    changed = [name for name in found if name in ABLATED]
    if not {PLAIN, DEFAULT} <= set(found) or not changed:
        return tables.NO_RUN
    recalls = tables.means(found)
    recalls = recalls[recalls["metric"] == "R@1"].set_index("method")
    gains = {
        reference: tables.against(
            found, {name: reference for name in found if name not in (PLAIN, reference)}
        ).set_index("method")
        for reference in (PLAIN, DEFAULT)
    }

    def difference(name: str, reference: str) -> str:
        if name not in gains[reference].index:
            return ""
        return md.difference(gains[reference].loc[name])

    rows = [
        [
            name,
            str(len(found[name])),
            md.mean(recalls.loc[name]),
            *(difference(name, reference) for reference in (PLAIN, DEFAULT)),
        ]
        for name in (PLAIN, DEFAULT, *changed)
    ]
    return "\n".join(md.table(HEAD, rows))
