"""Tables of image <-> sentence retrieval: RSUM by each scoring."""

import numpy as np
import pandas as pd

from cmir_repro.evaluation.tied_ranks import Ranks
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.presets import aai
from cmir_repro.report.columns.base import INTERVALS, Column, Columns, Found

CUTOFFS = (1, 5, 10)
DIRECTIONS = ("i2t", "t2i")


def _of_image(queries: pd.DataFrame, metric: str) -> pd.Series:
    """What each image brings to "RSUM" or to one recall of it, "i2t R@1".

    An image brings its own recalls and the mean of its sentences'; with equally many sentences of
    each image the mean is the metric. An image is drawn with all its sentences.
    """
    directions, cutoffs = DIRECTIONS, CUTOFFS
    if metric != "RSUM":
        direction, k = metric.split(" R@")
        directions, cutoffs = (direction,), (int(k),)
    ranks = Ranks.of_table(queries)
    hits = np.sum([ranks.hits(k) for k in cutoffs], axis=0)
    by_image = queries.assign(points=100.0 * hits).groupby(["direction", "image"], sort=False)
    mean = by_image["points"].mean()
    order = mean["i2t"].index
    return sum(mean[direction].reindex(order) for direction in directions)


def _columns(found: Found) -> list[Column]:
    one = next(iter(found.by_method))

    def chance(metric: str) -> str:
        return f"{found.means.loc[(one, 'itc', metric), 'chance']:.2f}"

    def first(metric: str) -> Column:
        def cell(method: str) -> str:
            return found.mean(method, _best_informed(found.by_method[method]), metric)

        return Column(metric, cell, chance(metric))

    def rsum(scoring: str, name: str) -> Column:
        known = chance("RSUM") if scoring == "itc" else ""
        return Column(f"RSUM by {name}", lambda m: found.mean(m, scoring, "RSUM"), known)

    names = {"itc": "ITC", "itm": "ITM", "itc+itm": "ITC + ITM"}
    return [
        first("i2t R@1"),
        first("t2i R@1"),
        *(rsum(*each) for each in names.items()),
        Column(f"RSUM minus {aai.REFERENCE}", found.gain),
    ]


def _below(found: Found) -> str:
    record = found.records[0]
    return (
        f"{record.result['images']:,} images, {record.result['sentences']:,} sentences; protocol "
        f"`{record.result['protocol']['name']}`; pictures: {record.data['kind']}; selection: "
        f"{record.selection}; ITM orders the first {record.config['rerank']} by ITC. R@1 by ITM "
        f"where there is a fusion encoder. {INTERVALS}; a query is an image with its sentences, "
        "and the difference is by ITM where there is a fusion encoder."
    )


def _best_informed(records: list[Record]) -> str:
    """ITM where there is a matcher, else ITC."""
    return "itm" if "itm" in records[0].result["by_scoring"] else "itc"


AAI = Columns(
    methods=tuple(aai.METHODS),
    configure=aai.configure,
    reference=aai.REFERENCE,
    metric="RSUM",
    metrics=lambda record, scoring: record.result["by_scoring"][scoring],
    asked=("scoring", "direction", "image", "rank"),
    points=_of_image,
    columns=_columns,
    below=_below,
    took="Training",
    scorings=lambda record: record.result["by_scoring"],
    best=_best_informed,
    names={"itc": "ITC", "itm": "ITM among the first k", "itc+itm": "ITC + ITM"},
)
