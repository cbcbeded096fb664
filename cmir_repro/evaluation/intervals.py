"""How sure a number is: over the queries of one run, between two runs, over a few seeds."""

import math
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError, one_of


def bootstrap(
    values: np.ndarray,
    statistic: str = "mean",
    *,
    generator: np.random.Generator,
    n: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a statistic over queries, by resampling queries (Efron 1979).

    Args:
        values: (Q,) number, one per query: a rank, a hit (0 or 1), an average precision.
        statistic: "mean" or "median".
        generator: source of the resamples; the same state gives the same interval.
        n: number of resamples.
        level: share of resamples inside the interval.

    Returns:
        (low, high), in the units of `values`. It says how the number would move with other
        queries, not with another training seed: `over_seeds` does.

    Raises:
        InputError: `values` is empty, not (Q,) or not finite; bad `statistic`, `n` or `level`.
    """
    one_of("statistic", statistic, STATISTICS)
    values = _checked(values)
    _check_n(n)
    return _percentiles(STATISTICS[statistic](values, generator, n), level)


class Difference(NamedTuple):
    """A paired comparison of two runs."""

    difference: float  # statistic of a minus that of b
    low: float
    high: float
    p: float


def paired_bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    *,
    generator: np.random.Generator,
    n: int = 2000,
    level: float = 0.95,
    ids_a: np.ndarray | None = None,
    ids_b: np.ndarray | None = None,
) -> Difference:
    """Mean difference of two runs over the same queries, which are resampled together.

    Args:
        a, b: (Q,) number each, row i of both belongs to the same query.
        ids_a, ids_b: (Q,) query ids of each run; give them wherever there are any, they are the
            only proof that rows belong together.
        generator, n, level: as in `bootstrap`.

    Returns:
        The difference mean(a) - mean(b), its percentile interval, and the two-sided p: twice the
        smaller share of resampled differences that are <= 0 or >= 0, each share counted as
        (hits + 1) / (n + 1) so that p is never 0, and at most 1. It is below 1 - level about
        when the interval leaves out 0.

    Raises:
        InputError: lengths or ids differ, only one side has ids, or as in `bootstrap`.
    """
    a, b = _checked(a), _checked(b)
    if len(a) != len(b):
        raise InputError(f"runs to compare have {len(a)} and {len(b)} queries; score the same ones")
    _same_queries(ids_a, ids_b, len(a))
    _check_n(n)
    draws = _means(a - b, generator, n)
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    low, high = _percentiles(draws, level)
    return Difference(float((a - b).mean()), low, high, float(min(1, 2 * (tail + 1) / (n + 1))))


class OverSeeds(NamedTuple):
    """A mean over training runs; with one run nothing is known of its spread."""

    mean: float
    low: float | None
    high: float | None
    n: int


def over_seeds(values: np.ndarray, level: float = 0.95) -> OverSeeds:
    """Mean over runs that differ in the seed, with Student's t-interval of that mean.

    Args:
        values: (S,) number, one result per seed.

    Raises:
        InputError: `values` is empty, not (S,) or not finite; bad `level`.
    """
    # Not scipy.stats: it takes longer to import than everything else here together.
    from scipy.special import stdtrit

    values = _checked(values)
    _check_level(level)
    mean, n = float(values.mean()), len(values)
    if n == 1:
        return OverSeeds(mean, None, None, n)
    half = stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(n)
    return OverSeeds(mean, float(mean - half), float(mean + half), n)


def _means(values: np.ndarray, generator: np.random.Generator, n: int) -> np.ndarray:
    """Means of n resamples, (n,)."""
    Q = len(values)
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) * 8 <= Q:
        # A hit has two values: drawing how often each comes up has the same law, and is faster.
        draws = (generator.multinomial(Q, counts / Q) @ unique / Q for _ in range(n))
    else:
        draws = (values[generator.integers(Q, size=Q)].mean() for _ in range(n))
    return np.fromiter(draws, np.float64, n)


def _medians(values: np.ndarray, generator: np.random.Generator, n: int) -> np.ndarray:
    """Medians of n resamples, (n,), without drawing the resamples.

    A resample of sorted values is floor(Q u) of Q uniform u, sorted as the u are; and the j-th
    smallest of Q uniform numbers follows Beta(j, Q + 1 - j).
    """
    Q, ordered = len(values), np.sort(values)
    j = (Q + 1) // 2
    lower = upper = generator.beta(j, Q + 1 - j, size=n)
    if Q % 2 == 0:  # the next one is the smallest of the Q - j that are left above
        upper = lower + (1 - lower) * generator.beta(1, Q - j, size=n)
    rows = [np.minimum((Q * u).astype(np.int64), Q - 1) for u in (lower, upper)]
    return (ordered[rows[0]] + ordered[rows[1]]) / 2


STATISTICS = {"mean": _means, "median": _medians}


def _percentiles(draws: np.ndarray, level: float) -> tuple[float, float]:
    _check_level(level)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_n(n: int) -> None:
    if n < 1:
        raise InputError(f"a bootstrap needs at least one resample, got {n}")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}")


def _checked(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"values must be (Q,) with at least one query, got {values.shape}")
    if not np.isfinite(values).all():
        raise InputError(f"value {np.flatnonzero(~np.isfinite(values))[0]} is not finite")
    return values


def _same_queries(ids_a: np.ndarray | None, ids_b: np.ndarray | None, Q: int) -> None:
    if ids_a is None and ids_b is None:
        return
    if ids_a is None or ids_b is None:
        raise InputError("give the query ids of both runs or of neither")
    for ids in (ids_a, ids_b):
        if len(ids) != Q:
            raise InputError(f"{len(ids)} query ids for {Q} values")
    for row, (a, b) in enumerate(zip(ids_a, ids_b, strict=True)):
        if a != b:
            raise InputError(f"row {row} is query {a!r} in one run and {b!r} in the other")
