"""Tables of composed retrieval: recall at cut-offs, with DIM beside without."""

import pandas as pd

from cmir_repro.evaluation.tied_ranks import Ranks
from cmir_repro.experiments.presets import dim
from cmir_repro.report import published, untrained
from cmir_repro.report.columns.base import INTERVALS, ByMethod, Column, Columns, Found

CUTOFFS = (1, 5, 10)


def with_and_without(by_method: ByMethod) -> dict[str, str]:
    """Each method with DIM -> the same without."""
    end = dim.WITH_DIM
    return {method: method.removesuffix(end) for method in by_method if method.endswith(end)}


def _hits(queries: pd.DataFrame, metric: str) -> pd.Series:
    """How often a query's target is within the cut-off of "R@k": 1 or 0, unless it ties."""
    within = Ranks.of_table(queries).hits(int(metric.removeprefix("R@")))
    return pd.Series(within, index=queries["query"])


def _columns(found: Found) -> list[Column]:
    first = next(iter(found.by_method))

    def recall(k: int) -> Column:
        chance = found.means.loc[(first, f"R@{k}"), "chance"]
        return Column(f"R@{k}", lambda m: found.mean(m, f"R@{k}"), f"{chance:.2f}")

    def with_dim(method: str) -> str:
        records = found.by_method.get(method + dim.WITH_DIM)
        if records is None:
            return ""
        same = len(records) == len(found.by_method[method])
        cell = found.mean(method + dim.WITH_DIM, "R@1")
        return cell if same else f"{cell} ({len(records)} seed{'s' if len(records) > 1 else ''})"

    where = found.dataset, found.task
    return [
        *map(recall, CUTOFFS),
        Column("R@1 with DIM", with_dim),
        Column("DIM minus without", lambda m: found.gain(m + dim.WITH_DIM)),
        Column("published R@1", lambda m: published.r1(m, *where)),
        Column("why they may differ", lambda m: published.why(m, *where)),
    ]


def _below(found: Found) -> str:
    record = found.records[0]
    return (
        f"{record.result['queries']:,} queries, gallery of {record.result['gallery']:,}; protocol "
        f"`{record.result['protocol']['name']}`; pictures: {record.data['kind']}; selection: "
        f"{record.selection}. {INTERVALS}."
    )


def _published(found: Found) -> list[str]:
    notes = published.sources(found.dataset, found.task)
    return ["", "Published, on the released pictures: " + "; ".join(notes) + "."] if notes else []


DIM = Columns(
    methods=tuple(dim.METHODS),
    configure=dim.configure,
    reference="TIRG",
    metric="R@1",
    metrics=lambda record, scoring: {f"R@{k}": record.result["metrics"][f"R@{k}"] for k in CUTOFFS},
    asked=("query", "rank"),
    points=_hits,
    percent=100.0,
    columns=_columns,
    below=_below,
    took="A run",
    pairs=with_and_without,
    over="fusions",
    has_row=lambda method: not method.endswith(dim.WITH_DIM),
    sources=_published,
    untrained=untrained.records,
)
