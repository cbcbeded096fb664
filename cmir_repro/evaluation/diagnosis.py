"""What a model confuses: recall over all answers, and which named hard negatives it prefers.

For data of which every valid answer and every telling wrong one is known (CSS-X). Letters: Q
queries, G pictures of the gallery, K kinds of candidates, of which the first is the answer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import Protocol
from cmir_repro.core.scorers import check_scorer
from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.recall import check_widths, unit_rows
from cmir_repro.evaluation.tied_ranks import Ranks

EVERYTHING = "everything"  # the pool that needs both inputs
# What an answer is ranked against, and which input it takes to find it there.
POOLS = {
    EVERYTHING: "both",
    "other sources": "the picture",
    "the same source": "the text",
    "the same edit elsewhere": "the picture",
}


class Diagnosis(NamedTuple):
    """What `diagnose` found, in percent: means over groups of queries, as are intervals (95 %).

    recall: a row a pool and cut-off: pool, needs, metric, value, low, high, chance.
    confused: a row a kind of negative: kind, first (how often one of that kind is ranked above
        every answer, ties by half), low, high, queries (that have one).
    forms: a row a form of edit: form, R@1, low, high, queries.
    wording: how often a group's paraphrases do not all succeed or all fail; value, low, high, and
        the number of groups with several.
    """

    recall: pd.DataFrame
    confused: pd.DataFrame
    forms: pd.DataFrame
    wording: dict[str, float]


def diagnose(
    queries: np.ndarray,
    gallery: np.ndarray,
    kind: np.ndarray,
    same_source: np.ndarray,
    group: np.ndarray,
    form: np.ndarray,
    kinds: Sequence[str],
    protocol: Protocol,
    seed: int = 0,
) -> Diagnosis:
    """Rank the gallery for each query, and look at who stands before the first answer.

    Args:
        queries: (Q, D) number; gallery: (G, D) number. Rows are scaled to length 1 here.
        kind: (Q, G) int, an index of `kinds`, -1 for none; 0 is an answer.
        same_source: (Q, G) bool, whether a picture shows the query's source, edited or not.
        group: (Q,) int, queries that are paraphrases of each other.
        form: (Q,) str.
        kinds: K names; "same edit, other source" is the third pool.
        protocol: its cut-offs, rule for ties and tolerance.
        seed: of the bootstrap.

    Raises:
        InputError: shapes disagree, rows are zero or not finite, a query has no answer, or the
            protocol is of another command.
    """
    check_scorer(protocol, "diagnosis")
    queries, gallery = unit_rows(queries, "query"), unit_rows(gallery, "gallery")
    check_widths(queries, gallery)
    shape = len(queries), len(gallery)
    if not kind.shape == same_source.shape == shape or not len(group) == len(form) == shape[0]:
        raise InputError(f"roles of {kind.shape} candidates for {shape} scores")
    answer = kind == 0
    if not answer.any(axis=1).all():
        raise InputError(f"query {int((~answer.any(axis=1)).argmax())} has no answer")
    scores = queries @ gallery.T
    best = np.where(answer, scores, -np.inf).max(axis=1, keepdims=True)
    above = scores > best + protocol.tie_tolerance
    tied = np.abs(scores - best) <= protocol.tie_tolerance
    elsewhere = kind == kinds.index("same edit, other source")
    members = np.ones_like(answer), ~same_source & ~elsewhere, same_source, elsewhere
    pools = dict(zip(POOLS, members, strict=True))

    def of_groups(values: np.ndarray, known: np.ndarray) -> np.ndarray:
        return pd.Series(100 * values[known]).groupby(group[known]).mean().to_numpy()

    def interval(values: np.ndarray, known: np.ndarray) -> dict[str, float]:
        of_group = of_groups(values, known)
        low, high = intervals.bootstrap(of_group, generator=np.random.default_rng(seed))
        return {"value": float(of_group.mean()), "low": float(low), "high": float(high)}

    recall = []
    for name, pool in pools.items():
        wrong = pool & ~answer
        counts = ((above & wrong).sum(1), (tied & answer).sum(1), (tied & wrong).sum(1))
        found = Ranks.counted(*counts, protocol.ties)
        random = Ranks.counted(np.zeros(shape[0]), answer.sum(1), wrong.sum(1), "mean")
        there = wrong.any(axis=1)
        for k in protocol.cutoffs if name == EVERYTHING else (1,):
            if not there.any():
                continue
            row = {"pool": name, "needs": POOLS[name], "metric": f"R@{k}"}
            chance = float(of_groups(random.hits(k), there).mean())
            recall.append(row | interval(found.hits(k), there) | {"chance": chance})
            if name == EVERYTHING and k == 1:
                hits = found.hits(1)
    return Diagnosis(
        pd.DataFrame(recall),
        pd.DataFrame(_confused(kind, kinds, above, tied, interval)),
        pd.DataFrame(
            {"form": name, **interval(hits, form == name), "queries": int((form == name).sum())}
            for name in dict.fromkeys(form.tolist())
        ),
        _wording(hits, group, seed),
    )


def _confused(kind, kinds, above, tied, interval) -> list[dict]:
    rows = []
    for number, name in enumerate(kinds[1:], start=1):
        mask = kind == number
        known = mask.any(axis=1)
        if known.any():
            first = np.where((above & mask).any(1), 1.0, 0.5 * (tied & mask).any(1))
            rows.append({"kind": name, **interval(first, known), "queries": int(known.sum())})
    return rows


def _wording(hits: np.ndarray, group: np.ndarray, seed: int) -> dict[str, float]:
    by_group = pd.Series(hits).groupby(group)
    several = by_group.size() > 1
    if not several.any():
        return {"value": np.nan, "low": np.nan, "high": np.nan, "groups": 0}
    decides = 100.0 * (by_group.max() - by_group.min() > 0.5)[several].to_numpy()
    low, high = intervals.bootstrap(decides, generator=np.random.default_rng(seed))
    return {
        "value": float(decides.mean()),
        "low": float(low),
        "high": float(high),
        "groups": int(several.sum()),
    }
