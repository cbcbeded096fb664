"""Two methods compared: by seeds and queries together, and what more seeds would show.

Points of a method are a table of what each unit (query, image or pair) brings to a metric, (Q, S):
a row a unit by its id, a column a seed, float64.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.verdicts import (
    ONE_SEED,
    probability_of_improvement,
    seeds_needed,
    verdict,
)
from cmir_repro.report import markdown as md

HEAD = (
    "method",
    "is",
    "reference",
    "seeds",
    "difference [95 %]",
    "of these runs",
    "probability of improvement",
    "spread over seeds",
    "seeds to see 1 point",
)


class Compared(NamedTuple):
    """A method minus another, in points of a metric."""

    difference: float
    low: float  # over seeds and queries; with one seed over queries only
    high: float
    low_of_runs: float  # over queries only: of the runs at hand
    high_of_runs: float
    probability: float  # that a run is better than one of the other
    spread: float  # standard deviation over seeds; NaN with one
    needed: int | None  # seeds to see one point, at 5 % with power 0.8; None with one


def compared(ours: pd.DataFrame, theirs: pd.DataFrame, percent: float = 1.0) -> Compared:
    """Points of two methods over the same seeds and units.

    Args:
        percent: what a point is worth.

    Raises:
        InputError: other units, or other numbers of seeds.
    """
    ids = {"ids_a": ours.index.to_numpy(dtype=str), "ids_b": theirs.index.to_numpy(dtype=str)}
    means = [
        percent * (points.sum(axis=1) / points.shape[1]).to_numpy() for points in (ours, theirs)
    ]
    of_runs = intervals.paired_bootstrap(*means, generator=np.random.default_rng(0), **ids)
    ours, theirs = (percent * points.to_numpy().T for points in (ours, theirs))  # (S, Q)
    both = of_runs
    if len(ours) > 1:
        both = intervals.paired_over_seeds_and_queries(ours, theirs, **ids)
    a, b = ours.mean(axis=1), theirs.mean(axis=1)
    return Compared(
        of_runs.difference,
        both.low,
        both.high,
        of_runs.low,
        of_runs.high,
        probability_of_improvement(a, b),
        float((a - b).std(ddof=1)) if len(a) > 1 else np.nan,
        seeds_needed(a - b),
    )


def over_methods(
    pairs: Iterable[tuple[pd.DataFrame, pd.DataFrame]], percent: float = 1.0
) -> intervals.Crossed:
    """Mean difference over many pairs of methods, for other pairs, seeds and queries."""
    tables = [percent * (ours - theirs).to_numpy().T for ours, theirs in pairs]
    return intervals.over_methods_and_queries(tables)


def markdown(
    gains: pd.DataFrame, over: intervals.Crossed | None = None, what: str = ""
) -> list[str]:
    """The lines of a table of differences.

    Args:
        gains: from `tables.against`.
        over: their mean over methods, if that is of interest; then a last row.
        what: the methods over which that mean is, say "fusions".
    """
    rows = [_row(row) for row in gains.itertuples()]
    if over is not None:
        probability = f"{gains['probability'].mean():.2f}"
        name = f"*mean of {over.seeds} {what}*"
        cells = [name, verdict(over), "*their references*", "", md.interval(over)]
        rows.append([*cells, "", probability, "", ""])
    return md.table(HEAD, rows) if rows else []


def _row(row) -> list[str]:
    known = row.seeds > 1
    return [
        row.method,
        verdict(row),
        row.minus,
        str(row.seeds),
        md.interval(row) if known else ONE_SEED,
        f"{row.difference:+.1f} [{row.low_of_runs:+.1f}, {row.high_of_runs:+.1f}]",
        f"{row.probability:.2f}",
        f"{row.spread:.1f}" if known else "–",
        f"{row.needed:,.0f}" if known else "–",
    ]
