"""Ranks and recall from feature arrays; knows nothing of the model that made them.

    cmir score --queries q.npz --gallery g.npz --protocol tirg/css

scores the files that `features` describes. Letters: Q queries, G gallery items, D dimensions.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmir_repro.core.errors import InputError, check_seed, naming, one_of
from cmir_repro.core.protocol import Protocol
from cmir_repro.core.scorers import check_scorer
from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.features import Truth, align, load_features, truth_of
from cmir_repro.evaluation.relevance import Pool, match
from cmir_repro.evaluation.tied_ranks import Ranks

RESAMPLES, LEVEL = 2000, 0.95
_MANY = 2**27  # pairs of query and item from which on `kernels` are faster


def pool(
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    source: np.ndarray | None,
    protocol: Protocol,
    also: Sequence[np.ndarray] | None = None,
) -> Pool:
    """Count the items each query is ranked against; arguments and errors as in `ranks`."""
    return match(query_labels, gallery_labels, source, protocol, also).pool


def ranks(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    source: np.ndarray | None,
    protocol: Protocol,
    chunk: int | None = None,
    also: Sequence[np.ndarray] | None = None,
) -> Ranks:
    """Rank of the first relevant gallery item for each query, exact, by counting.

    An item is relevant when its label equals the query's, or when `also` lists it. With s* the
    best score of a relevant item, what is counted are the items above s*, and the relevant and
    irrelevant ones that tie at s*; what the rank then is, `protocol.ties` says (`Ranks.counted`).

    Scores within `protocol.tie_tolerance` of s* tie. It is not 0 because matrix products give
    one and the same vector scores that differ in the last bits, depending on where in a block
    it falls; without a tolerance the rank would depend on the order of the gallery.

    Args:
        queries: (Q, D) number. Rows are scaled to length 1 here. (Q, V, D), several vectors a
            query: its score is the product of (1 + cosine) / 2 over them.
        gallery: (G, D) number.
        query_labels: (Q,) int or str.
        gallery_labels: (G,) of the same type.
        source: (Q,) int, row of `gallery` to leave out, -1 for none. Not looked at, and may be
            None, when the protocol keeps the source image.
        chunk: queries per block; by default so many that a block of scores takes 32 MB.
        also: for each query (K,) int, further rows of `gallery` that are right; None: there are
            none.

    Raises:
        InputError: shapes disagree; a row is zero or not finite; `source` is missing or out of
            range; a query has no relevant item left (never dropped: that changes the measure).

    Source: counting is our choice; it equals sorting, as TIRG's test_retrieval does.
    """
    one_of("similarity", protocol.similarity, ["cosine"])
    found = match(query_labels, gallery_labels, source, protocol, also)
    several = np.ndim(queries) == 3
    parts = np.moveaxis(queries, 1, 0) if several else (queries,)  # V of (Q, D)
    parts, gallery = [unit_rows(part, "query") for part in parts], unit_rows(gallery, "gallery")
    queries = parts[0]
    check_widths(queries, gallery)
    for what, rows, labels in (("query", queries, query_labels), ("gallery", gallery, found.order)):
        if len(rows) != len(labels):
            raise InputError(f"{len(rows)} {what} features but {len(labels)} {what} labels")
    if chunk is not None and chunk < 1:
        raise InputError(f"chunk must be at least 1, got {chunk}")
    chunk = chunk or max(1, 2**23 // len(gallery))
    # By label, so that what is relevant to a query is one slice of its row of scores.
    gallery = gallery[found.order].T  # (D, G)
    counts = np.empty((3, len(queries)), np.int64)
    tolerance = np.float32(protocol.tie_tolerance)
    large = found.also is None and len(queries) * len(found.order) >= _MANY
    if large:
        from cmir_repro.evaluation import kernels
    room = np.empty((min(chunk, len(queries)), len(found.order)), np.float32)  # written anew
    for start in range(0, len(queries), chunk):
        block = queries[start : start + chunk]
        scores = np.matmul(block, gallery, out=room[: len(block)])  # (chunk, G)
        rows = slice(start, start + len(block))
        if several:
            blocks = [scores, *(part[rows] @ gallery for part in parts[1:])]
            scores = np.prod([(1 + block) / 2 for block in blocks], axis=0, dtype=np.float32)
        left_out = np.flatnonzero(found.source[rows] >= 0)
        scores[left_out, found.source[rows][left_out]] = -np.inf
        if large:
            kernels.ranked(scores, found.first[rows], found.last[rows], tolerance, counts[:, rows])
            continue
        for i, row in enumerate(scores, start):
            own = row[found.first[i] : found.last[i]]
            if found.also is not None:
                own = np.concatenate([own, row[found.also[i]]])
            counts[:, i] = _counts(row, own, tolerance)
    return Ranks.counted(*counts, protocol.ties)


def _counts(row: np.ndarray, relevant: np.ndarray, tolerance: np.float32) -> tuple[int, int, int]:
    """Items above the best relevant one, and relevant and irrelevant ones that tie with it."""
    # A row at a time stays in the processor's cache: counting costs a tenth of the product.
    best = relevant.max()
    above = np.count_nonzero(row > best + tolerance)  # none is relevant
    r = np.count_nonzero(relevant >= best - tolerance)
    return above, r, np.count_nonzero(row >= best - tolerance) - above - r


def unit_rows(
    features: np.ndarray,
    what: str,
    dtype: type = np.float32,
    ids: Sequence[str] | None = None,
) -> np.ndarray:
    """Rows scaled to length 1, (N, D) of `dtype`, a copy.

    Args:
        ids: N, what errors call the rows; by default their numbers.

    Raises:
        InputError: not (N, D) of numbers, or a row that is zero or not finite, named by `what`.
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.dtype.kind not in "fiu":
        shape = f"{features.shape} {features.dtype}"
        raise InputError(f"{what} features must be (N, D) numbers, got {shape}")
    if not features.size:
        raise InputError(f"{what} features are empty: {features.shape}")
    largest = np.maximum(features.max(axis=1), -features.min(axis=1).astype(np.float64))
    bad = np.flatnonzero(~np.isfinite(largest) | (largest == 0))
    if len(bad):
        kind = "zero" if largest[bad[0]] == 0 else "not finite"
        first = f"row {bad[0]}" if ids is None else f"that of {str(ids[bad[0]])!r:.80}"
        raise InputError(
            f"{len(bad)} of {len(features)} {what} features are zero or not finite, "
            f"first {first} ({kind}); its cosine is undefined, compute it again"
        )
    # Largest entry first: squares of very large or small entries leave float32.
    wide = np.promote_types(features.dtype, dtype)
    unit = (features / largest[:, None].astype(wide)).astype(dtype, copy=False)
    unit /= np.sqrt(np.einsum("nd,nd->n", unit, unit))[:, None]
    return unit


def check_widths(queries: np.ndarray, gallery: np.ndarray) -> None:
    """Raise `InputError` unless queries and gallery have the same D."""
    if queries.shape[1] != gallery.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} dimensions, the gallery {gallery.shape[1]}; "
            "they must come from the same model"
        )


def recall_at(ranks: Ranks, k: int) -> float:
    """Share of queries in [0, 1] with a relevant item among the first k, expected over ties."""
    return float(ranks.hits(k).mean())


def chance_recall(pool: Pool, k: int) -> float:
    """Expected recall at k, in [0, 1], of a ranking in random order.

    That of a tie of all items: see `Ranks.hits`.
    """
    pools, times = np.unique(np.stack([pool.left, pool.relevant]), axis=1, return_counts=True)
    left, relevant = pools
    hits = Ranks(np.zeros_like(left), relevant, left - relevant).hits(k)
    return float(np.average(hits, weights=times))


def summary(ranks: Ranks, protocol: Protocol, seed: int, pool: Pool) -> dict:
    """Everything a result stores about its ranks, as plain values for JSON.

    Args:
        ranks: from `ranks`.
        seed: of the bootstrap; every metric is resampled with the same one.
        pool: from `pool`, for the level of chance.

    Returns:
        protocol, queries (Q), gallery (G), interval (how it was made), and metrics: name ->
        value, low, high, chance. "R@k" in percent; "median rank" and "mean rank" in places.
        chance is what a random order is expected to reach, None where there is no closed form.

    Raises:
        InputError: the protocol aggregates otherwise, or `pool` is of other queries.
    """
    one_of("aggregate", protocol.aggregate, ["mean over queries"])
    if len(ranks) != len(pool.left):
        raise InputError(f"{len(ranks)} ranks but a pool of {len(pool.left)} queries")

    def metric(values: np.ndarray, statistic: str, chance: float | None) -> dict:
        generator = np.random.default_rng(check_seed(seed))
        low, high = intervals.bootstrap(
            values, statistic, generator=generator, n=RESAMPLES, level=LEVEL
        )
        value = float(getattr(np, statistic)(values))
        return {"value": value, "low": low, "high": high, "chance": chance}

    metrics = {
        f"R@{k}": metric(100.0 * ranks.hits(k), "mean", 100 * chance_recall(pool, k))
        for k in protocol.cutoffs
    }
    metrics["median rank"] = metric(ranks.expected, "median", None)
    # The first of m among n places is expected at (n + 1) / (m + 1).
    random_rank = float(((pool.left + 1) / (pool.relevant + 1)).mean())
    metrics["mean rank"] = metric(ranks.expected, "mean", random_rank)
    return {
        "protocol": protocol.as_dict(),
        "queries": len(ranks),
        "gallery": pool.gallery,
        "interval": {
            "method": "percentile bootstrap over queries",
            "level": LEVEL,
            "resamples": RESAMPLES,
            "seed": seed,
        },
        "metrics": metrics,
    }


def score(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    source: np.ndarray | None,
    protocol: Protocol,
    seed: int = 0,
    also: Sequence[np.ndarray] | None = None,
) -> tuple[Ranks, dict]:
    """`ranks` and their `summary` in one call, where the protocol is nothing more."""
    check_scorer(protocol, "recall")
    found = ranks(queries, gallery, query_labels, gallery_labels, source, protocol, also=also)
    counts = pool(query_labels, gallery_labels, source, protocol, also)
    return found, summary(found, protocol, seed, counts)


def score_files(
    queries: Path,
    gallery: Path,
    protocol: Protocol,
    *,
    query_ids: Path | None = None,
    gallery_ids: Path | None = None,
    truth: Truth | None = None,
    seed: int = 0,
) -> dict:
    """Score two feature files.

    Args:
        queries, gallery: `.npz`, or `.npy` with an ids file each (`query_ids`, `gallery_ids`).
        truth: which ids must be there, their labels and sources; features are put in its order.
            Default: what the files themselves carry.

    Returns:
        `summary`, and the list per query of `query_ids` and (expected) `ranks`.

    Raises:
        InputError: as in `load_features` and `ranks`.
    """
    check_scorer(protocol, "recall")
    q, g = load_features(queries, query_ids), load_features(gallery, gallery_ids)
    truth = truth or truth_of(q, g, need_source=protocol.drop_source)
    _check_targets(truth, protocol, g.path)
    rows = truth.source_rows() if protocol.drop_source else None
    arrays = align(q, truth.query_ids), align(g, truth.gallery_ids)
    with naming(f"{q.path} and {g.path}"):
        found, result = score(
            *arrays,
            truth.query_labels,
            truth.gallery_labels,
            rows,
            protocol,
            seed,
            truth.also_rows(),
        )
    return {
        **result,
        "query_ids": [str(i) for i in truth.query_ids],
        "ranks": found.expected.tolist(),
    }


def _check_targets(truth: Truth, protocol: Protocol, path: Path) -> None:
    """Refuse labels that several images share where only one image may be right."""
    if protocol.relevance != "the target image":
        return
    names, counts = np.unique(truth.gallery_labels, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{protocol.name} counts one image as right, but {counts.max()} images of {path} have "
            f"the label {names[counts.argmax()].item()!r}; give each its id as label, or score "
            "under own/same-caption"
        )


def rule_lines(result: dict) -> list[str]:
    """What was measured, by which protocol: the first lines of a result as text."""
    p = result["protocol"]
    return [
        f"{p['name']}: {p['gallery']}, source image {'left out' if p['drop_source'] else 'kept'}, "
        f"relevant: {p['relevance']}, ties: {p['ties']}",
        f"{result['queries']} queries, {result['gallery']} gallery items",
    ]


def table(result: dict) -> str:
    """A `summary` as aligned text."""
    lines = [
        *rule_lines(result),
        "",
        *metric_lines(result["metrics"]),
    ]
    return "\n".join(lines)


def metric_lines(metrics: dict[str, dict], width: int = 12, heading: str = "") -> list[str]:
    """Value, interval and chance of each metric, aligned, under a heading.

    Args:
        metrics: name -> value, low, high, chance (None: unknown).
        width: of the names. heading: of the names.
    """
    lines = [f"{heading:<{width}}{'value':>10}  {'95 % interval':^23}{'chance':>10}"]
    for name, m in metrics.items():
        chance = "-" if m["chance"] is None else f"{m['chance']:.2f}"
        interval = f"{m['low']:>10.2f} - {m['high']:<10.2f}"
        lines.append(f"{name:<{width}}{m['value']:>10.2f}  {interval}{chance:>10}")
    return lines
