"""How far the net of a scale goes: TIRG, with and without DIM, by the net's width and by steps."""

import numpy as np

from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.dim import REACH, WITH_DIM
from cmir_repro.experiments.search import FIGURE
from cmir_repro.report import markdown as md
from cmir_repro.report import tables
from cmir_repro.report.ablation import DEFAULT

HEAD = (
    "method", "seeds", "parameters", "steps", "training loss", "validation", "R@1",
    "minus without DIM [95 %]", f"minus {DEFAULT} [95 %]",
)  # fmt: skip


def markdown(dataset: str, scale: str, task: str) -> str:
    """R@1 of each width and number of steps, with what DIM adds there and what they add to it.

    Training loss is that of retrieval alone, without DIM's terms, in nats, over the last tenth of
    the logged steps; validation the mean of R@1, R@5 and R@10 on validation data, which chooses;
    both are means over seeds. Until TIRG + DIM and one other have a run, the words for that.

    Raises:
        InputError: as in `tables.finished` and `tables.against`.
    """
    found = tables.finished("dim", dataset, scale, task, REACH)
    if DEFAULT not in found or len(found) < 2:
        return tables.NO_RUN
    recalls = tables.means(found)
    recalls = recalls[recalls["metric"] == "R@1"].set_index("method")
    # "TIRG + DIM, steps x2" -> "TIRG, steps x2"
    plain = {name: name.replace(WITH_DIM, "") for name in found if WITH_DIM in name}
    by_dim = tables.against(found, plain).set_index("method")
    by_size = tables.against(found, DEFAULT).set_index("method")
    validation = {
        name: float(np.mean([record.validation[FIGURE] for record in records]))
        for name, records in found.items()
        if all(FIGURE in record.validation for record in records)
    }
    rows = [
        [
            name, str(len(records)), f"{records[0].parameters:,}", f"{records[0].steps:,}",
            _loss(records), f"{validation[name]:.2f}" if name in validation else "",
            md.mean(recalls.loc[name]),
            *(md.difference(of.loc[name]) if name in of.index else "" for of in (by_dim, by_size)),
        ]
        for name, records in found.items()
    ]  # fmt: skip
    lines = md.table(HEAD, rows)
    if validation:
        best = max(validation, key=validation.__getitem__)
        recall = md.mean(recalls.loc[best])
        lines += ["", f"Best on validation data: {best}, with an R@1 of {recall} on test."]
    return "\n".join(lines)


def _loss(records: list[ledger.Record]) -> str:
    """Mean over seeds, "" where a log does not have it."""
    found = []
    for record in records:
        log = ledger.log(record.run, record.origin)
        if "metric" not in log:
            return ""
        logged = log["metric"].dropna()
        found.append(logged.tail(max(1, len(logged) // 10)).mean())
    return f"{np.mean(found):.4f}"
