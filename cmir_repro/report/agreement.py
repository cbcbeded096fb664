"""A user's numbers beside the committed ones, and whether they agree.

Two runs of one method differ by their seed, and by the rounding of another processor. Whether a
user's mean agrees with the committed one is asked of the seeds' spread: it should lie where the
mean of as many new seeds is expected with 95 % (Student's t prediction interval; our choice).
"""

import math

import numpy as np
import pandas as pd

from cmir_repro.core.errors import one_of
from cmir_repro.experiments import ledger

# What a system's runs are compared by: the mean of these metrics.
COMPARED_BY = {
    "dim": ("R@1",),
    "aai": ("RSUM",),
    "crcgs": ("i2t MAP@all", "t2i MAP@all"),
}
AGREES, DIFFERS, UNKNOWN = "agrees", "differs by more than the seeds do", "cannot be judged"
COLUMNS = [
    "method",
    "metric",
    "yours",
    "your seeds",
    "committed",
    "low",
    "high",
    "seeds",
    "verdict",
]


def agreement(system: str, dataset: str, scale: str, task: str) -> pd.DataFrame:
    """The user's runs of a setting that the committed ledger holds too, at the same settings.

    Returns:
        One row a method, columns COLUMNS: means over seeds in the metric's unit; low and high
        bound where the mean of as many new seeds is expected (NaN with one committed seed, which
        cannot be judged). No rows where the two ledgers share no method.

    Raises:
        InputError: unknown system, or damaged records.
    """
    one_of("system", system, COMPARED_BY)
    wanted = {"system": system, "dataset": dataset, "scale": scale, "task": task}
    own = _by_settings(ledger.records(ledger.OWN, **wanted))
    committed = _by_settings(ledger.records(ledger.COMMITTED, **wanted))
    rows = [
        _row(method, COMPARED_BY[system], records, committed[method, settings])
        for (method, settings), records in own.items()
        if (method, settings) in committed
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_settings(records: list[ledger.Record]) -> dict[tuple[str, str], list[ledger.Record]]:
    """Records of one configuration but for the seed: (method, digest of the rest) -> records."""
    found: dict[tuple[str, str], list[ledger.Record]] = {}
    for record in records:
        if record.kind == "run":
            train = {key: x for key, x in record.config["train"].items() if key != "seed"}
            settings = ledger.digest({**record.config, "train": train})
            found.setdefault((record.method, settings), []).append(record)
    return found


def _row(method: str, metrics: tuple[str, ...], own: list, committed: list) -> dict:
    yours, theirs = (np.array([_value(r, metrics) for r in side]) for side in (own, committed))
    low, high = _expected(theirs, len(yours))
    mean = float(yours.mean())
    verdict = UNKNOWN if math.isnan(low) else AGREES if low <= mean <= high else DIFFERS
    shown = metrics[0] if len(metrics) == 1 else f"mean of {' and '.join(metrics)}"
    values = method, shown, mean, len(yours), float(theirs.mean()), low, high, len(theirs), verdict
    return dict(zip(COLUMNS, values, strict=True))


def _value(record: ledger.Record, metrics: tuple[str, ...]) -> float:
    """The mean of some metrics of a record."""
    return float(np.mean([record.result["metrics"][name]["value"] for name in metrics]))


def _expected(values: np.ndarray, new: int, level: float = 0.95) -> tuple[float, float]:
    """Where the mean of `new` further seeds is expected, given those of (S,) seeds."""
    from scipy.special import stdtrit  # not scipy.stats, which takes long to import

    n = len(values)
    if n < 2:
        return math.nan, math.nan
    spread = values.std(ddof=1) * math.sqrt(1 / n + 1 / new)
    half = stdtrit(n - 1, (1 + level) / 2) * spread
    return float(values.mean() - half), float(values.mean() + half)
