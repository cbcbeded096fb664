"""What a search of settings found: validation figures of its candidates, best first.

See experiments.search. Nothing here was measured on test data.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cmir_repro.core.errors import one_of
from cmir_repro.experiments import identity, ledger
from cmir_repro.experiments.presets.base import candidates
from cmir_repro.experiments.search import FIGURE, validation
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.report import markdown as md
from cmir_repro.report.columns import COLUMNS
from cmir_repro.report.columns.base import Columns

# What the figure that chooses is the mean of.
FIGURES = {
    "dim": "mean of R@1, R@5 and R@10",
    "aai": "mean of the six recalls by ITC",
    "crcgs": "mean of MAP@all in both directions, by cosine",
}
SEEDS = (0, 1, 2)
FEWEST = 8  # runs that a correlation is taken over


def table(
    system: str = "dim", dataset: str = "css", task: str = "auto", scale: str = "full"
) -> pd.DataFrame:
    """The candidates of a system that were tried, by their validation figure, best first.

    Returns:
        Columns setting; seeds, those that were tried; best, the figure of FIGURES at the best
        step, in percent, mean over seeds; step, that step, mean over seeds; last, the figure at the
        last step; difference, of best from the first candidate, the setting of the tables, over the
        seeds that both have; R@1 at the best step, of composed retrieval; hours, of the processor
        for one run, where records know them. No rows where nothing was tried.

    Raises:
        InputError: an unknown system, or a damaged record.
    """
    one_of("system", system, SYSTEMS)
    tried = _found(system, dataset, task, scale)
    first = next(iter(SYSTEMS[system].presets.SEARCH))
    rows = [_row(name, by_seed, tried[first]) for name, by_seed in tried.items() if by_seed]
    columns = ["setting", "seeds", "best", "step", "last", "difference", "R@1", "hours"]
    found = pd.DataFrame(rows, columns=columns)
    gone = [name for name in ("R@1", "hours") if found[name].isna().all()]
    found = found.drop(columns=gone)
    return found.sort_values("best", ascending=False, kind="stable", ignore_index=True)


def untried(
    system: str = "dim", dataset: str = "css", task: str = "auto", scale: str = "full"
) -> list[str]:
    """The candidates that no seed was tried of, most promising first."""
    return [name for name, by_seed in _found(system, dataset, task, scale).items() if not by_seed]


def curves(
    names: Sequence[str],
    figure: str,
    system: str = "dim",
    dataset: str = "css",
    task: str = "auto",
    scale: str = "full",
) -> pd.DataFrame:
    """The validation figures of candidates in the course of their training.

    Args:
        names: candidates, in the order of the rows; those that were not tried are left out.
        figure: which one, as its log has it: "R@1".

    Returns:
        Columns setting, seed, step, value in percent: a row for each validation.
    """
    parts = []
    for name in names:
        for seed, record in _held(name, system, dataset, task, scale).items():
            rows = ledger.log(record.run, record.origin).dropna(subset=[FIGURE])
            part = rows[["step", f"val {figure}"]].set_axis(["step", "value"], axis=1)
            parts.append(part.assign(setting=name, seed=seed))
    columns = ["setting", "seed", "step", "value"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def markdown(system: str, dataset: str, scale: str, task: str) -> str:
    """`table` as a page has it, with what the figure is and what was not tried."""
    found, left = table(system, dataset, task, scale), untried(system, dataset, task, scale)
    if found.empty:
        return f"Nothing was tried yet; type: cmir grid {system} --search --scale {scale}"
    first = next(iter(SYSTEMS[system].presets.SEARCH))
    head = ["setting", "seeds", "best", "at step", "at the end", f"minus {first}"]
    rows = [
        [
            row["setting"], row["seeds"], f"{row['best']:.2f}", f"{row['step']:.0f}",
            f"{row['last']:.2f}", "" if pd.isna(row["difference"]) else f"{row['difference']:+.2f}",
        ]
        for _, row in found.iterrows()
    ]  # fmt: skip
    for column, title, shape in (("R@1", "R@1", "{:.2f}"), ("hours", "hours of a core", "{:.2f}")):
        if column in found:
            head.append(title)
            for row, value in zip(rows, found[column], strict=True):
                row.append("" if pd.isna(value) else shape.format(value))
    told = f"Best, at the end: {FIGURES[system]}, on validation data, in percent; means over seeds."
    rest = f" Not tried yet: {'; '.join(left)}." if left else ""
    return "\n".join([*md.table(head, rows), "", told + rest])


def predicts(system: str, dataset: str, scale: str, task: str) -> str:
    """Whether validation orders runs as test does: all of the tables, and those of a search.

    Of a search those runs count that are methods of the tables or the ablation, which are scored on
    test whatever validation says.
    """
    from scipy.stats import spearmanr  # half a second

    columns, tried = COLUMNS[system], SYSTEMS[system].presets.SEARCH
    said = []
    for what, methods in (("of the tables", columns.methods), ("that a search tries", tried)):
        by_method = columns.records(dataset, scale, task, list(methods))
        scored = [
            (record.validation["val selection"], _headline(columns, record))
            for records in by_method.values()
            for record in records
            if "val selection" in record.validation
        ]
        pairs = [pair for pair in scored if pair[1] is not None]
        if len(pairs) < FEWEST:
            said.append(f"{len(pairs)} runs {what} say nothing yet")
        else:
            rho = spearmanr(*zip(*pairs, strict=True)).statistic
            said.append(f"{rho:.2f} over {len(pairs)} runs {what}")
    return (
        f"`{scale}`, {columns.metric} on test against the validation figure, rank correlation "
        f"(Spearman): {'; '.join(said)}."
    )


def _headline(columns: Columns, record: ledger.Record) -> float | None:
    """What methods are compared by; None of one that is not scored so, as codes by cosine."""
    scoring = columns.best([record])
    if scoring is not None and scoring not in columns.scorings(record):
        return None
    return columns.metrics(record, scoring)[columns.metric]["value"]


def _found(system: str, dataset: str, task: str, scale: str) -> dict[str, dict[int, dict]]:
    """Candidate -> seed -> its validation, and "hours"."""
    out: dict[str, dict[int, dict]] = {}
    for name in candidates(SYSTEMS[system].presets, dataset, task, scale):
        out[name] = {}
        for seed, record in _held(name, system, dataset, task, scale).items():
            cpu = np.nan if record.cpu_seconds is None else record.cpu_seconds / 3600
            rows = ledger.log(record.run, record.origin).to_dict("records")
            out[name][seed] = {**validation(rows), "hours": cpu}
    return out


def _held(name: str, system: str, dataset: str, task: str, scale: str) -> dict[int, ledger.Record]:
    """Seed -> the record of a candidate, of a search or of the tables."""
    found = {}
    for seed in SEEDS:
        config = SYSTEMS[system].presets.configure(dataset, task, scale, name, seed)
        record = identity.held(config.model_copy(update={"search": True}))
        if record is not None:
            found[seed] = record
    return found


def _row(name: str, by_seed: dict[int, dict], first: dict[int, dict]) -> dict:
    def mean(which: str, key: str) -> float:
        values = [found[which][key] for found in by_seed.values() if key in found[which]]
        return float(np.mean(values)) if values else np.nan

    both = [seed for seed in by_seed if seed in first and by_seed is not first]
    best = {seed: found["best"]["selection"] for seed, found in by_seed.items()}
    differences = [best[seed] - first[seed]["best"]["selection"] for seed in both]
    return {
        "setting": name,
        "seeds": ", ".join(map(str, sorted(by_seed))),
        "best": mean("best", "selection"),
        "step": mean("best", "step"),
        "last": mean("last", "selection"),
        "difference": float(np.mean(differences)) if differences else np.nan,
        "R@1": mean("best", "R@1"),
        "hours": _known([found["hours"] for found in by_seed.values()]),
    }


def _known(values: list[float]) -> float:
    values = [value for value in values if not np.isnan(value)]
    return float(np.mean(values)) if values else np.nan
