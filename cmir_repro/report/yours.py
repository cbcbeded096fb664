"""A user's tables: what the user ran and scored, in the tables of the committed runs.

One table a setting of which the user has records: the committed methods, then the user's own runs
and recorded features, marked "(yours)"; below it whether the user's repetitions of committed
methods agree with them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.files import write_text
from cmir_repro.core.protocol import only_protocol
from cmir_repro.evaluation import intervals
from cmir_repro.experiments import ledger, own, same_data
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.report import comparable
from cmir_repro.report.agreement import agreement
from cmir_repro.report.columns import COLUMNS

METRICS = {
    "dim": ("R@1", "R@5", "R@10"),
    "aai": ("i2t R@1", "t2i R@1", "RSUM"),
    "crcgs": ("i2t MAP@all", "t2i MAP@all"),
}
MARK = " (yours)"
OTHER_DATA = " (yours, on other data than the committed)"  # that have the same name


def settings() -> list[tuple[str, str, str, str]]:
    """System, data set, scale and task of every setting in the user's ledger, sorted."""
    records = ledger.records(ledger.OWN)
    return sorted({(r.system, r.dataset, r.scale, r.task) for r in records})


def table(system: str, dataset: str, scale: str, task: str) -> pd.DataFrame:
    """Committed methods and the user's rows of a setting.

    Returns:
        Columns method, seeds and the system's METRICS, each "mean [low, high]": the mean over
        seeds with its t-interval, without one where there is one seed. The user's rows come last.

    Raises:
        InputError: records that do not compare: another protocol, or other versions.
    """
    rows = _rows(system, dataset, scale, task)
    lines = [
        {"method": name, "seeds": len(records), **_cells(records, METRICS[system])}
        for name, records in rows.items()
    ]
    return pd.DataFrame(lines, columns=["method", "seeds", *METRICS[system]])


def means(system: str, dataset: str, scale: str, task: str) -> pd.DataFrame:
    """The numbers of `table`, one row a method and metric, as plots take them.

    Returns:
        Columns method, metric, mean, low, high (None with one seed) and seeds.

    Raises:
        InputError: as in `table`.
    """
    lines = []
    for name, records in _rows(system, dataset, scale, task).items():
        for metric in METRICS[system]:
            if any(metric in r.result["metrics"] for r in records):
                mean = _mean(records, metric)
                line = {"method": name, "metric": metric, "mean": mean.mean, "low": mean.low}
                lines.append(line | {"high": mean.high, "seeds": mean.n})
    return pd.DataFrame(lines, columns=["method", "metric", "mean", "low", "high", "seeds"])


def write() -> Path:
    """Write all tables of the user's ledger into the user's workspace; gives the file.

    Raises:
        InputError: unusable records, or a folder that cannot be written.
    """
    path = paths.tables() / "tables.md"
    write_text(path, "\n\n".join(["# Your runs", *_sections()]) + "\n")
    return path


def _sections() -> Iterator[str]:
    found = settings()
    if not found:
        yield "Your ledger is empty; a notebook, `cmir run`, `cmir grid` or `cmir record` fills it."
    for setting in found:
        system, dataset, scale, task = setting
        yield f"## {system}: {dataset}, {task}, scale {scale}"
        yield table(*setting).to_markdown(index=False, disable_numparse=True)
        same = agreement(*setting)
        if len(same):
            yield "Do your repetitions agree with the committed runs, within what seeds differ by?"
            yield same.round(1).to_markdown(index=False)


def _rows(system: str, dataset: str, scale: str, task: str) -> dict[str, list[ledger.Record]]:
    """Records of each row that may stand in one table, the committed methods first."""
    mine, known = _own(system, dataset, scale, task), same_data.published(dataset, scale)

    def mark(found: list[ledger.Record]) -> str:
        return OTHER_DATA if known and {r.data["tables"] for r in found} - known else MARK

    rows = {
        **_committed(system, dataset, scale, task),
        **{f"{name}{mark(found)}": found for name, found in mine.items()},
    }
    every = [record for records in rows.values() for record in records]
    if every:
        only_protocol(map(COLUMNS[system].protocol, every))
        comparable.check_versions(every)
    return rows


def _committed(system: str, dataset: str, scale: str, task: str) -> dict[str, list[ledger.Record]]:
    presets = SYSTEMS[system].presets
    ours = [name for name in presets.known() if name not in own.registered(system)]
    return COLUMNS[system].records(dataset, scale, task, ours, ledger.COMMITTED)


def _own(system: str, dataset: str, scale: str, task: str) -> dict[str, list[ledger.Record]]:
    """The user's own methods and features, then repetitions of the methods of the tables."""
    mine = own.rows(system, dataset, scale, task)
    presets = SYSTEMS[system].presets
    ours = [name for name in presets.known() if name not in own.registered(system)]
    changed = _changed(system, dataset, scale, task)
    return mine | changed | COLUMNS[system].records(dataset, scale, task, ours, ledger.OWN)


def _changed(system: str, dataset: str, scale: str, task: str) -> dict[str, list[ledger.Record]]:
    """The user's runs that are no method of the tables as it is: "TIRG, train.steps=4" -> records.

    Those that `own.rows` has are left out.
    """
    presets, found = SYSTEMS[system].presets, {}
    where = {"dataset": dataset, "scale": scale, "task": task, "system": system}
    for record in ledger.records(ledger.OWN, ("run",), **where):
        if record.method in own.registered(system) or record.config.get("features"):
            continue
        name = record.method
        if name in presets.known():
            config = presets.configure(dataset, task, scale, name, record.seed)
            if comparable.as_configured(record, config):
                continue
            usual = _flat(config.model_dump(mode="json"))
            settings = _flat(record.config).items()
            told = [f"{key}={value}" for key, value in settings if usual.get(key) != value]
            name = ", ".join([name, *told])
        found.setdefault(name, []).append(record)
    return found


def _flat(settings: dict) -> dict[str, object]:
    """Settings by the names that `cmir run -s` gives them: {"train": {"steps": 4}} and so on."""
    flat = {}
    for key, value in settings.items():
        inner = _flat(value) if isinstance(value, dict) else {"": value}
        flat |= {f"{key}.{name}".rstrip("."): one for name, one in inner.items()}
    return flat


def _cells(records: list[ledger.Record], metrics: tuple[str, ...]) -> dict[str, str]:
    cells = {}
    for name in metrics:
        if not any(name in r.result["metrics"] for r in records):  # a baseline of codes only
            cells[name] = "–"
            continue
        mean = _mean(records, name)
        between = "" if mean.low is None else f" [{mean.low:.1f}, {mean.high:.1f}]"
        cells[name] = f"{mean.mean:.1f}{between}"
    return cells


def _mean(records: list[ledger.Record], metric: str) -> intervals.OverSeeds:
    """Over the records that have the metric, with the t-interval."""
    found = [r.result["metrics"][metric] for r in records if metric in r.result["metrics"]]
    return intervals.over_seeds(np.array([one["value"] for one in found]))
