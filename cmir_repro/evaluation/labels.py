"""Retrieval by categories: mean average precision of features or codes, both depths together.

    cmir score-labels --queries q.npz --database d.npz --protocol map-all

scores anyone's features (`map-all`) or codes (`map-all/hamming`), in one direction: queries of one
modality, a database of the other. The files are `.npz` as `features` describes, with the key
`categories`, (N, C) of 0 and 1, or `labels`, one class a row; codes are features of bool, of 0 and
1, or of -1 and 1. The metrics, all in percent where papers print a fraction, are "MAP@all" and
"MAP@queries" (for each of the protocol's depths) and "P@n", the precision of the first n. Letters:
Q queries, N database items, D dimensions, L bits, C categories.
"""

from pathlib import Path

import numpy as np

from cmir_repro.core.errors import InputError, check_seed, naming
from cmir_repro.core.protocol import Protocol
from cmir_repro.core.scorers import check_scorer
from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.average_precision import (
    average_precision,
    by_radius,
    precision_at,
    precision_recall,
)
from cmir_repro.evaluation.features import Features, categories_of, load_features
from cmir_repro.evaluation.recall import LEVEL, RESAMPLES
from cmir_repro.evaluation.tie_groups import (
    Groups,
    cosine_groups,
    hamming_groups,
    hamming_histograms,
    random_groups,
)

_DIGITS = 4  # of the percentages of a curve


def score(
    queries: np.ndarray,
    database: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    protocol: Protocol,
    seed: int = 0,
) -> tuple[dict[str, np.ndarray], dict]:
    """Score one direction.

    A query without any relevant item in the database has no average precision: it is left out of
    every metric and counted (code of this field counts it as 0, or divides by 0).

    Args:
        queries: (Q, D) number; or, by Hamming distance, (Q, L) codes: bool, 0 and 1, or -1 and 1.
        database: (N, D) or (N, L).
        query_labels: (Q, C) bool, or 0 and 1: the categories of each query.
        database_labels: (N, C).
        protocol: one with depths; decides similarity, depths, ties and their tolerance.
        seed: of the bootstrap; every metric is resampled with the same one.

    Returns:
        average precision: name of the depth ("all", "queries", "50") -> (Q,) float64 in [0, 1], in
            the order of the queries; NaN where no item is relevant, which depends on the labels
            alone, so runs over the same data pair up.
        result, plain values for JSON: protocol, queries (Q), gallery (N), without_relevant (how
            many queries were left out), depths (name -> places), interval, metrics as in
            `recall.summary`, and curves. chance is what a random order is expected to reach,
            exactly. beyond, where there are any: cut-offs of precision above N, whose precision is
            that of all N items. curves: "precision" (interpolated, mean over queries) at LEVELS
            recalls from 0 to 100, in percent, and for codes "radius", lists of "recall" and
            "precision" within each Hamming radius 0 ... L (null: no query has anything there).

    Raises:
        InputError: as in `tie_groups`; no query has a relevant item; the protocol has no depths.
    """
    check_scorer(protocol, "labels")
    if protocol.similarity == "hamming":
        counts = hamming_histograms(queries, database, query_labels, database_labels)
        parts = [hamming_groups(*counts)]
    else:
        parts = cosine_groups(
            queries, database, query_labels, database_labels, protocol.tie_tolerance
        )
    Q, N = len(queries), len(database)
    depths = {str(d): {"all": N, "queries": Q}.get(d, d) for d in protocol.depths}
    measured = [_measured(groups, depths, protocol) for groups in parts]
    relevant = np.concatenate([part.pop("relevant") for part in measured])
    values = {key: np.concatenate([part[key] for part in measured]) for key in measured[0]}
    kept = relevant > 0
    if not kept.any():
        raise InputError(f"none of {Q} queries shares a category with any of {N} database items")
    random = _measured(random_groups(N, relevant), depths, protocol.changed(ties="mean"))
    curve = values.pop("curve")[kept].mean(0)
    curves = {"precision": _percent(curve)}
    if protocol.similarity == "hamming":
        within = map(_percent, by_radius(*counts))
        curves["radius"] = dict(zip(("recall", "precision"), within, strict=True))
    result = {
        "protocol": protocol.as_dict(),
        "queries": Q,
        "gallery": N,
        "without_relevant": int(Q - kept.sum()),
        "depths": {name: min(places, N) for name, places in depths.items()},
        "interval": {
            "method": "percentile bootstrap over queries",
            "level": LEVEL,
            "resamples": RESAMPLES,
            "seed": seed,
        },
        "metrics": {
            name: _metric(100 * found[kept], 100 * random[name][kept], seed)
            for name, found in values.items()
        },
        "curves": curves,
    }
    if beyond := [n for n in protocol.cutoffs if n > N]:
        result["beyond"] = beyond  # precision at these divides by more items than there are
    return {name: values[f"MAP@{name}"] for name in depths}, result


def _measured(groups: Groups, depths: dict[str, int], protocol: Protocol) -> dict[str, np.ndarray]:
    """Name -> (Q,) of each metric, in [0, 1]; and "curve", (Q, LEVELS), "relevant", (Q,)."""
    found = {}
    for name, depth in depths.items():
        whole = name == "all"
        found[f"MAP@{name}"] = average_precision(groups, None if whole else depth, protocol.ties)
    for n in protocol.cutoffs:
        found[f"P@{n}"] = precision_at(groups, n, protocol.ties)
    found["curve"] = precision_recall(groups)
    found["relevant"] = groups.sum(groups.relevant)
    return found


def _metric(values: np.ndarray, chance: np.ndarray, seed: int) -> dict:
    low, high = intervals.bootstrap(
        values, generator=np.random.default_rng(check_seed(seed)), n=RESAMPLES, level=LEVEL
    )
    mean, random = float(values.mean()), float(chance.mean())
    return {"value": mean, "low": low, "high": high, "chance": random}


def _percent(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else round(100 * float(v), _DIGITS) for v in values]


def score_files(queries: Path, database: Path, protocol: Protocol, seed: int = 0) -> dict:
    """Score two feature files with categories, in the order of their rows.

    Returns:
        The result of `score`, with `query_ids` and `average_precision` (name of the depth -> list
        per query, null where no item is relevant).

    Raises:
        InputError: as in `load_features` and `score`; the categories are missing; a query is in
            the database as well.
    """
    check_scorer(protocol, "labels")
    q, d = load_features(queries), load_features(database)
    _check_overlap(q, d, protocol)
    categories = categories_of(q, d)
    with naming(f"{q.path} and {d.path}"):
        found, result = score(q.features, d.features, *categories, protocol, seed)
    return {
        **result,
        "query_ids": q.ids.tolist(),
        "average_precision": {
            name: [None if np.isnan(v) else float(v) for v in values]
            for name, values in found.items()
        },
    }


def _check_overlap(q: Features, d: Features, protocol: Protocol) -> None:
    """Refuse queries in the database, or without their pairs there, as the protocol has it."""
    mine, theirs = set(q.ids.tolist()), set(d.ids.tolist())
    paired = protocol.name.startswith("map-pairs")
    if paired and mine != theirs:
        other = min(mine ^ theirs)
        raise InputError(
            f"{protocol.name} ranks the other halves of the queries' own pairs, but {other!r} is "
            f"in only one of {q.path} and {d.path}; give both the ids of their pairs"
        )
    if not paired and mine & theirs:
        raise InputError(
            f"{d.path} holds {len(mine & theirs)} of the {len(mine)} queries too, for instance "
            f"{min(mine & theirs)!r}; leave them out, since an item always shares its own "
            "categories, or score pairs against each other under map-pairs"
        )


def table(result: dict) -> str:
    """A result of `score` as aligned text."""
    p = result["protocol"]
    places = ", ".join(f"{name}: {k:,} places" for name, k in result["depths"].items())
    lines = [
        f"{p['name']}: {p['gallery']}, relevant: {p['relevance']}, ties: {p['ties']}",
        f"{result['queries']} queries, {result['without_relevant']} of them left out for want of "
        f"anything relevant; {result['gallery']} database items by {p['similarity']}; {places}",
        "",
        f"{'':<12}{'value':>10}  {'95 % interval':^23}{'chance':>10}",
    ]
    beyond = {f"P@{n}" for n in result.get("beyond", ())}
    for name, m in result["metrics"].items():
        interval = f"{m['low']:>10.2f} - {m['high']:<10.2f}"
        mark = "  *" if name in beyond else ""
        lines.append(f"{name:<12}{m['value']:>10.2f}  {interval}{m['chance']:>10.2f}{mark}")
    if beyond:
        there = result["gallery"]
        lines.append(f"* there are {there} items in the database: this is P@{there}")
    return "\n".join(lines)
