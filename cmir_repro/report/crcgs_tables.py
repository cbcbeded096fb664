"""The tables of label-based retrieval, made from the ledger."""

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import Protocol, hashed, only_protocol, preset
from cmir_repro.evaluation import intervals
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.crcgs import BASELINES, METHODS, REFERENCE, configure
from cmir_repro.report import comparable
from cmir_repro.report.aai_tables import shown

COSINE = "cosine"
DIRECTIONS = ("i2t", "t2i")
DEPTHS = ("all", "queries")


def finished(dataset: str, scale: str, task: str) -> dict[str, list[ledger.Record]]:
    """Comparable records of each method, by seed; see `comparable.finished`.

    All share data and protocol; but a baseline may have codes only, of which its record then
    names the protocol, or nothing to select by.

    Raises:
        InputError: two records do not compare.
    """
    found: dict[str, list[ledger.Record]] = {}
    for methods in (*([name] for name in BASELINES), METHODS):
        found |= comparable.finished(dataset, scale, task, methods, configure)
    every = [r for records in found.values() for r in records]
    if every:
        only_protocol(_of_codes(r.result["protocol"]) for r in every)
    comparable.check_same("data tables", {r.data["tables"] for r in every})
    comparable.check_versions(every)
    return found


def map_table(by_method: dict[str, list[ledger.Record]]) -> pd.DataFrame:
    """Mean over seeds and its 95 % t-interval, one row a method, scoring and metric.

    Columns: method, scoring ("cosine", "hamming-16", ...), metric ("i2t MAP@all", ...; "MAP@all"
    and "MAP@queries" are means of both directions), mean, low, high (None with one seed), seeds,
    chance.

    Raises:
        InputError: there is no record.
    """
    if not by_method:
        raise InputError(
            "no run of this setting is in the ledger; run notebook 12 with the same dataset, task "
            "and scale, or cmir grid crcgs"
        )
    rows = []
    for method, records in by_method.items():
        for scoring in sorted(records[0].result["by_scoring"], key=_bits):
            found = [_with_means(r.result["by_scoring"][scoring]) for r in records]
            for metric in found[0]:
                mean = intervals.over_seeds(np.array([f[metric]["value"] for f in found]))
                row = {"method": method, "scoring": scoring, "metric": metric, "mean": mean.mean}
                row |= {"low": mean.low, "high": mean.high, "seeds": mean.n}
                rows.append(row | {"chance": found[0][metric]["chance"]})
    return pd.DataFrame(rows)


def against(
    by_method: dict[str, list[ledger.Record]], reference: str = REFERENCE, scoring: str = COSINE
) -> pd.DataFrame:
    """Methods minus a reference in points of MAP@all, mean of both directions: paired bootstrap.

    A query image and its text are one unit with the mean of their two APs, averaged over the seeds
    that both methods have. The seeds are not resampled: it speaks of these runs.

    Args:
        scoring: which features or codes; methods without them are left out.

    Returns:
        Columns method, minus, scoring, difference, low, high, p, seeds.
    """
    rows = []
    theirs = by_method.get(reference, [])
    for method, records in by_method.items():
        seeds = {r.seed for r in records} & {r.seed for r in theirs}
        has = all(scoring in r[0].result["by_scoring"] for r in (records, theirs) if r)
        if method == reference or not seeds or not has:
            continue
        ids, ours = points(records, seeds, scoring)
        other_ids, others = points(theirs, seeds, scoring)
        found = intervals.paired_bootstrap(
            ours, others, generator=np.random.default_rng(0), ids_a=ids, ids_b=other_ids
        )
        row = {"method": method, "minus": reference, "scoring": scoring, "seeds": len(seeds)}
        rows.append(row | found._asdict())
    columns = ["method", "minus", "scoring", "seeds", *intervals.Difference._fields]
    return pd.DataFrame(rows, columns=columns)


def points(
    records: list[ledger.Record], seeds: set[int], scoring: str
) -> tuple[np.ndarray, np.ndarray]:
    """AP over the whole database of each pair, mean of both directions and of the seeds.

    Pairs without a relevant item are left out; which ones depends on the labels alone.

    Returns:
        Ids (Q,) str and percent (Q,) float64.
    """
    total = 0.0
    for record in records:
        if record.seed in seeds:
            precisions = average_precisions(record)[scoring]
            total = total + (precisions["i2t", "all"] + precisions["t2i", "all"]) / 2
    mean = (total / len(seeds)).dropna()
    return mean.index.to_numpy(dtype=str), mean.to_numpy()


def average_precisions(record: ledger.Record) -> dict[str, dict[tuple[str, str], pd.Series]]:
    """The APs of a run's queries: scoring -> (direction, depth) -> percent by image id."""
    table = ledger.queries(record.run, record.origin)
    out: dict[str, dict[tuple[str, str], pd.Series]] = {}
    keys = ["scoring", "direction", "depth"]
    for (scoring, direction, depth), rows in table.groupby(keys, sort=False):
        out.setdefault(scoring, {})[direction, depth] = rows.set_index("query")["ap"]
    return out


def curves(by_method: dict[str, list[ledger.Record]], scoring: str, direction: str) -> pd.DataFrame:
    """Interpolated precision by recall, mean over seeds: columns method, recall, precision (%)."""
    rows = []
    for method, records in by_method.items():
        if scoring not in records[0].result["curves"]:
            continue
        found = [r.result["curves"][scoring][direction] for r in records]
        mean = np.mean([f["precision"] for f in found], axis=0)
        recall = np.linspace(0, 100, len(mean))  # not kept: see label_retrieval.score
        rows.append(pd.DataFrame({"method": method, "recall": recall, "precision": mean}))
    return pd.concat(rows, ignore_index=True)


def markdown(dataset: str, scale: str, task: str) -> str:
    """The methods of one setting as a Markdown table with everything needed to judge it."""
    by_method = finished(dataset, scale, task)
    if not by_method:
        return "No run of this setting is in the ledger yet."
    table = map_table(by_method).set_index(["method", "scoring", "metric"])
    scorings = list(dict.fromkeys(table.index.get_level_values("scoring")))
    codes = [s for s in scorings if s != COSINE]
    middle = "hamming-32" if "hamming-32" in codes else codes[0]
    gained = against(by_method).set_index("method")
    bits = [s.removeprefix("hamming-") for s in codes]
    lines = [
        "| method | seeds | i2t MAP@all | t2i MAP@all | MAP@queries | "
        + " | ".join(f"{b} bits" for b in bits)
        + f" | {middle.removeprefix('hamming-')} bits, MAP@queries | MAP@all minus {REFERENCE} |",
        "|" + "---|" * (7 + len(codes)),
    ]

    def cell(method: str, scoring: str, metric: str) -> str:
        key = (method, scoring, metric)
        return shown(table.loc[key]) if key in table.index else "–"

    for method, records in by_method.items():
        cells = [cell(method, COSINE, f"{way} MAP@all") for way in DIRECTIONS]
        cells.append(cell(method, COSINE, "MAP@queries"))
        cells += [cell(method, code, "MAP@all") for code in codes]
        cells.append(cell(method, middle, "MAP@queries"))
        gain = ""
        if method in gained.index:
            row = gained.loc[method]
            gain = f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
        lines.append(f"| {method} | {len(records)} | {' | '.join(cells)} | {gain} |")
    one = next(m for m in by_method if COSINE in by_method[m][0].result["by_scoring"])
    chance = [table.loc[(one, COSINE, f"{way} MAP@all"), "chance"] for way in DIRECTIONS]
    shallow = table.loc[(one, COSINE, "MAP@queries"), "chance"]
    blank = " |" * (len(codes) + 2)
    lines.append(f"| *chance* | | {chance[0]:.1f} | {chance[1]:.1f} | {shallow:.1f} |{blank}")
    return "\n".join([*lines, "", _below(by_method), *comparable.remarks(by_method, configure)])


def _of_codes(protocol: dict) -> Protocol:
    """The protocol of a record's codes, whichever of its scorings the record names."""
    name = protocol["name"]
    return preset(name) if protocol["similarity"] == "hamming" else hashed(name)


def _bits(scoring: str) -> int:
    """L of "hamming-L", 0 of "cosine": from short to long, where a record sorts by name."""
    return int(scoring.partition("-")[2] or 0)


def _below(by_method: dict[str, list[ledger.Record]]) -> str:
    every = [r for records in by_method.values() for r in records]
    record, seconds = every[0], [r.seconds for r in every if r.steps] or [0.0]
    trained = next((r for r in every if r.steps), record)
    result = record.result
    left_out = result["without_relevant"]
    return (
        f"{result['queries']:,} queries of each modality"
        + (f" ({left_out} without a relevant item are left out)" if left_out else "")
        + f", database of {result['gallery']:,}; protocol `{result['protocol']['name']}`; data: "
        f"{record.data['kind']}; selection: {trained.selection}. MAP in percent; i2t, t2i and "
        "MAP@queries by cosine of the real-valued features, bits by Hamming distance of the codes "
        "(mean of both directions, expected over the orders of ties). MAP@all looks at the whole "
        f"database; MAP@queries, the released code's rule, at the first {result['queries']:,} "
        "only. Mean over seeds with the 95 % t-interval of that mean; the difference, mean of both "
        "directions by cosine, is a paired bootstrap over queries (the seeds are not resampled). "
        f"Training, without teachers and hash heads, took {min(seconds):.0f} to "
        f"{max(seconds):.0f} s. Hardware: "
        + "; ".join(sorted({comparable.machine(r) for r in every}))
        + "."
    )


def _with_means(metrics: dict) -> dict:
    """The metrics, and of each depth the mean of both directions."""
    means = {}
    for depth in DEPTHS:
        both = [metrics[f"{way} MAP@{depth}"] for way in DIRECTIONS]
        means[f"MAP@{depth}"] = {
            key: float(np.mean([side[key] for side in both])) for key in ("value", "chance")
        }
    return {**metrics, **means}
