"""Tables of any system, made from the ledger: means over seeds, differences, Markdown.

What of them is a system's own stands in `columns`; which records may stand in one table in
`comparable`. Here all records of a table are of one system, which they name.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.evaluation import intervals
from cmir_repro.experiments.ledger import Record, queries
from cmir_repro.report import comparable, differences, untrained
from cmir_repro.report import markdown as md
from cmir_repro.report.columns import COLUMNS
from cmir_repro.report.columns.base import ByMethod, Columns, Found
from cmir_repro.report.columns.dim import CUTOFFS

NO_RUN = "No run of this setting is in the ledger yet."


def finished(
    system: str, dataset: str, scale: str, task: str, methods: Iterable[str] | None = None
) -> ByMethod:
    """Comparable records of each method, by seed; see `comparable.finished`.

    Args:
        system: a key of COLUMNS.
        methods: by default all of the system's tables.

    Raises:
        InputError: an unknown system, or two records that do not compare.
    """
    one_of("system", system, COLUMNS)
    columns = COLUMNS[system]
    return columns.records(dataset, scale, task, columns.methods if methods is None else methods)


def means(by_method: ByMethod) -> pd.DataFrame:
    """Mean over seeds and its 95 % t-interval: one row a method, scoring and metric.

    Columns: method, scoring (not of composed retrieval, which has one), metric, mean, low, high
    (None with one seed), seeds, chance.

    Raises:
        InputError: there is no record.
    """
    if not by_method:
        raise InputError(
            "no run of this setting is in the ledger; run the notebooks that train with the same "
            "dataset, task and scale (02 and 03, 09 or 11), or cmir grid"
        )
    columns, rows = _columns(by_method), []
    for method, records in by_method.items():
        for scoring in columns.scorings(records[0]) or (None,):
            for record in records:
                if scoring is not None and scoring not in columns.scorings(record):
                    raise InputError(
                        f"records/{record.run}.json has no scores by {scoring}, and "
                        f"{records[0].run} has; remove one of them"
                    )
            found = [columns.metrics(record, scoring) for record in records]
            for metric in found[0]:
                mean = intervals.over_seeds(np.array([f[metric]["value"] for f in found]))
                row = {"method": method, **_scored(scoring), "metric": metric, "mean": mean.mean}
                row |= {"low": mean.low, "high": mean.high, "seeds": mean.n}
                rows.append(row | {"chance": found[0][metric]["chance"]})
    return pd.DataFrame(rows)


def query_intervals(records: dict[str, Record]) -> pd.DataFrame:
    """Recall of single runs of composed retrieval, with the bootstrap interval over queries that
    each record holds. Columns as in `means`, without seeds.
    """
    rows = [
        {
            "method": method,
            "metric": f"R@{k}",
            "mean": metric["value"],
            **{name: metric[name] for name in ("low", "high", "chance")},
        }
        for method, record in records.items()
        for k in CUTOFFS
        for metric in [record.result["metrics"][f"R@{k}"]]
    ]
    return pd.DataFrame(rows)


def against(
    by_method: ByMethod,
    reference: str | dict[str, str] | None = None,
    scoring: str | None = None,
    reference_scoring: str | None = None,
    metric: str | None = None,
) -> pd.DataFrame:
    """Methods minus a reference in points of a metric, over seeds and queries together.

    A query (an image with its sentences, an image with its tags) has its points of each seed that
    both methods have; see `intervals.over_seeds_and_queries`. With one seed the interval is over
    the queries only.

    Args:
        reference: the method that all others are compared with, or method -> its reference; by
            default the system's.
        scoring: of both sides; by default the best informed that each has, ITM before ITC, cosine
            before codes. Methods without it are left out.
        reference_scoring: of the reference, where it is another.
        metric: by default R@1, RSUM, or MAP@all as mean of both directions.

    Returns:
        Columns method, minus, scoring (as in `means`), seeds and the fields of
        `differences.Compared`; no rows where a reference lacks.

    Raises:
        InputError: runs to compare have other queries.
    """
    rows = []
    for method, minus, mine, ours, theirs in _compared(
        by_method, reference, scoring, reference_scoring, metric
    ):
        row = {"method": method, "minus": minus, **_scored(mine), "seeds": ours.shape[1]}
        rows.append(row | differences.compared(ours, theirs, _columns(by_method).percent)._asdict())
    names = ["method", "minus", "seeds", *differences.Compared._fields]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=names)


def over_methods(
    by_method: ByMethod, reference: str | dict[str, str] | None = None, metric: str | None = None
) -> intervals.Crossed | None:
    """The mean of all differences of `against`, for other methods, seeds and queries.

    None with fewer than two. Arguments and errors as there.
    """
    found = [pair[3:] for pair in _compared(by_method, reference, metric=metric)]
    if len(found) < 2:
        return None
    return differences.over_methods(found, _columns(by_method).percent)


def points(
    records: list[Record], seeds: set[int], metric: str, scoring: str | None = None
) -> pd.DataFrame:
    """What each unit brings to a metric, worth `Columns.percent` points each: a row a unit by its
    id, a column a seed.

    Units that the metric leaves out are not there.

    Raises:
        InputError: two runs have other queries.
    """
    columns, found = _of(records[0]), {}
    for record in records:
        if record.seed not in seeds:
            continue
        table = queries(record.run, record.origin)
        if lacking := [name for name in columns.asked if name not in table]:
            raise InputError(
                f"queries/{record.run}.parquet lacks the columns {', '.join(lacking)}; run "
                f"{record.run} again"
            )
        if scoring is not None:
            table = table[table["scoring"] == scoring]
        found[record.seed] = columns.points(table, metric)
        if not found[record.seed].index.equals(next(iter(found.values())).index):
            raise InputError(f"{record.run} ranks other queries than the same method's others")
    return pd.DataFrame(found)[sorted(found)].dropna()


def headline(by_method: ByMethod, method: str) -> intervals.Crossed:
    """The mean of what the system's methods are compared by, over seeds and queries together; with
    one seed the interval is over its queries only.
    """
    columns, records = _columns(by_method), by_method[method]
    seeds = {r.seed for r in records}
    found = points(records, seeds, columns.metric, columns.best(records))
    values = columns.percent * found.to_numpy().T
    return intervals.over_seeds_and_queries(values, generator=np.random.default_rng(0))


def chosen(records: list[Record]) -> str:
    """How the weights that were scored were chosen, in a word or two."""
    rules = {"validation" if r.selection.startswith("best") else r.selection for r in records}
    return ", ".join(sorted(rules))


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """A long table of recalls as methods x metrics, cells "mean [low, high]", chance last."""
    cells = table.assign(cell=[md.mean(row) for _, row in table.iterrows()])
    out = cells.pivot(index="method", columns="metric", values="cell")
    out = out.loc[table["method"].unique(), table["metric"].unique()]
    chance = table.groupby("metric")["chance"].first()
    out.loc["(chance)"] = [f"{chance[metric]:.1f}" for metric in out.columns]
    return out.rename_axis(columns=None)


def by_scoring(by_method: ByMethod, metric: str | None = None) -> pd.DataFrame:
    """Methods x scorings of one metric, cells "mean [low, high]", and last the difference from the
    reference in that same metric. Errors as in `means`.

    Args:
        metric: by default what the system's methods are compared by.
    """
    table, columns = means(by_method), _columns(by_method)
    metric = metric or columns.metric
    table = table[table["metric"] == metric]
    cells = table.assign(cell=[md.mean(row) for _, row in table.iterrows()])
    out = cells.pivot(index="method", columns="scoring", values="cell").fillna("–")
    known = sorted((columns.scorings(r[0]) for r in by_method.values()), key=len, reverse=True)
    out = out.loc[list(by_method), list(dict.fromkeys(s for scorings in known for s in scorings))]
    gains = against(by_method, metric=metric).set_index("method")
    told = [md.difference(row) for _, row in gains.iterrows()]
    minus = pd.Series(told, index=gains.index, name=f"minus {columns.reference}", dtype=str)
    out = out.rename(columns=columns.names).rename_axis(columns=metric)
    return out.join(minus).fillna("")


def precision_recall(by_method: ByMethod, scoring: str, direction: str) -> pd.DataFrame:
    """Interpolated precision by recall of label-based retrieval, mean over seeds.

    Columns method, recall, precision, in percent; methods without the scoring are left out.
    """
    rows = []
    for method, records in by_method.items():
        if scoring not in records[0].result["curves"]:
            continue
        found = [r.result["curves"][scoring][direction] for r in records]
        mean = np.mean([f["precision"] for f in found], axis=0)
        recall = np.linspace(0, 100, len(mean))  # not kept: see evaluation.labels.score
        rows.append(pd.DataFrame({"method": method, "recall": recall, "precision": mean}))
    return pd.concat(rows, ignore_index=True)


def markdown(system: str, dataset: str, scale: str, task: str) -> str:
    """The methods of one setting as a Markdown table with everything needed to judge it.

    Raises:
        InputError: as in `finished`.
    """
    by_method = finished(system, dataset, scale, task)
    if not by_method:
        return NO_RUN
    columns, table = COLUMNS[system], means(by_method)
    pairs = columns.pairs(by_method) if columns.pairs else None
    gains = against(by_method, pairs)
    keys = [name for name in ("method", "scoring", "metric") if name in table]
    found = Found(
        by_method, table.set_index(keys, drop=False), gains.set_index("method"), dataset, task
    )
    shown = columns.columns(found)
    rows = [
        [method, str(len(records)), chosen(records), *(column.cell(method) for column in shown)]
        for method, records in by_method.items()
        if columns.has_row(method)
    ]
    heads, plain = [column.head for column in shown], columns.untrained(found.records)
    rows += [untrained.row(record, heads) for record in plain]
    chance = ["*chance*", "", "", *(column.chance for column in shown)]
    head = ["method", "seeds", "chosen by", *heads]
    below = f"{columns.below(found)} {_ran(columns.took, found.records)}"
    remarks = comparable.remarks(by_method, columns.configure)
    over = over_methods(by_method, pairs) if columns.over else None
    told = differences.markdown(gains, over, columns.over)
    more = differences.markdown(_above_untrained(by_method, plain))
    told += more[len(md.table(differences.HEAD, [])) :] if told else more
    lines = [*md.table(head, [*rows, chance]), "", below, *remarks, *untrained.below(plain)]
    lines += columns.sources(found)
    return "\n".join([*lines, "", f"{columns.metric}, differences:", "", *told] if told else lines)


def _above_untrained(by_method: ByMethod, plain: list[Record]) -> pd.DataFrame:
    """The system's reference minus what it is judged against, as a table of `against`."""
    rows, columns = [], _columns(by_method)
    records = by_method.get(columns.reference, [])
    for record in plain if records else []:
        if record.method.startswith(untrained.REFERENCES):
            ours = points(records, {r.seed for r in records}, columns.metric)
            once = points([record], {record.seed}, columns.metric)
            theirs = pd.DataFrame({seed: once[record.seed] for seed in ours})
            row = {"method": columns.reference, "minus": record.method, "seeds": ours.shape[1]}
            rows.append(row | differences.compared(ours, theirs, columns.percent)._asdict())
    return pd.DataFrame(rows)


def _of(record: Record) -> Columns:
    one_of(f"records/{record.run}.json: system", record.system, COLUMNS)
    return COLUMNS[record.system]


def _columns(by_method: ByMethod) -> Columns:
    return _of(next(iter(by_method.values()))[0])


def _pairs(
    by_method: ByMethod, reference: str | dict[str, str] | None, columns: Columns | None
) -> dict[str, str]:
    """Method -> what it is compared with."""
    if isinstance(reference, dict) or columns is None:
        return reference or {}
    reference = reference or columns.reference
    return {method: reference for method in by_method if method != reference}


def _compared(
    by_method: ByMethod,
    reference: str | dict[str, str] | None = None,
    scoring: str | None = None,
    reference_scoring: str | None = None,
    metric: str | None = None,
) -> Iterator[tuple[str, str, str | None, pd.DataFrame, pd.DataFrame]]:
    """Method, its reference, the method's scoring, points of both; see `against`."""
    columns = _columns(by_method) if by_method else None
    for method, other in _pairs(by_method, reference, columns).items():
        ours, theirs = by_method.get(method, []), by_method.get(other, [])
        seeds = {r.seed for r in ours} & {r.seed for r in theirs}
        if not seeds:
            continue
        mine = scoring or columns.best(ours)
        its = reference_scoring or scoring or columns.best(theirs)
        if _has(columns, ours, mine) and _has(columns, theirs, its):
            of = metric or columns.metric
            yield method, other, mine, points(ours, seeds, of, mine), points(theirs, seeds, of, its)


def _has(columns: Columns, records: list[Record], scoring: str | None) -> bool:
    return scoring is None or scoring in columns.scorings(records[0])


def _scored(scoring: str | None) -> dict[str, str]:
    return {} if scoring is None else {"scoring": scoring}


def _ran(took: str, records: list[Record]) -> str:
    """How long training took and on what."""
    seconds = [record.seconds for record in records if record.steps and record.seconds] or [0.0]
    cpu = [r.cpu_seconds for r in records if r.steps and r.cpu_seconds is not None]
    known = f", {min(cpu):.0f} to {max(cpu):.0f} s of the processor" if cpu else ""
    known += f" ({len(cpu)} of {len(seconds)} runs)" if 0 < len(cpu) < len(seconds) else ""
    machines = "; ".join(sorted({comparable.machine(record) for record in records}))
    return f"{took} took {min(seconds):.0f} to {max(seconds):.0f} s{known}. Hardware: {machines}."
