"""Inverted lists of product codes (IVF-PQ), made part by part and searched on disk, by faiss.

An item lies in the list of the centroid nearest to it, as M bytes that say its residual (Jegou,
Douze & Schmid 2011, Product Quantization for Nearest Neighbor Search, sections III and IV).
"""

import math
from pathlib import Path

import numpy as np

from cmir_repro.core.arrays import read_npy
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic
from cmir_repro.evaluation.index.card import MEND, Card
from cmir_repro.evaluation.nearest import load_faiss

PER_CELL = 39  # items for each cell and codeword that faiss wants to train on
SMALLEST = PER_CELL * 256  # items of the smallest gallery


def cells_for(count: int) -> int:
    """4 sqrt(N) cells, as faiss' guidelines have it, where there are items to train so many."""
    return max(1, min(int(4 * math.sqrt(count)), count // PER_CELL))


def code_for(dimension: int, most: int) -> int:
    """The most bytes of a code that divide D, not above `most`."""
    return max(size for size in range(1, min(most, dimension) + 1) if dimension % size == 0)


def train(vectors: np.ndarray, cells: int, code: int, folder: Path) -> None:
    """Find centroids and codebooks from (n, D) vectors; writes both as arrays."""
    faiss = load_faiss()
    D = vectors.shape[1]
    built = faiss.IndexIVFPQ(faiss.IndexFlatIP(D), D, cells, code, 8, faiss.METRIC_INNER_PRODUCT)
    built.cp.max_points_per_centroid = len(vectors)  # those that were drawn are all meant
    built.train(vectors)
    centroids = built.quantizer.reconstruct_n(0, cells)
    books = faiss.vector_to_array(built.pq.centroids).reshape(code, 256, D // code)
    # The codebooks first: whoever goes on looks for the centroids.
    for name, array in (("codebooks", books), ("centroids", centroids)):
        with atomic(folder / f"{name}.npy") as temporary:
            np.save(temporary, array)


def trained(folder: Path):
    """The faiss index of centroids and codebooks, without items.

    Raises:
        InputError: they are damaged or do not fit each other.
    """
    faiss = load_faiss()
    centroids, books = (read_npy(folder / f"{name}.npy") for name in ("centroids", "codebooks"))
    fits = centroids.ndim == 2 and books.ndim == 3 and books.shape[1] == 256
    if (
        not fits
        or not centroids.size
        or not books.size
        or books.shape[0] * books.shape[2] != centroids.shape[1]
        or any(a.dtype != np.float32 or not np.isfinite(a).all() for a in (centroids, books))
    ):
        raise InputError(f"{folder}: centroids and codebooks do not fit each other; {MEND}")
    C, D = centroids.shape
    quantizer = faiss.IndexFlatIP(D)
    quantizer.add(centroids)
    built = faiss.IndexIVFPQ(quantizer, D, C, len(books), 8, faiss.METRIC_INNER_PRODUCT)
    quantizer.this.disown()
    built.own_fields = True
    faiss.copy_array_to_vector(np.ascontiguousarray(books).reshape(-1), built.pq.centroids)
    built.is_trained = True
    return built


def encoded(built, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each vector, (n,) int64, and its code, (n, M) uint8."""
    both = built.sa_encode(vectors)  # the cell's number stands first, lowest byte first
    wide = both.shape[1] - built.pq.M
    cell = np.zeros(len(both), np.int64)
    for place in range(wide):
        cell |= both[:, place].astype(np.int64) << (8 * place)
    return cell, both[:, wide:]


def write_part(folder: Path, name: str, cell: np.ndarray, code: np.ndarray, first: int) -> None:
    """Write a part, its items sorted by cell: NAME-rows.npy, NAME-codes.npy, NAME-cells.npy."""
    order = np.argsort(cell, kind="stable")
    arrays = {"codes": code[order], "cells": cell[order], "rows": order + first}
    for what, array in arrays.items():  # the rows last: whoever goes on looks for them
        with atomic(folder / f"{name}-{what}.npy") as temporary:
            np.save(temporary, array)


def merge(parts: Path, names: list[str], cells: int, folder: Path) -> None:
    """Write all parts into one file of lists, cell by cell, and the sizes of the lists."""
    opened = [
        [read_npy(parts / f"{name}-{what}.npy", mapped=True) for what in ("codes", "rows")]
        for name in names
    ]
    starts = [
        np.searchsorted(read_npy(parts / f"{name}-cells.npy", mapped=True), np.arange(cells + 1))
        for name in names
    ]
    with atomic(folder / "lists.bin") as temporary, temporary.open("wb") as out:
        for cell in range(cells):
            for what in (0, 1):  # codes of all parts, then rows of all parts
                for arrays, start in zip(opened, starts, strict=True):
                    out.write(arrays[what][start[cell] : start[cell + 1]].tobytes())
    with atomic(folder / "sizes.npy") as temporary:
        np.save(temporary, sum(np.diff(start) for start in starts).astype(np.int64))


def opened(folder: Path, card: Card):
    """The faiss index of a folder, its lists mapped from the disk.

    Raises:
        InputError: arrays do not fit the card or each other.
    """
    faiss = load_faiss()
    built, sizes = trained(folder), read_npy(folder / "sizes.npy")
    path = folder / "lists.bin"
    bytes_there = path.stat().st_size
    if (
        (built.nlist, built.d, built.pq.M) != (card.cells, card.dimension, card.code)
        or sizes.shape != (card.cells,)
        or sizes.dtype != np.int64
        or sizes.min() < 0
        or sizes.max() > card.count
        or sizes.sum() != card.count
        or bytes_there != card.count * (card.code + 8)
    ):
        raise InputError(f"{folder}: the lists do not fit index.json; {MEND}")
    lists = faiss.OnDiskInvertedLists(card.cells, card.code, str(path))
    each = sizes.astype(np.uint64)
    lists.set_all_lists_sizes(faiss.swig_ptr(each))
    lists.totsize, lists.read_only = bytes_there, True
    lists.prefetch_nthread = 0  # else it starts threads of its own, 32 a search
    lists.do_mmap()
    built.replace_invlists(lists, True)
    lists.this.disown()
    built.ntotal = card.count
    return built
