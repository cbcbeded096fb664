"""Ask an index: the items of the highest cosine to each query, best first, in batches."""

from pathlib import Path

import numpy as np

from cmir_repro.core.arrays import read_npy
from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.progress import bar
from cmir_repro.data import digests
from cmir_repro.data.feature_store import FeatureStore, files_of
from cmir_repro.data.readers import feature_arrays
from cmir_repro.evaluation import ranked_lists
from cmir_repro.evaluation.index import card as cards
from cmir_repro.evaluation.index import ivfpq, listing
from cmir_repro.evaluation.nearest import load_faiss
from cmir_repro.evaluation.recall import unit_rows

CANDIDATES = 10  # times the depth are scored exactly where there are features to score by
BATCH = 256  # queries asked together


class Index:
    """An index of `build.build`, its arrays mapped from the disk.

    Args:
        folder: of the index.
        rerank: the features that it was built from, by which the candidates of IVF-PQ are scored
            exactly; None: their scores are estimates.

    Raises:
        InputError: the index is not whole or damaged, or these are other features.
    """

    def __init__(self, folder: Path, rerank: Path | None = None) -> None:
        self.folder, self.card = Path(folder), cards.read(folder)
        self._starts = read_npy(self.folder / "ids.npy", mapped=True)
        self._names = np.memmap(self.folder / "ids.txt", np.uint8, "r")
        wanted = (self.card.count + 1,)
        if self._starts.shape != wanted or self._starts.dtype != np.int64:
            raise InputError(f"{folder}: ids.npy does not fit index.json; {cards.MEND}")
        self._shards = _same(self.card, Path(rerank)) if rerank else []
        if self.card.kind == "ivfpq":
            self._lists = ivfpq.opened(self.folder, self.card)
        else:
            parts = sorted(name for name in self.card.files if name.startswith("vectors-"))
            self._parts = [read_npy(self.folder / name, mapped=True) for name in parts]
            rows = sum(len(part) for part in self._parts)
            widths = {(part.shape[1:], part.dtype) for part in self._parts}
            same = widths == {((self.card.dimension,), np.dtype(np.float32))}
            if not same or rows != self.card.count:
                raise InputError(f"{folder}: the vectors do not fit index.json; {cards.MEND}")

    def search(
        self, queries: np.ndarray, depth: int, probe: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The items of the highest cosine to each query.

        Args:
            queries: (Q, D) number.
            depth: items a query, at least 1.
            probe: cells that are looked into, of IVF-PQ; None: one in 16, 32 at least.

        Returns:
            rows, (Q, depth) int64: of items, best first; -1 where fewer were found.
            scores, (Q, depth) float32: cosines, estimates of IVF-PQ without `rerank`; -inf
                where the row is -1.

        Raises:
            InputError: queries have another D, or a row is zero or not finite.
        """
        if depth < 1:
            raise InputError(f"depth must be at least 1, got {depth}")
        queries = unit_rows(queries, "query")
        if queries.shape[1] != self.card.dimension:
            raise InputError(
                f"queries have {queries.shape[1]} dimensions, {self.folder} was built from "
                f"{self.card.dimension}; they must come from the same model"
            )
        most = min(depth, self.card.count)
        if self.card.kind == "exact":
            rows, scores = self._exact(queries, most)
        else:
            rows, scores = self._near(queries, most, probe)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
        rows, scores = np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
        scores = np.where(rows < 0, -np.inf, scores).astype(np.float32)
        spare = ((0, 0), (0, depth - rows.shape[1]))
        return (
            np.pad(rows, spare, constant_values=-1),
            np.pad(scores, spare, constant_values=-np.inf),
        )

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """The ids of rows (n,) int64, (n,) str."""
        found = []
        for row in rows.tolist():
            start, stop = int(self._starts[row]), int(self._starts[row + 1])
            found.append(self._names[max(start, 0) : stop].tobytes().decode("utf-8", "replace"))
        return np.array(found, str)

    def _exact(self, queries: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        faiss, first, found = load_faiss(), 0, []
        for part in self._parts:
            scores, rows = faiss.knn(
                queries, np.asarray(part), min(most, len(part)), faiss.METRIC_INNER_PRODUCT
            )
            found.append((rows + first, scores))
            first += len(part)
        return tuple(np.concatenate(each, axis=1) for each in zip(*found, strict=True))

    def _near(self, queries: np.ndarray, most: int, probe: int | None):
        C = self.card.cells
        if probe is not None and not 1 <= probe <= C:
            raise InputError(f"probe {probe} must be from 1 to the {C} cells of {self.folder}")
        self._lists.nprobe = probe or min(C, max(32, C // 16))
        most = min(CANDIDATES * most, self.card.count) if self._shards else most
        scores, rows = self._lists.search(queries, most)
        rows[(rows < 0) | (rows >= self.card.count)] = -1
        if self._shards:
            scores = self._scored(queries, rows)
        return rows, np.where(rows < 0, -np.inf, scores)

    def _scored(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The cosine of each query and its candidates, (Q, candidates) float32."""
        wanted, place = np.unique(np.maximum(rows, 0), return_inverse=True)
        vectors, first = np.empty((len(wanted), queries.shape[1]), np.float32), 0
        for shard in self._shards:  # once a shard and batch, however many queries want its rows
            low, high = np.searchsorted(wanted, [first, first + len(shard)])
            if high > low:
                vectors[low:high] = unit_rows(shard[wanted[low:high] - first], "gallery")
            first += len(shard)
        place = place.reshape(rows.shape)
        return np.stack([vectors[one] @ query for one, query in zip(place, queries, strict=True)])


def write_lists(
    index: Path,
    queries: Path,
    out: Path,
    depth: int = 100,
    probe: int | None = None,
    rerank: Path | None = None,
    batch: int = BATCH,
    progress: bool = True,
) -> int:
    """Ask an index by a file of features, and write ranked lists; how many.

    Args:
        queries: a file or folder as of the gallery.
        out: .parquet or, as a TREC run, .trec, .run or .txt; see evaluation/ranked_lists.py.

    Raises:
        InputError: as `Index` and its `search`, queries of another model than the index, or a
            file that cannot be read or written.
    """
    out = Path(out)
    ranked_lists.check_name(out)
    asked, store = Index(index, rerank), FeatureStore(queries)
    mine = listing.told(queries)
    if mine["weights"] and asked.card.weights and mine["weights"] != asked.card.weights:
        raise InputError(
            f"{queries} was made by the model {mine['model']!r:.60}, {index} by "
            f"{asked.card.model!r:.60} of other weights; embed both by one model"
        )
    if len(store.shape) != 1:
        raise InputError(f"{queries}: an index takes a vector a query; rows are {store.shape}")
    lists = {}
    for start in bar(
        range(0, len(store), batch), desc="queries", unit="batch", disable=not progress
    ):
        here = np.arange(start, min(start + batch, len(store)))
        with naming(queries):
            rows, scores = asked.search(store.take(here), depth, probe)
        for number, row, score in zip(here, rows, scores, strict=True):
            there = row >= 0
            lists[store.ids[number]] = ranked_lists.RankedList(asked.ids(row[there]), score[there])
    ranked_lists.write(out, lists)
    return len(lists)


def _same(card: cards.Card, features: Path) -> list[np.ndarray]:
    """The features of an index, memory-mapped where their kind allows it."""
    files = files_of(features)
    there = [(file.name, file.stat().st_size, digests.sample(file)) for file in files]
    if there != [(shard.name, shard.bytes, shard.sample) for shard in card.shards]:
        raise InputError(
            f"{features} is not what the index was built from ({len(card.shards)} files, first "
            f"{card.shards[0].name}); name these features, or build the index anew"
        )
    return [feature_arrays.read(file)[1] for file in files]
