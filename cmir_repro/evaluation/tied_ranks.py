"""Where a query's first relevant item stands when scores tie: a distribution, not a number.

Letters: Q queries.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

_COLUMNS = ("tied relevant", "tied irrelevant")


@dataclass(frozen=True)
class Ranks:
    """The place of the first relevant item of each of Q queries, over the orders of what ties.

    `above` items are ahead for certain; then come, in an order that no score decides, r relevant
    and t irrelevant items that share the best score of a relevant one. So the first relevant item
    stands at place above + 1 + j with the probability that j irrelevant ones precede all r.
    """

    above: np.ndarray  # (Q,) int64
    relevant: np.ndarray  # (Q,) int64, r, at least 1
    irrelevant: np.ndarray  # (Q,) int64, t

    @classmethod
    def counted(
        cls, above: np.ndarray, relevant: np.ndarray, irrelevant: np.ndarray, ties: str
    ) -> "Ranks":
        """Ranks of counts under a rule for ties of `protocol.TIES`.

        "mean": every order of the tied items counts the same; "best": the relevant ones come
        first; "worst": they come last.
        """
        above, relevant, irrelevant = (
            np.asarray(v, np.int64) for v in (above, relevant, irrelevant)
        )
        if ties == "mean":
            return cls(above, relevant, irrelevant)
        ahead = irrelevant if ties == "worst" else 0
        return cls(above + ahead, np.ones_like(above), np.zeros_like(above))

    @property
    def expected(self) -> np.ndarray:
        """(Q,) float64, the mean place; 1 is first, and it need not be whole.

        In a random order each irrelevant item precedes all r with probability 1 / (r + 1).
        """
        return 1 + self.above + self.irrelevant / (self.relevant + 1)

    def hits(self, k: int) -> np.ndarray:
        """(Q,) float64 in [0, 1], how often a relevant item is among the first k.

        It is missed when the k - above places that ties fill are all irrelevant, with probability
        C(t, k - above) / C(r + t, k - above) (hypergeometric). The mean over queries is recall at
        k; features that are all the same score exactly what a random order is expected to.
        """
        free = np.maximum(k - self.above, 0)
        hit = (free > self.irrelevant).astype(np.float64)
        open_ = np.flatnonzero((free > 0) & (free <= self.irrelevant))
        if len(open_):
            cases = np.stack([free[open_], self.relevant[open_], self.irrelevant[open_]])
            cases, place = np.unique(cases, axis=1, return_inverse=True)
            hit[open_] = np.array([_hit(*case) for case in cases.T.tolist()])[place.ravel()]
        return hit

    def reciprocal(self, k: int | None = None) -> np.ndarray:
        """(Q,) float64, expected 1 / place of the first relevant item, 0 where that is beyond k.

        That j irrelevant items precede all r has probability
        C(r + t - j - 1, r - 1) / C(r + t, r) (negative hypergeometric).
        """
        cases = np.stack([self.above, self.relevant, self.irrelevant])
        cases, place = np.unique(cases, axis=1, return_inverse=True)
        return np.array([_reciprocal(*case, k) for case in cases.T.tolist()])[place.ravel()]

    def __len__(self) -> int:
        return len(self.above)

    def __getitem__(self, rows: np.ndarray | slice) -> "Ranks":
        return Ranks(self.above[rows], self.relevant[rows], self.irrelevant[rows])

    def columns(self) -> dict[str, np.ndarray]:
        """What a per-query table keeps: the expected rank and how many items tie for it."""
        return dict(
            zip((*_COLUMNS, "rank"), (self.relevant, self.irrelevant, self.expected), strict=True)
        )

    @classmethod
    def of_table(cls, queries: pd.DataFrame) -> "Ranks":
        """The ranks of a per-query table.

        Tables of scoring's first version have no columns of ties; what they call a hit is an
        expected rank of at most k.
        """
        if _COLUMNS[0] not in queries:
            above = np.ceil(queries["rank"].to_numpy()).astype(np.int64) - 1
            return cls(above, np.ones_like(above), np.zeros_like(above))
        relevant, irrelevant = (queries[name].to_numpy(np.int64) for name in _COLUMNS)
        ahead = queries["rank"].to_numpy() - 1 - irrelevant / (relevant + 1)
        return cls(np.round(ahead).astype(np.int64), relevant, irrelevant)

    @classmethod
    def empty(cls, Q: int) -> "Ranks":
        """To be filled with `put`."""
        return cls(*(np.zeros(Q, np.int64) for _ in range(3)))

    def put(self, rows: np.ndarray | slice, ranks: "Ranks") -> None:
        """Overwrite some queries' ranks in place."""
        for mine, theirs in zip(self._counts(), ranks._counts(), strict=True):
            mine[rows] = theirs

    def _counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.above, self.relevant, self.irrelevant


def _hit(free: int, relevant: int, irrelevant: int) -> float:
    i = np.arange(free)
    return 1 - float(np.prod((irrelevant - i) / (relevant + irrelevant - i)))


def _reciprocal(above: int, relevant: int, irrelevant: int, k: int | None) -> float:
    last = irrelevant if k is None else min(irrelevant, k - above - 1)
    if last < 0:
        return 0.0
    j = np.arange(last)
    n = relevant + irrelevant
    chance = relevant / n * np.cumprod(np.append(1.0, (irrelevant - j) / (n - j - 1)))
    return float((chance / (above + 1 + np.arange(last + 1))).sum())
