"""The image <-> sentence tables, made from the ledger."""

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation import intervals
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.aai import METHODS, REFERENCE, configure
from cmir_repro.report import comparable

CUTOFFS = (1, 5, 10)
SCORINGS = {"itc": "ITC", "itm": "ITM among the first k", "itc+itm": "ITC + ITM"}


def finished(dataset: str, scale: str, task: str) -> dict[str, list[ledger.Record]]:
    """Comparable records of each method, by seed; see `comparable.finished`."""
    return comparable.finished(dataset, scale, task, METHODS, configure)


def recall_table(by_method: dict[str, list[ledger.Record]]) -> pd.DataFrame:
    """Mean over seeds and its 95 % t-interval, one row a method, scoring and metric.

    Columns: method, scoring, metric, mean, low, high (None with one seed), seeds, chance.

    Raises:
        InputError: there is no record.
    """
    if not by_method:
        raise InputError(
            "no run of this setting is in the ledger; run notebook 10 with the same dataset, task "
            "and scale, or cmir grid aai"
        )
    rows = []
    for method, records in by_method.items():
        for scoring, metrics in records[0].result["by_scoring"].items():
            for metric in metrics:
                values = [r.result["by_scoring"][scoring][metric]["value"] for r in records]
                mean = intervals.over_seeds(np.array(values))
                row = {"method": method, "scoring": scoring, "metric": metric, "mean": mean.mean}
                row |= {"low": mean.low, "high": mean.high, "seeds": mean.n}
                rows.append(row | {"chance": metrics[metric]["chance"]})
    return pd.DataFrame(rows)


def against(
    by_method: dict[str, list[ledger.Record]],
    reference: str = REFERENCE,
    scoring: str | None = None,
    reference_scoring: str | None = None,
) -> pd.DataFrame:
    """Methods minus a reference in points of RSUM: paired bootstrap over images.

    An image brings its own three recalls and the mean of its sentences', averaged over the seeds
    that both methods have; with equally many sentences of each image the mean is RSUM. An image
    is drawn with all its sentences. The seeds are not resampled.

    Args:
        scoring: of the methods; by default the best informed that each has, ITM before ITC.
        reference_scoring: of the reference, likewise.

    Returns:
        Columns method, minus, scoring, difference, low, high, p, seeds.
    """
    rows = []
    for method, records in by_method.items():
        if method == reference or reference not in by_method:
            continue
        seeds = {r.seed for r in records} & {r.seed for r in by_method[reference]}
        if not seeds:
            continue
        mine, theirs = scoring or best(records), reference_scoring or best(by_method[reference])
        ids, ours = points(records, seeds, mine)
        other_ids, others = points(by_method[reference], seeds, theirs)
        found = intervals.paired_bootstrap(
            ours, others, generator=np.random.default_rng(0), ids_a=ids, ids_b=other_ids
        )
        row = {"method": method, "minus": reference, "scoring": mine, "seeds": len(seeds)}
        rows.append(row | found._asdict())
    return pd.DataFrame(rows)


def best(records: list[ledger.Record]) -> str:
    """The best informed scoring that these have: ITM where there is a matcher."""
    return "itm" if "itm" in records[0].result["by_scoring"] else "itc"


def points(
    records: list[ledger.Record], seeds: set[int], scoring: str
) -> tuple[np.ndarray, np.ndarray]:
    """What each image brings to RSUM, mean over seeds: ids (G,) and points (G,) in [0, 600]."""
    total, images = 0.0, None
    for record in records:
        if record.seed not in seeds:
            continue
        found = ledger.queries(record.run, record.origin)
        found = found[found["scoring"] == scoring]
        hits = (found["rank"].to_numpy()[:, None] <= np.array(CUTOFFS)).sum(1)
        found = found.assign(points=100.0 * hits).groupby(["direction", "image"], sort=False)
        mean = found["points"].mean()
        own = mean["i2t"]
        total = total + own + mean["t2i"].reindex(own.index)
        images = own.index.to_numpy(dtype=str)
    return images, (total / len(seeds)).to_numpy()


def markdown(dataset: str, scale: str, task: str) -> str:
    """The methods of one setting as a Markdown table with everything needed to judge it."""
    by_method = finished(dataset, scale, task)
    if not by_method:
        return "No run of this setting is in the ledger yet."
    table = recall_table(by_method).set_index(["method", "scoring", "metric"])
    gained = against(by_method)
    gained = gained.set_index("method") if len(gained) else gained
    lines = [
        "| method | seeds | i2t R@1 | t2i R@1 | RSUM by ITC | RSUM by ITM | RSUM by ITC + ITM | "
        f"RSUM minus {REFERENCE} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, records in by_method.items():
        first = best(records)
        cells = [shown(table.loc[(method, first, f"{side} R@1")]) for side in ("i2t", "t2i")]
        for scoring in SCORINGS:
            here = (method, scoring, "RSUM") in table.index
            cells.append(shown(table.loc[(method, scoring, "RSUM")]) if here else "–")
        gain = ""
        if len(gained) and method in gained.index:
            row = gained.loc[method]
            gain = f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
        lines.append(f"| {method} | {len(records)} | {' | '.join(cells)} | {gain} |")
    one = next(iter(by_method))
    chance = [table.loc[(one, "itc", m), "chance"] for m in ("i2t R@1", "t2i R@1", "RSUM")]
    lines.append(f"| *chance* | | {chance[0]:.2f} | {chance[1]:.2f} | {chance[2]:.2f} | | | |")
    every = [r for records in by_method.values() for r in records]
    record, seconds = every[0], [r.seconds for r in every]
    candidates = record.config["rerank"]
    lines += [
        "",
        f"{record.result['images']:,} images, {record.result['sentences']:,} sentences; protocol "
        f"`{record.result['protocol']['name']}`; pictures: {record.data['kind']}; selection: "
        f"{record.selection}; ITM orders the first {candidates} by ITC. R@1 by ITM where there is "
        "a fusion encoder. Mean over seeds with the 95 % t-interval of that mean; the difference "
        "is a paired bootstrap over images with their sentences (the seeds are not resampled), by "
        f"ITM where there is a fusion encoder. Training took {min(seconds):.0f} to "
        f"{max(seconds):.0f} s. Hardware: "
        + "; ".join(sorted({comparable.machine(r) for r in every}))
        + ".",
        *comparable.remarks(by_method, configure),
    ]
    return "\n".join(lines)


def shown(row: pd.Series) -> str:
    """ "mean [low, high]"."""
    if pd.isna(row["low"]):
        return f"{row['mean']:.1f}"
    return f"{row['mean']:.1f} [{max(row['low'], 0):.1f}, {row['high']:.1f}]"
