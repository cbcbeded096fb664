"""What a benchmark asks and which answers are right: names only, no pictures and no features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.core.rule import Protocol


@dataclass(frozen=True)
class Judged:
    """Queries, the galleries they are ranked against, and the right answers.

    Args:
        ids: (Q,) str.
        relevant: of each query the names of the right items, (r,) str; none where a split has no
            answers.
        gallery: (Q,) str, the name of each query's gallery.
        galleries: name -> (n,) str, names of items, each once.
        source: (Q,) str, the item a protocol may leave out, "" for none; or None.
        target: (Q,) str, what recall counts where that is not any relevant item; or None.
        groups: of each query the groups it belongs to (categories, instances, aspects); or None.
        negatives: of each query the names of its explicit hard negatives, (h,) str; or None.
        open_ended: the galleries are not known; what a ranked list lacks was not found.
        notes: what the data lack or leave out, in words.

    Raises:
        InputError: an id occurs twice.
    """

    ids: np.ndarray
    relevant: Sequence[np.ndarray]
    gallery: np.ndarray
    galleries: Mapping[str, np.ndarray]
    source: np.ndarray | None = None
    target: np.ndarray | None = None
    groups: Sequence[tuple[str, ...]] | None = None
    negatives: Sequence[np.ndarray] | None = None
    open_ended: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise InputError(
                f"query {names[counts.argmax()].item()!r} occurs {counts.max()} times; get the "
                "annotations again"
            )

    @property
    def images(self) -> np.ndarray:
        """(N,) str, every item of any gallery once, in order of first mention."""
        return np.array(list(dict.fromkeys(i for g in self.galleries.values() for i in g.tolist())))

    def marked(self) -> dict[str, Sequence[np.ndarray]]:
        """The items of each kind that rankings are measured by."""
        found = {"relevant": self.relevant}
        if self.target is not None:
            found["target"] = self.target[:, None]
        if self.negatives is not None:
            found["negatives"] = self.negatives
        return found

    def left_out(self, query: int, protocol: Protocol) -> str:
        """The name of the item that is not ranked for a query, "" for none."""
        return str(self.source[query]) if protocol.drop_source and self.source is not None else ""
