"""Rows of composed retrieval that were composed without training: `experiments.training_free`."""

import pandas as pd

from cmir_repro.core.protocol import only_protocol
from cmir_repro.evaluation.training_free import COMPOSE
from cmir_repro.experiments import ledger
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.training_free import COMPONENT
from cmir_repro.report import comparable
from cmir_repro.report import markdown as md

# What a trained method is judged against (our choice): the sum whose weight is chosen on validation
# queries, and the formula that takes the modality gap out.
REFERENCES = ("Weighted sum of ", "Centred projection of ")
OURS = "of AAI's towers"  # in the names of the committed rows; docs/features.md makes them


def records(trained: list[Record]) -> list[Record]:
    """Those of the ledger that a table's records are of, in the order of `COMPOSE`.

    Raises:
        InputError: they do not compare: another protocol, other data or versions.
    """
    first = trained[0]
    where = {key: getattr(first, key) for key in ("system", "dataset", "scale", "task")}
    found = ledger.records(first.origin, kinds=("features",), **where)
    found = [r for r in found if COMPONENT in r.versions]
    only_protocol(r.result["protocol"] for r in (first, *found))
    comparable.check_same("data tables", {r.data["tables"] for r in (first, *found)})
    comparable.check_versions([*trained, *found])
    return sorted(found, key=_place)


def _place(record: Record) -> tuple[str, int]:
    """Towers, and the place of the formula among COMPOSE."""
    starts = [f"{name.capitalize()} of " for name in COMPOSE]
    start = max(filter(record.method.startswith, starts), key=len, default="")
    return record.method.removeprefix(start), starts.index(start) if start else len(starts)


def row(record: Record, heads: list[str]) -> list[str]:
    """The cells of a record: method, seeds, how it was chosen, and one for each head."""
    weight = record.validation.get("weight")
    how = "nothing to choose" if weight is None else f"validation (text weighs {weight:g})"
    metrics = record.result["metrics"]
    cells = [
        md.mean(pd.Series({**metrics[head], "mean": metrics[head]["value"], "metric": head}))
        if head in metrics
        else ""
        for head in heads
    ]
    return [record.method, "–", how, *cells]


def below(found: list[Record]) -> list[str]:
    """What is said of such rows below the table."""
    if not found:
        return []
    said = [
        "Rows *untrained* compose the vectors of two towers by a formula: no query of an image and "
        "a text was trained on. Their intervals are over queries."
    ]
    if any(OURS in record.method for record in found):
        said.append(
            "AAI's towers are those of `css/aai-mini`, which was trained at scale `mini` on 3D "
            "pictures of this world and their descriptions."
        )
        if found[0].task.startswith("2d"):
            said.append("It never saw a 2D picture; here they are scaled to the size of 3D ones.")
        if found[0].scale != "mini":
            said.append("That is a smaller world than the one that this table's methods train on.")
    return ["", " ".join(said)]
