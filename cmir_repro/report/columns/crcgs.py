"""Tables of label-based retrieval: MAP of features and of codes, at two depths."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cmir_repro.core.protocol import Protocol, hashed, only_protocol, preset
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.presets import crcgs
from cmir_repro.report import comparable
from cmir_repro.report.columns.base import INTERVALS, ByMethod, Column, Columns, Found

COSINE = "cosine"
DIRECTIONS = ("i2t", "t2i")
DEPTHS = ("all", "queries")


def _with_means(record: Record, scoring: str) -> dict:
    """The metrics, and of each depth the mean of both directions, "MAP@all" and "MAP@queries"."""
    metrics = record.result["by_scoring"][scoring]
    means = {}
    for depth in DEPTHS:
        both = [metrics[f"{way} MAP@{depth}"] for way in DIRECTIONS]
        means[f"MAP@{depth}"] = {
            key: float(np.mean([side[key] for side in both])) for key in ("value", "chance")
        }
    return {**metrics, **means}


def _of_pair(queries: pd.DataFrame, metric: str) -> pd.Series:
    """AP of each query image and its text: of both directions the mean, or "i2t MAP@all" of one.

    Pairs without a relevant item are NaN; which ones depends on the labels alone.
    """
    direction, _, depth = metric.rpartition("MAP@")
    queries = queries[queries["depth"] == depth]
    directions = (direction.strip(),) if direction else DIRECTIONS
    sides = [
        queries[queries["direction"] == way].set_index("query")["ap"] for way in directions
    ]  # fmt: skip
    return sum(sides) / len(sides)


def _finished(
    dataset: str, scale: str, task: str, methods: Iterable[str], origin: str | None = None
) -> ByMethod:
    """As `comparable.finished`; but a baseline may have codes only, of which its record then
    names the protocol, or nothing to select by.
    """
    methods, found = list(methods), {}
    alone = [[name] for name in crcgs.BASELINES if name in methods]
    for group in (*alone, [name for name in methods if name not in crcgs.BASELINES]):
        found |= comparable.finished(dataset, scale, task, group, crcgs.configure, origin)
    every = [r for records in found.values() for r in records]
    if every:
        only_protocol(map(_of_codes, every))
    comparable.check_same("data tables", {r.data["tables"] for r in every})
    comparable.check_versions(every)
    return found


def _of_codes(record: Record) -> Protocol:
    """The protocol of a record's codes, whichever of its scorings the record names."""
    protocol = record.result["protocol"]
    name = protocol["name"]
    return preset(name) if protocol["similarity"] == "hamming" else hashed(name)


def _by_length(record: Record) -> list[str]:
    """Cosine first, then codes from short to long, where a record sorts by name."""
    return sorted(record.result["by_scoring"], key=lambda s: int(s.partition("-")[2] or 0))


def _columns(found: Found) -> list[Column]:
    codes = [s for s in dict.fromkeys(found.means["scoring"]) if s != COSINE]
    middle = "hamming-32" if "hamming-32" in codes else codes[0]
    real = (m for m, rows in found.by_method.items() if COSINE in rows[0].result["by_scoring"])
    one = next(real)

    def of_code(code: str, depth: str) -> Column:
        bits = f"{code.removeprefix('hamming-')} bits"
        head = bits if depth == "all" else f"{bits}, MAP@{depth}"
        return Column(head, lambda m: found.mean(m, code, f"MAP@{depth}"))

    def real_valued(metric: str) -> Column:
        chance = found.means.loc[(one, COSINE, metric), "chance"]
        return Column(metric, lambda m: found.mean(m, COSINE, metric), f"{chance:.1f}")

    return [
        *map(real_valued, ("i2t MAP@all", "t2i MAP@all", "MAP@queries")),
        *(of_code(code, "all") for code in codes),
        of_code(middle, "queries"),
        Column(f"MAP@all minus {crcgs.REFERENCE}", found.gain),
    ]


def _below(found: Found) -> str:
    every = found.records
    trained = next((r for r in every if r.steps), every[0])
    result, left_out = every[0].result, every[0].result["without_relevant"]
    return (
        f"{result['queries']:,} queries of each modality"
        + (f" ({left_out} without a relevant item are left out)" if left_out else "")
        + f", database of {result['gallery']:,}; protocol `{result['protocol']['name']}`; data: "
        f"{every[0].data['kind']}; selection: {trained.selection}. MAP in percent; i2t, t2i and "
        "MAP@queries by cosine of the real-valued features, bits by Hamming distance of the codes "
        "(mean of both directions, expected over the orders of ties). MAP@all looks at the whole "
        f"database; MAP@queries, the released code's rule, at the first {result['queries']:,} "
        f"only. {INTERVALS}, of the mean of both directions by cosine."
    )


CRCGS = Columns(
    methods=(*crcgs.BASELINES, *crcgs.METHODS),
    configure=crcgs.configure,
    reference=crcgs.REFERENCE,
    metric="MAP@all",
    metrics=_with_means,
    asked=("scoring", "direction", "depth", "query", "ap"),
    points=_of_pair,
    columns=_columns,
    below=_below,
    took="Training, without teachers and hash heads,",
    scorings=_by_length,
    best=lambda records: COSINE,
    finished=_finished,
    protocol=_of_codes,
)
