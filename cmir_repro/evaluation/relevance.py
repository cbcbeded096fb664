"""Which gallery items are right answers to a query: those of its label, and others it lists.

Letters: Q queries, G gallery items.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import Protocol


class Pool(NamedTuple):
    """What each query is ranked against, once its source image is left out."""

    gallery: int  # G
    left: np.ndarray  # (Q,) int64, gallery items that are ranked
    relevant: np.ndarray  # (Q,) int64, the relevant ones among them, at least 1


class Match(NamedTuple):
    """Where the right answers of each query stand in the gallery sorted by label."""

    order: np.ndarray  # (G,) gallery rows sorted by label; positions below are in this order
    first: np.ndarray  # (Q,) first position with the query's label
    last: np.ndarray  # (Q,) one past the last
    source: np.ndarray  # (Q,) position of the source image, -1 for none
    also: list[np.ndarray] | None  # for each query (K,) positions of right answers of other labels
    pool: Pool


def match(
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    source: np.ndarray | None,
    protocol: Protocol,
    also: Sequence[np.ndarray] | None = None,
) -> Match:
    """Find the right answers; arguments and errors as in `recall.ranks`."""
    query, item = _codes(query_labels, gallery_labels)
    Q, G = len(query), len(item)
    if not Q or not G:
        raise InputError(f"nothing to score: {Q} queries, {G} gallery items")
    source = _sources(source, Q, G, protocol)
    order = np.argsort(item, kind="stable")
    first = np.searchsorted(item[order], query, side="left")
    last = np.searchsorted(item[order], query, side="right")
    dropped = source >= 0
    relevant = last - first - (dropped & (item[source] == query))
    listed = None if also is None else _listed(also, query, item, source)
    if listed is not None:
        relevant = relevant + [len(rows) for rows in listed]
    lost = np.flatnonzero(relevant < 1)
    if len(lost):
        label = np.asarray(query_labels).tolist()[lost[0]]
        raise InputError(
            f"{len(lost)} of {Q} queries have no relevant item left in the gallery, first query "
            f"{lost[0]} (label {label!r}); complete the gallery or correct the labels"
        )
    place = np.empty(G, np.int64)
    place[order] = np.arange(G)
    position = np.where(dropped, place[source], -1)
    listed = None if listed is None else [place[rows] for rows in listed]
    return Match(
        order, first, last, position, listed, Pool(G, G - dropped.astype(np.int64), relevant)
    )


def _codes(query_labels: np.ndarray, gallery_labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels as whole numbers, equal where the labels are."""
    codes: dict[object, int] = {}
    coded, types = [], set()
    for labels in (query_labels, gallery_labels):
        values = np.asarray(labels)
        if values.ndim != 1:
            raise InputError(f"labels must be one per row, got shape {values.shape}")
        values = values.tolist()
        types |= set(map(type, values))
        # Not np.unique: one long caption would pad every other to its length.
        coded.append(np.array([codes.setdefault(v, len(codes)) for v in values], np.int64))
    if types - {int} and types - {str}:
        names = ", ".join(sorted(kind.__name__ for kind in types))
        raise InputError(f"labels must be all whole numbers or all strings, got {names}")
    return coded[0], coded[1]


def _sources(source: np.ndarray | None, Q: int, G: int, protocol: Protocol) -> np.ndarray:
    if not protocol.drop_source:
        return np.full(Q, -1)
    if source is None:
        raise InputError(
            f"{protocol.name} leaves the source image out: give its gallery row for each query, "
            "-1 where there is none"
        )
    source = np.asarray(source)
    if source.shape != (Q,) or source.dtype.kind not in "iu":
        raise InputError(f"source must be ({Q},) int, got {source.shape} {source.dtype}")
    source = source.astype(np.int64)
    bad = np.flatnonzero((source < -1) | (source >= G))
    if len(bad):
        raise InputError(
            f"source of query {bad[0]} is {source[bad[0]]}, not a row of {G} gallery items or -1"
        )
    return source


def _listed(
    also: Sequence[np.ndarray], query: np.ndarray, item: np.ndarray, source: np.ndarray
) -> list[np.ndarray]:
    """Rows that queries list beside those of their label, each once, without the source."""
    if len(also) != len(query):
        raise InputError(f"also must list rows for each of {len(query)} queries, got {len(also)}")
    out = []
    for number, rows in enumerate(also):
        rows = np.unique(np.asarray(rows, np.int64))
        if len(rows) and not 0 <= rows[0] <= rows[-1] < len(item):
            raise InputError(f"also of query {number} names a row that is not in the gallery")
        out.append(rows[(item[rows] != query[number]) & (rows != source[number])])
    return out
