"""What the page shows of the ledger: runs, how each query did, learning curves."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.evaluation import intervals
from cmir_repro.experiments import ledger
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.report import tables, words
from cmir_repro.report.columns import COLUMNS

# Our choice: the numbers that a page may hold, and of one set of queries.
NUMBERS, QUERIES = 800_000, 1000
POINTS = 60  # of a learning curve
KEY = ["direction", "query"]


def records() -> tuple[list[Record], list[str]]:
    """The records of both ledgers, and a sentence for each that cannot be read.

    A damaged record is left out and named, for one bad file must not cost the page.
    """
    found: dict[str, Record] = {}
    lost = []
    for origin, root in ledger.roots().items():
        for path in sorted((root / "records").glob("*.json")):
            if path.stem in found:
                continue
            try:
                record = ledger.read_record(path, origin)
                one_of(f"{path.name}: system", record.system, COLUMNS)
            except InputError as error:
                lost.append(f"A record is left out: {error}.")
                continue
            if record.kind != "search":  # holds no test figure
                found[path.stem] = record
    ordered = sorted(found.values(), key=_place)
    return ordered, lost


def row(record: Record) -> dict:
    """A run as a row of the table: names, the metric of its system with its interval, facts."""
    columns = COLUMNS[record.system]
    scoring = scoring_of(record)
    metric = columns.metrics(record, scoring)[columns.metric]
    low, high = metric.get("low"), metric.get("high")
    if low is None:
        low, high = _interval(record, scoring)
    return {
        "run": record.run,
        "system": words.SYSTEMS[record.system],
        "dataset": words.spelt(record.dataset),
        "scale": record.scale,
        "task": words.spelt(record.task),
        "method": record.method,
        "seed": record.seed,
        "metric": columns.metric,
        "by": columns.names.get(scoring, scoring or "cosine"),
        "value": round(metric["value"], 2),
        "low": None if low is None else round(low, 2),
        "high": None if high is None else round(high, 2),
        "ledger": "committed" if record.origin == ledger.COMMITTED else "yours",
        "command": record.command,
        "finished": record.finished,
        "seconds": None if record.seconds is None else round(record.seconds),
        "selection": record.selection,
        "commit": record.code.get("commit", "unknown")[:10],
        "protocol": record.result["protocol"].get("name", ""),
    }


def scoring_of(record: Record) -> str | None:
    """The scoring that a run is compared by; the longest code where it has codes only."""
    columns = COLUMNS[record.system]
    best, there = columns.best([record]), columns.scorings(record)
    return best if best is None or best in there else there[-1]


def queries(record: Record) -> pd.DataFrame:
    """How each test query of a run did.

    Returns:
        Columns direction ("" of composed retrieval), query, and last the value: the rank of the
        first right answer, or the average precision in percent.

    Raises:
        InputError: they are missing or damaged.
    """
    table = ledger.queries(record.run, record.origin)
    if "scoring" in table:
        table = table[table["scoring"] == scoring_of(record)]
    if "depth" in table:
        table = table[table["depth"] == "all"]
    if "direction" not in table:
        table = table.assign(direction="")
    if "query" not in table:
        raise InputError(f"queries/{record.run}.parquet has no column query")
    value = "ap" if "ap" in table else "rank"
    if value not in table:
        raise InputError(f"queries/{record.run}.parquet has neither rank nor ap")
    return table[[*KEY, value]].reset_index(drop=True)


def asked_sets(
    found: Iterable[Record],
) -> tuple[list[dict], dict[str, tuple[int, list]], list[str]]:
    """The sets of queries that runs share, and each run's values on one of them.

    Returns:
        The sets, dicts of name, system, dataset, scale, task, value ("rank" or "ap"), total, keys
        (direction, query), of which at most QUERIES at even distances are kept; run -> (set,
        values, None for none); sentences of what was left out.
    """
    found = list(found)
    most = max(1, min(QUERIES, NUMBERS // max(len(found), 1)))
    sets: list[dict] = []
    place: dict[tuple, list[tuple[pd.DataFrame, int]]] = {}  # keys of the sets of a setting
    values, lost = {}, []
    for record in found:
        try:
            table = queries(record)
        except InputError as error:
            lost.append(f"The queries of a run are left out: {error}.")
            continue
        keys = table[KEY]
        alike = place.setdefault((*_setting(record), record.data["tables"]), [])
        at = next((at for known, at in alike if keys.equals(known)), None)
        rows = np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).astype(int))
        if at is None:
            at = len(sets)
            alike.append((keys, at))
            kept = keys.iloc[rows].to_numpy().tolist()
            sets.append(_set(record, table.columns[-1], kept, len(table)))
        kept = table.iloc[rows, -1].to_numpy(np.float64)
        values[record.run] = at, [_number(x) for x in kept]
    return sets, values, lost


def curves(record: Record) -> dict[str, list]:
    """Loss and validation figure of a run by step, at most POINTS of each; {} without a log.

    Raises:
        InputError: the log is missing or damaged.
    """
    log = ledger.log(record.run, record.origin)
    key = f"val {SYSTEMS[record.system].experiment.curve[0]}"
    out = {"named": key.removeprefix("val ")}
    for name, column in (("loss", "loss"), ("validation", key)):
        if column in log:
            part = log[log[column].notna()]
            part = part.iloc[np.unique(np.linspace(0, len(part) - 1, POINTS).astype(int))]
            out[name] = [part["step"].astype(int).tolist(), part[column].round(4).tolist()]
    return out if len(out) > 1 else {}


def _place(record: Record) -> tuple:
    """In the order of the systems; of composed retrieval "3d-3d" before "2d-3d", as in tables."""
    presets = SYSTEMS[record.system].presets
    tasks = list(getattr(presets, "TASKS", {}).get(record.dataset, ()))
    task = tasks.index(record.task) if record.task in tasks else len(tasks)
    names = list(presets.known())
    method = names.index(record.method) if record.method in names else len(names)
    system, dataset, scale, _ = _setting(record)
    at = list(words.SYSTEMS).index(system), dataset, scale, task
    return *at, method, record.method, record.seed, record.run


def _setting(record: Record) -> tuple[str, str, str, str]:
    return record.system, record.dataset, record.scale, record.task


def _set(record: Record, value: str, keys: list[list[str]], total: int) -> dict:
    system, dataset, scale, task = _setting(record)
    name = f"{words.SYSTEMS[system]}: {words.setting(dataset, scale, task)}"
    return {
        "name": name, "system": system, "dataset": dataset, "scale": scale, "task": task,
        "tables": record.data["tables"], "value": value, "total": total, "keys": keys,
    }  # fmt: skip


def _number(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else round(float(value), 1)


def _interval(record: Record, scoring: str | None) -> tuple[float | None, float | None]:
    """Over the queries, where the record holds none of the metric; None where queries lack."""
    columns = COLUMNS[record.system]
    try:
        points = tables.points([record], {record.seed}, columns.metric, scoring)
    except InputError:
        return None, None
    values = columns.percent * points.to_numpy().T
    found = intervals.over_seeds_and_queries(values, generator=np.random.default_rng(0))
    return found.low, found.high
