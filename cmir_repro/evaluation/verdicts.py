"""What an interval allows to say, and how sure a comparison of few runs can be.

Words like "above" come from here alone: they are said only where an interval excludes zero.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from cmir_repro.core.errors import InputError

ABOVE, BELOW, UNCLEAR = "above", "below", "no detectable difference from"
ONE_SEED = "1 seed: queries only"


class Interval(Protocol):
    """A difference with its interval: `intervals.Difference`, `Crossed`, a row of `against`."""

    difference: float
    low: float
    high: float


def verdict(found: Interval) -> str:
    """ABOVE or BELOW where the interval excludes zero, else UNCLEAR.

    The difference must be one of which more is better. Unless it says that it is of several seeds,
    the words say that it is of one: then the interval knows nothing of other trainings.

    Raises:
        InputError: a bound is not finite, or they are in the wrong order.
    """
    if not np.isfinite([found.low, found.high]).all() or found.low > found.high:
        raise InputError(f"[{found.low}, {found.high}] is no interval")
    words = ABOVE if found.low > 0 else BELOW if found.high < 0 else UNCLEAR
    return words if getattr(found, "seeds", 1) > 1 else f"({ONE_SEED}) {words}"


def sentence(method: str, reference: str, found: Interval, digits: int = 1) -> str:
    """ "A: above B (+2.3 [+0.4, +4.2], 3 seeds)"."""
    numbers = [f"{x:+.{digits}f}" for x in (found.difference, found.low, found.high)]
    seeds = getattr(found, "seeds", None)
    count = "" if seeds is None else f", {seeds} seed{'s' if seeds > 1 else ''}"
    difference, low, high = numbers
    return f"{method}: {verdict(found)} {reference} ({difference} [{low}, {high}]{count})"


def sentences(rows: Iterable) -> list[str]:
    """A `sentence` a row of `report.tables.against` (as its `itertuples` gives them)."""
    return [sentence(row.method, row.minus, row) for row in rows]


def probability_of_improvement(a: np.ndarray, b: np.ndarray) -> float:
    """How likely a run of one method beats a run of the other (Agarwal et al. 2021, sec. 4.3).

    The share of pairs of a run of each, ties counted by half, as in the Mann-Whitney statistic.

    Args:
        a, b: (S,) and (K,) float, the score of each run, higher is better.

    Returns:
        0 to 1; with 3 runs each in steps of 1/9, or 1/18 with ties.

    Raises:
        InputError: a side has no run.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not (a.ndim == b.ndim == 1 and len(a) and len(b)):
        raise InputError(
            f"scores must be (S,) and (K,) of at least one run, got {a.shape, b.shape}"
        )
    return float(((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean())


def seeds_needed(
    differences: np.ndarray, effect: float = 1.0, power: float = 0.8, level: float = 0.95
) -> int | None:
    """How many seeds would show an effect, by the paired t-test (Student's noncentral t).

    Args:
        differences: (S,) float, of each seed the difference of two methods. Their standard
            deviation is taken as if it were known; with 3 seeds it may easily be half or double.
        effect: to be seen, in the same unit.
        power: how often it should be.
        level: 1 - level is how often one is seen that is not there, two-sided.

    Returns:
        The smallest number, at least 2; None with one seed. It is for the queries at hand: more
        seeds say nothing of other queries.

    Raises:
        InputError: no values, or `effect`, `power` or `level` out of range.
    """
    differences = np.asarray(differences, np.float64)
    if differences.ndim != 1 or len(differences) == 0:
        raise InputError(f"differences must be (S,) of at least one seed, got {differences.shape}")
    if not (effect > 0 and 0 < power < 1 and 0 < level < 1):
        raise InputError(f"effect {effect}, power {power} or level {level} is out of range")
    if len(differences) == 1:
        return None
    standardised = effect / max(differences.std(ddof=1), 1e-9)
    high = 2
    while _power(high, standardised, level) < power:
        high *= 2
    low = high // 2 if high > 2 else 1
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle, standardised, level) < power:
            low = middle
        else:
            high = middle
    return high


def _power(n: int, standardised: float, level: float) -> float:
    """Of the t-test of n differences with a mean of so many standard deviations: how often it is
    seen, and on its own side.
    """
    from scipy.special import nctdtr, ndtr, stdtrit  # not scipy.stats, which takes long to import

    shift, t = standardised * n**0.5, stdtrit(n - 1, (1 + level) / 2)
    if shift > 30 + t:  # beyond what nctdtr computes; nothing is left to be missed
        return 1.0
    return float(ndtr(shift - t) if n > 1000 else 1 - nctdtr(n - 1, shift, t))
