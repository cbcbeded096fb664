"""How far apart two modalities lie in a joint space: deterministic numbers for the modality gap.

Every function takes arrays of features (N, D) and knows nothing of the model they come from. Rows
are scaled to length one first, because retrieval compares directions. Row i of two sets may be a
pair (a picture and its sentence, a fused query and its target); where a function needs pairs, it
says so.

No single number is "the gap". `centroid_distance` and `mmd` say how far apart the clouds lie,
`probe_accuracy` whether the modality can still be read off a feature, `alignment` how close the
pairs lie, `relative_gap` how close by the measure of the sets, `uniformity` how well the sphere is
used, `info_nce_bound` how much a pair shares. Two sets can lose their gap by collapsing onto one
point: read `uniformity` beside the others. Clouds that coincide do not mean that the right pairs
do: read `alignment` and `info_nce_bound` too.

Letters: N, M rows, D dimensions, B rows of a batch.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.recall import unit_rows

BATCH = 128  # pairs that a bound compares
FOLDS = 5  # of the probe's cross-validation

# Decimals worth reading: about what a different order of summation leaves unchanged.
DECIMALS = {
    "centroid_distance": 3,
    "mmd2": 3,
    "probe_accuracy": 1,
    "alignment": 3,
    "uniformity_a": 3,
    "uniformity_b": 3,
    "info_nce": 2,
    "info_nce_ceiling": 2,
    "relative_gap": 3,
}


def unit(features: np.ndarray, name: str = "features") -> np.ndarray:
    """A set of features with rows scaled to length one: (N, D) float64, N at least 2.

    Args:
        name: what error messages call the set.

    Raises:
        InputError: fewer than two rows, or as `recall.unit_rows`.
    """
    rows = unit_rows(features, name, np.float64)
    if len(rows) < 2:
        raise InputError(f"{name}: needs at least 2 rows, has {len(rows)}")
    return rows


def centroid_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between the means of two sets, the length of Liang et al. 2022's gap.

    0 where the means coincide, at most 2. It sees a shift and nothing else: two clouds of
    different shape around one mean have distance 0. Two samples of N rows of one distribution
    still differ by up to about sqrt(2 / N). Pairs are not needed.

    Args:
        a: (N, D) features.
        b: (M, D) features.

    Raises:
        InputError: see `unit`, or the sets differ in D.
    """
    a, b = _two(a, b)
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def mmd(
    a: np.ndarray,
    b: np.ndarray,
    bandwidth: float | None = None,
    rows: int = 2000,
    generator: np.random.Generator | None = None,
) -> float:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, eq. 3), RBF kernel.

    k(x, y) = exp(-|x - y|^2 / (2 s^2)). About 0 where both sets follow one distribution, whatever
    its shape; below 2 always. Being unbiased it dips under 0 by chance, by the order of 1 / N, and
    most where the rows are pairs that coincide. s is relative to the features at hand, so values
    compare sets within a model better than models with each other. Pairs are not needed.

    Args:
        a: (N, D) features.
        b: (M, D) features.
        bandwidth: s. Default: the median distance over all pairs of distinct rows of the union
            (the median heuristic, Gretton et al. 2012).
        rows: a set with more rows is thinned to this many, drawn without replacement; time and
            memory grow with the square. Our choice.
        generator: draws those rows; required only where a set is thinned.

    Raises:
        InputError: see `unit`; the sets differ in D; a set must be thinned without a
            generator; the features have collapsed so that the median distance is 0.
    """
    a, b = _two(a, b)
    a, b = _thin(a, rows, generator, "a"), _thin(b, rows, generator, "b")
    n = len(a)
    union = np.concatenate([a, b])
    squared = _squared_distances(union, union)  # (N+M, N+M)
    if bandwidth is None:
        bandwidth = math.sqrt(np.median(squared[np.triu_indices(len(union), k=1)]))
    if not bandwidth > 0:
        raise InputError(
            "the bandwidth must be above 0; the median distance is 0 where features have "
            "collapsed onto one point"
        )
    kernel = np.exp(-squared / (2 * bandwidth**2))
    within_a, within_b = _off_diagonal_mean(kernel[:n, :n]), _off_diagonal_mean(kernel[n:, n:])
    return float(within_a + within_b - 2 * kernel[:n, n:].mean())


def probe_accuracy(
    a: np.ndarray,
    b: np.ndarray,
    folds: int = FOLDS,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> float:
    """Percent of held-out rows whose set a linear probe names correctly.

    50 is chance: the modality cannot be read off linearly; 100: a plane parts the sets. Chance
    itself scatters by about 50 / sqrt(2 N) points. The probe sees any linear trace, however
    small, so 100 may stand beside a tiny `centroid_distance`.

    The probe is an L2-regularised logistic regression (scikit-learn, C = 1). Features are centred
    and divided by one number, both from the training folds, so that the penalty weighs the same in
    every model and a rotation changes nothing. Our choice.

    Row i of both sets always lies in the same fold: were a picture trained on while its sentence
    is tested, close pairs would push the accuracy under chance. An accuracy well under 50 is the
    mark of close rows in different folds (rows in different orders, repeated captions: use
    `groups`), not of a smaller gap.

    Args:
        a: (N, D) features.
        b: (M, D) features; the larger set is thinned to the size of the smaller.
        folds: of the cross-validation.
        seed: of the shuffle that deals rows to folds, and of the thinning.
        groups: (N,) labels shared by row i of both sets, for N == M; rows of one label (say, the
            captions of one picture) stay in one fold. Default: every row its own.

    Returns:
        Percent, 0 to 100; a plain mean over held-out rows.

    Raises:
        InputError: see `unit`; the sets differ in D; fewer than two folds, or fewer groups
            than folds; groups do not fit the rows.
    """
    from sklearn.linear_model import LogisticRegression  # half a second

    a, b = _two(a, b)
    generator = np.random.default_rng(seed)
    if groups is None:
        n = min(len(a), len(b))
        a, b = _thin(a, n, generator, "a"), _thin(b, n, generator, "b")
        groups = np.arange(n)
    groups = np.asarray(groups)
    if not groups.shape == (len(a),) == (len(b),):
        raise InputError(f"groups {groups.shape} must label {len(a)} rows of a and {len(b)} of b")
    labels, group = np.unique(groups, return_inverse=True)
    if not 2 <= folds <= len(labels):
        raise InputError(f"{folds} folds need 2 or more folds and a group each, got {len(labels)}")
    fold_of_group = generator.permutation(len(labels)) % folds
    fold = np.tile(fold_of_group[group], 2)  # (2N,)
    x, y = np.concatenate([a, b]), np.repeat([0, 1], len(a))
    correct = 0
    for held_out in (fold == f for f in range(folds)):
        train, test = x[~held_out], x[held_out]
        mean = train.mean(axis=0)
        # Identical rows have no scale; any number will do, the probe then guesses.
        scale = np.sqrt(((train - mean) ** 2).mean()) or 1.0
        probe = LogisticRegression(C=1.0, max_iter=1000)
        probe.fit((train - mean) / scale, y[~held_out])
        correct += (probe.predict((test - mean) / scale) == y[held_out]).sum()
    return float(100 * correct / len(x))


def alignment(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared distance of the pairs (Wang & Isola 2020, L_align, alpha = 2).

    0 where the rows of every pair coincide, 2 for pairs at right angles (unrelated), at most 4.

    Args:
        a: (N, D) features.
        b: (N, D) features; row i of a and of b are a pair.

    Raises:
        InputError: see `unit`, or the sets differ in shape.
    """
    a, b = _two(a, b, paired=True)
    return float(((a - b) ** 2).sum(axis=1).mean())


def relative_gap(a: np.ndarray, b: np.ndarray) -> float:
    """How far apart pairs lie by the measure of what lies within a set: relative modality gap.

    d_pair / (d_pair + (d_a + d_b) / 2), d = (1 - cosine) / 2 averaged over pairs, and over distinct
    rows of a set (Schrodi et al. 2025, "Two Effects, One Trigger", RMG as in their released code).
    0: pairs coincide; 0.5: a pair is as far apart as any two rows of one set; near 1: the sets are
    two points. Unlike `alignment` it does not shrink where all features move together. Args and
    errors are as there.
    """
    a, b = _two(a, b, paired=True)
    n, pair = len(a), alignment(a, b) / 4
    # Of the n^2 cosines whose sum is the squared length of the sum of rows, n are of a row itself.
    cosines = [((x.sum(axis=0) ** 2).sum() - n) / (n * (n - 1)) for x in (a, b)]
    return float(pair / (pair + (1 - sum(cosines) / 2) / 2)) if pair else 0.0


def uniformity(x: np.ndarray) -> float:
    """How evenly a set covers the sphere (Wang & Isola 2020, L_uniform, t = 2).

    The logarithm of the mean of exp(-2 |x - y|^2) over all pairs of distinct rows. 0: collapsed
    onto one point; a set spread evenly over a sphere of many dimensions comes near -4. Lower is
    more even; a few rows alone can go down to -8.

    Args:
        x: (N, D) features.

    Raises:
        InputError: see `unit`.
    """
    x = unit(x, "x")
    total, block = 0.0, 1024  # rows of the distance matrix held at a time
    for start in range(0, len(x), block):
        total += np.exp(-2 * _squared_distances(x[start : start + block], x)).sum()
    # Of the N^2 terms the N of a row with itself are 1.
    return math.log((total - len(x)) / (len(x) * (len(x) - 1)))


def info_nce_bound(
    a: np.ndarray,
    b: np.ndarray,
    batch: int = BATCH,
    temperature: float = 0.07,
    critic: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> float:
    """Lower bound on the mutual information of a pair, in nats (van den Oord et al. 2018, eq. 5).

    At most log B, which is reached when every row of `a` finds its partner among B rows of `b`
    with certainty; 0 or less says nothing. It is a bound: a poor critic or a temperature that
    does not fit the model lowers it, so a low value does not prove that little is shared, and it
    compares models only at the same B. Valid for a critic not fitted on these rows.

    Args:
        a: (N, D) features, the queries.
        b: (N, E) features; row i of a and of b are a pair. E == D for the default critic.
        batch: B. Rows beyond the last whole batch are left out.
        temperature: of the default critic, cosine / temperature; 0.07 is our choice, from where
            CLIP starts. Give the model's own where it has one.
        critic: maps features as given, (B, D) and (B, E), to scores (B, B).
        seed: of the shuffle that deals pairs to batches, so that sorted rows do not share one.

    Raises:
        InputError: see `unit`; rows are not pairs; fewer pairs than a batch; scores that
            are not finite or not (B, B).
    """
    unit_a, unit_b = unit(a, "a"), unit(b, "b")
    if len(unit_a) != len(unit_b):
        raise InputError(f"rows must be pairs, a has {len(unit_a)} and b has {len(unit_b)}")
    if not 2 <= batch <= len(unit_a):
        raise InputError(f"a batch of {batch} must lie between 2 and the {len(unit_a)} pairs given")
    if not temperature > 0:
        raise InputError(f"the temperature must be above 0, got {temperature}")
    if critic is None:
        unit_a, unit_b = _two(unit_a, unit_b)
        a, b = unit_a / temperature, unit_b
        critic = np.inner
    order = np.random.default_rng(seed).permutation(len(unit_a))
    a, b = np.asarray(a)[order], np.asarray(b)[order]
    bounds = []
    for start in range(0, len(order) - batch + 1, batch):
        scores = np.asarray(critic(a[start : start + batch], b[start : start + batch]), np.float64)
        if scores.shape != (batch, batch) or not np.isfinite(scores).all():
            raise InputError(f"the critic must give {batch} x {batch} finite scores")
        positive = scores.diagonal()
        bounds.append((positive - np.logaddexp.reduce(scores, axis=1)).mean() + math.log(batch))
    return float(np.mean(bounds))


def statistics(
    a: np.ndarray,
    b: np.ndarray,
    names: tuple[str, str] = ("image", "text"),
    paired: bool = True,
    groups: np.ndarray | None = None,
    batch: int = BATCH,
    temperature: float = 0.07,
    seed: int = 0,
) -> dict[str, float]:
    """Every statistic of two sets, unrounded; the same input gives the same numbers.

    Args:
        a: (N, D) features.
        b: (N, D) features, or (M, D) where `paired` is false.
        names: what error messages call the two sets.
        paired: row i of both is a pair. If not, what needs pairs is NaN.
        groups: as in `probe_accuracy`.
        batch, temperature: of `info_nce_bound`.
        seed: of every shuffle and thinning.

    The probe has FOLDS folds, or as many as there are groups.

    Returns:
        rows (of the smaller set) and the keys of `DECIMALS`; info_nce_ceiling is log B.

    Raises:
        InputError: as in the single functions, naming the set.
    """
    a, b = _two(a, b, names, paired)
    units = min(len(a), len(b)) if groups is None else len(np.unique(groups))
    folds = min(FOLDS, max(2, units))
    return {
        "rows": min(len(a), len(b)),
        "centroid_distance": centroid_distance(a, b),
        "mmd2": mmd(a, b, generator=np.random.default_rng(seed)),
        "probe_accuracy": probe_accuracy(a, b, folds=folds, seed=seed, groups=groups),
        "alignment": alignment(a, b) if paired else math.nan,
        "uniformity_a": uniformity(a),
        "uniformity_b": uniformity(b),
        "info_nce": info_nce_bound(a, b, batch, temperature, seed=seed) if paired else math.nan,
        "info_nce_ceiling": math.log(batch) if paired else math.nan,
        "relative_gap": relative_gap(a, b) if paired else math.nan,
    }


def table(sets: Mapping[str, tuple[np.ndarray, np.ndarray]], **options) -> pd.DataFrame:
    """`statistics` of several named pairs of sets, rounded to `DECIMALS`.

    Args:
        sets: name -> (a, b), say {"image - text": (image, text), "fusion - target": (q, target)}.
        options: as in `statistics`, the same for every row; by default fewer pairs than a batch
            are one batch.

    Returns:
        One row per name (index "sets"), columns as the keys of `statistics`.
    """
    if not sets:
        raise InputError("no sets were given, so there is no gap to measure")
    options.setdefault("names", ("the first set", "the second set"))
    rows = {}
    for name, (a, b) in sets.items():
        names = tuple(f"{name}, {which}" for which in options["names"])
        rows[name] = statistics(a, b, **{"batch": min(BATCH, len(a)), **options, "names": names})
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("sets").round(DECIMALS)
    frame[list(DECIMALS)] += 0.0  # -0.0 would print as another number than 0.0
    return frame


def _two(a, b, names=("a", "b"), paired=False) -> tuple[np.ndarray, np.ndarray]:
    a, b = unit(a, names[0]), unit(b, names[1])
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"{names[0]} has {a.shape[1]} dimensions and {names[1]} {b.shape[1]}; "
            "only features of one joint space can be compared"
        )
    if paired and len(a) != len(b):
        raise InputError(
            f"{names[0]} has {len(a)} rows and {names[1]} {len(b)}; row i of both must be a pair"
        )
    return a, b


def _thin(x, rows, generator, name) -> np.ndarray:
    if len(x) <= rows:
        return x
    if generator is None:
        raise InputError(f"{name} has more than {rows} rows: pass a generator to draw that many")
    return x[np.sort(generator.choice(len(x), rows, replace=False))]


def _squared_distances(x, y) -> np.ndarray:
    """(N, M) between unit rows; rounding must not make one negative."""
    return np.maximum(2 - 2 * (x @ y.T), 0)


def _off_diagonal_mean(square) -> float:
    n = len(square)
    return (square.sum() - np.trace(square)) / (n * (n - 1))
