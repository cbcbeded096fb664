"""Benchmarks with several right answers, or a gallery of each query's own, from any scores.

`Judged` says what is asked and what is right; `of_scores` takes whatever gives a score for each
item (features, a matrix of scores or distances), `of_lists` ranked lists; `summary` measures what
the protocol names. Letters: Q queries, n items of a gallery, b queries of a block.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from cmir_repro.core.errors import InputError, check_seed
from cmir_repro.core.protocol import Protocol
from cmir_repro.core.rule import measure
from cmir_repro.core.scorers import check_scorer
from cmir_repro.data.judged import Judged
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.measures import Marked, Rankings, first_ranks, value
from cmir_repro.evaluation.ranked_lists import RankedList
from cmir_repro.evaluation.tie_groups import Groups, joined, levelled, of_few

# (rows of queries, names of items) -> (b, n) number, higher is better.
Scores = Callable[[np.ndarray, np.ndarray], np.ndarray]
_LEFT_OUT = -1e30  # below every score
_WHOLE = ("mAP", "mAP by trapezoids", "MRR")  # without a k they look at every place


def of_features(
    queries: np.ndarray, images: np.ndarray, names: np.ndarray, ids: np.ndarray | None = None
) -> Scores:
    """Cosines. queries: (Q, D) number, of (Q,) str ids; images: (N, D) number, of (N,) str names.

    Raises:
        InputError: widths differ, or a row is zero or not finite; it is named.
    """
    queries = recall.unit_rows(queries, "query", ids=ids)
    images = recall.unit_rows(images, "image", ids=names)
    recall.check_widths(queries, images)
    place = {name: row for row, name in enumerate(names.tolist())}

    def scores(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return queries[rows] @ images[[place[name] for name in wanted.tolist()]].T

    return scores


def of_matrix(matrix: np.ndarray, names: np.ndarray) -> Scores:
    """Given scores. matrix: (Q, N) number, higher is better, of (N,) str names.

    They become places among the query's different scores, which float32 holds exactly, so that
    scores tie where they are equal and nowhere else. What is no number stays as it is.
    """
    place = {name: column for column, name in enumerate(names.tolist())}

    def scores(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        part = matrix[np.ix_(rows, [place[name] for name in wanted.tolist()])]
        if not np.isfinite(part).all():
            return part
        return np.stack([np.unique(row, return_inverse=True)[1] for row in part])

    return scores


def of_scores(
    judged: Judged, scores: Scores, protocol: Protocol, tolerance: float | None = None
) -> Rankings:
    """Rank every item of each query's gallery by its score.

    Args:
        tolerance: scores this close tie, see `tie_groups.cosine_groups`; None: the protocol's,
            which is meant for cosines. Scores that are given as they are tie where equal: 0.

    Raises:
        InputError: a score is not finite, or a right answer is not ranked.
    """
    tolerance = np.float32(protocol.tie_tolerance if tolerance is None else tolerance)
    kinds = judged.marked()
    parts: dict[str, list[tuple[np.ndarray, Groups]]] = {kind: [] for kind in kinds}
    left = np.empty(len(judged.ids), np.int64)
    order = np.argsort(judged.gallery, kind="stable")
    names, first = np.unique(judged.gallery[order], return_index=True)
    for name, rows in zip(names.tolist(), np.split(order, first[1:]), strict=True):
        items = judged.galleries[name]
        place = {item: column for column, item in enumerate(items.tolist())}
        step = max(1, 2**22 // len(items))
        for block in (rows[i : i + step] for i in range(0, len(rows), step)):
            part = np.array(scores(block, items), np.float32)  # (b, n), a copy
            if not np.isfinite(part).all():
                row = np.flatnonzero(~np.isfinite(part).all(axis=1))[0]
                raise InputError(
                    f"scores of query {str(judged.ids[block[row]])!r} are NaN or infinite"
                )
            for i, query in enumerate(block):
                dropped = judged.left_out(query, protocol)
                left[query] = len(items) - (dropped in place)
                if dropped in place:
                    part[i, place[dropped]] = _LEFT_OUT
            for kind, marked in kinds.items():
                columns = [_columns(judged, q, marked[q], place, protocol) for q in block]
                parts[kind].append((block, of_few(part, columns, tolerance)))
    return _rankings(judged, left, {k: joined(p, len(judged.ids)) for k, p in parts.items()})


def _columns(judged: Judged, query: int, names, place: Mapping[str, int], protocol) -> np.ndarray:
    dropped = judged.left_out(query, protocol)
    lost = [name for name in names.tolist() if name not in place or name == dropped]
    if lost:
        raise InputError(
            f"{lost[0]!r} is an answer of query {str(judged.ids[query])!r}, but is not ranked for "
            "it; complete the gallery"
        )
    return np.array([place[name] for name in names.tolist()], np.int64)


def top(
    judged: Judged,
    scores: Scores,
    protocol: Protocol,
    depth: int,
    tolerance: float | None = None,
    only: Collection[str] | None = None,
) -> dict[str, RankedList]:
    """The first `depth` items of each query with their scores; ties in the order of the gallery.

    What ties by the tolerance of `of_scores` has one and the same score, so that scoring the lists
    gives what scoring the scores does.

    Args:
        only: ids of the queries that are wanted; None: all.
    """
    tolerance = protocol.tie_tolerance if tolerance is None else tolerance
    found = {}
    for query, name in enumerate(judged.ids.tolist()):
        if only is not None and name not in only:
            continue
        items = judged.galleries[judged.gallery[query]]
        items = items[items != judged.left_out(query, protocol)]
        values = np.asarray(scores(np.array([query]), items))[0]
        order = np.argsort(-values, kind="stable")
        found[name] = RankedList(items[order[:depth]], levelled(values[order], tolerance, depth))
    return found


def of_lists(judged: Judged, lists: Mapping[str, RankedList], protocol: Protocol) -> Rankings:
    """Rankings of which only the first places are known.

    Args:
        lists: query id -> its list, at least as long as the protocol looks; others may be there.

    Raises:
        InputError: a query has no list, or one that is too short, holds an item twice or an item
            that is not in its gallery.
    """
    missing = [name for name in judged.ids.tolist() if name not in lists]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(judged.ids)} queries have no ranked list, first "
            f"{missing[0]!r}; rank all of them, or check the split"
        )
    kinds = judged.marked()
    parts: dict[str, list[tuple[np.ndarray, Groups]]] = {kind: [] for kind in kinds}
    left = np.empty(len(judged.ids), np.int64)
    members = {name: set(items.tolist()) for name, items in judged.galleries.items()}
    for query, name in enumerate(judged.ids.tolist()):
        there = members[judged.gallery[query]]
        dropped = judged.left_out(query, protocol)
        left[query] = len(there) - (dropped in there)
        found = lists[name].checked(name, there, dropped)
        if not judged.open_ended:
            right = len(judged.relevant[query])
            _check_length(name, len(found.items), left[query], right, protocol)
        for kind, marked in kinds.items():
            mask = np.isin(found.items, marked[query])
            parts[kind].append((np.array([query]), found.groups(mask)))
    return _rankings(judged, left, {k: joined(p, len(judged.ids)) for k, p in parts.items()})


def _check_length(query: str, length: int, left: int, relevant: int, protocol: Protocol) -> None:
    """Refuse a list that ends before the last place that the protocol looks at."""
    for name in (*protocol.measures, *(f"R@{k}" for k in protocol.cutoffs)):
        kind, k, _ = measure(name)
        needed = left if kind in _WHOLE and k is None else relevant if k is None else k
        if length < min(needed, left):
            raise InputError(
                f"the ranked list of query {query!r} has {length} places, but {name} of "
                f"{protocol.name} looks at {min(needed, left)}; write longer lists"
            )


def _rankings(judged: Judged, left: np.ndarray, groups: Mapping[str, Groups]) -> Rankings:
    marked = {
        kind: Marked(groups[kind], np.array([len(names) for names in found]))
        for kind, found in judged.marked().items()
    }
    relevant = marked["relevant"]
    return Rankings(left, relevant, marked.get("target", relevant), marked.get("negatives"))


def summary(judged: Judged, found: Rankings, protocol: Protocol, seed: int = 0) -> dict:
    """Everything a result stores, as plain values for JSON.

    Returns:
        protocol, queries (Q), gallery (items of the largest), interval, metrics (name -> value,
        low, high, chance, in percent; the protocol's measures first, then "R@k" of its cut-offs),
        query_ids, per_query (name -> (Q,) values in percent, means over groups aside), ranks (of
        the first right answer, expected; null: not in the list), groups (name -> queries, metrics:
        name -> value) and notes. Intervals resample queries, of macro means within their groups.

    Raises:
        InputError: another command scores the protocol, or a measure needs groups or negatives
            that these data do not have.
    """
    check_scorer(protocol, "judged")
    asked = zip(judged.ids, judged.relevant, strict=True)
    if lacking := [name for name, right in asked if not len(right)]:
        raise InputError(
            f"{len(lacking)} of {len(judged.ids)} queries have no answers to score by, first "
            f"{str(lacking[0])!r}; of a test split its server has them"
        )
    names = dict.fromkeys((*protocol.measures, *(f"R@{k}" for k in protocol.cutoffs)))
    members = _members(judged)
    random = found.at_random()
    metrics, per_query = {}, {}
    for name in names:
        what = measure(name)
        if what.macro and not members:
            raise InputError(f"{name} of {protocol.name} needs groups of queries, there are none")
        if what.kind == "negatives" and found.negatives is None:
            raise InputError(f"{name} of {protocol.name} needs hard negatives, there are none")
        values, chance = (100 * value(what, r, protocol.ties) for r in (found, random))
        parts = list(members.values()) if what.macro else [np.arange(len(values))]
        metrics[name] = _metric(values, chance, parts, seed)
        per_query.setdefault(name.removeprefix("macro "), values)
    ranks = first_ranks(found.target.groups, protocol.ties)
    ranked = np.isin(np.arange(len(judged.ids)), found.target.groups.query)
    return {
        "protocol": protocol.as_dict(),
        "queries": len(judged.ids),
        "gallery": max(len(items) for items in judged.galleries.values()),
        "interval": {
            "method": "percentile bootstrap over queries, of macro means within groups",
            "level": recall.LEVEL,
            "resamples": recall.RESAMPLES,
            "seed": seed,
        },
        "metrics": metrics,
        "groups": {
            name: {
                "queries": len(rows),
                "metrics": {key: {"value": float(v[rows].mean())} for key, v in per_query.items()},
            }
            for name, rows in members.items()
        },
        "query_ids": judged.ids.tolist(),
        "per_query": {key: values.tolist() for key, values in per_query.items()},
        "ranks": [float(r) if ok else None for r, ok in zip(ranks.expected, ranked, strict=True)],
        "notes": list(judged.notes),
    }


def _members(judged: Judged) -> dict[str, np.ndarray]:
    """Group -> rows of its queries, groups in order of their names."""
    found: dict[str, list[int]] = {}
    for row, names in enumerate(judged.groups or ()):
        for name in names:
            found.setdefault(name, []).append(row)
    return {name: np.array(found[name]) for name in sorted(found)}


def _metric(values: np.ndarray, chance: np.ndarray, parts: list[np.ndarray], seed: int) -> dict:
    """Mean over parts, each weighing the same, its interval and its level of chance."""
    generator = np.random.default_rng(check_seed(seed))
    draws = np.zeros(recall.RESAMPLES)
    for rows in parts:
        step = max(1, 2**20 // len(rows))
        for start in range(0, recall.RESAMPLES, step):
            part = draws[start : start + step]
            part += values[rows[generator.integers(len(rows), size=(len(part), len(rows)))]].mean(1)
    tail = (1 - recall.LEVEL) / 2
    low, high = np.quantile(draws / len(parts), [tail, 1 - tail])
    mean, random = (float(np.mean([v[rows].mean() for rows in parts])) for v in (values, chance))
    return {"value": mean, "low": float(low), "high": float(high), "chance": random}


def table(result: dict) -> str:
    """A result of `summary` as aligned text."""
    p = result["protocol"]
    lines = [
        *recall.rule_lines(result),
        *result["notes"],
        "",
        *recall.metric_lines(result["metrics"], 26),
    ]
    if len(result["groups"]) <= 12:
        key = measure(p["measures"][0])._replace(macro=False)
        name = key.kind if key.k is None else f"{key.kind}@{key.k}"
        lines += [""] * bool(result["groups"])
        lines += [
            f"{group:<30}{part['queries']:>6} queries  {name} {part['metrics'][name]['value']:.2f}"
            for group, part in result["groups"].items()
        ]
    return "\n".join(lines)
