"""The features of a gallery, gone through file by file, so that no more than one is open."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmir_repro.core import config
from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.files import atomic
from cmir_repro.core.progress import bar
from cmir_repro.data import digests
from cmir_repro.data.feature_store import digest_of, files_of, read_shard
from cmir_repro.evaluation.index.card import Shard
from cmir_repro.evaluation.recall import unit_rows

TOLD = "features.json"  # of `cmir embed`: which model
BLOCK = 2**14  # rows in memory at a time, as float32


class Listed(NamedTuple):
    """What a look at all features found."""

    shards: list[Shard]
    dimension: int
    digest: str

    @property
    def count(self) -> int:
        return sum(shard.rows for shard in self.shards)


def look(features: Path, folder: Path, progress: bool = True) -> Listed:
    """Look at every number and id once; writes ids.txt and ids.npy into `folder`.

    24 bytes an item are in memory.

    Raises:
        InputError: a file is missing or damaged, an id is empty or occurs twice, rows are no
            vectors of one width, a number is not finite, or a row is zero.
    """
    shards, hashes, lengths, width = [], [], [], 0
    with atomic(folder / "ids.txt") as temporary, temporary.open("wb") as out:
        for file in bar(files_of(features), desc="features", unit="file", disable=not progress):
            shard = read_shard(file)
            if shard.features.ndim != 2:
                shape = shard.features.shape[1:]
                raise InputError(f"{file}: an index takes a vector a row, (N, D); rows are {shape}")
            width = width or shard.features.shape[1]
            if shard.features.shape[1] != width:
                raise InputError(
                    f"{file}: rows have {shard.features.shape[1]} dimensions, those of the files "
                    f"before {width}; compute all shards by the same model"
                )
            zero = np.flatnonzero(~shard.features.any(axis=1))
            if len(zero):  # refused by `blocks` too, but then half is built
                raise InputError(
                    f"{file}: features of row {zero[0]} (id {shard.ids[zero[0]]!r:.80}) are zero; "
                    "their cosine is undefined, compute them again"
                )
            names = [name.encode("utf-8", "surrogatepass") for name in shard.ids]
            out.write(b"".join(names))
            lengths.append(np.array([len(name) for name in names], np.int64))
            hashes.append(np.array([_hash(name) for name in names], np.uint64))
            size = file.stat().st_size
            facts = {"bytes": size, "sample": digests.sample(file)}
            shards.append(Shard(name=file.name, rows=len(names), **facts))
    _refuse_doubled(features, np.concatenate(hashes))
    with atomic(folder / "ids.npy") as temporary:
        np.save(temporary, np.concatenate([[0], *lengths]).cumsum())
    return Listed(shards, width, digest_of(features))


def told(features: Path) -> dict[str, str]:
    """The model and digest of weights that `cmir embed` wrote beside features; "" where unknown."""
    path = Path(features) / TOLD
    found = config.read(path, dict, "embed them again") if path.is_file() else {}
    return {key: str(found.get(key, "")) for key in ("model", "weights")}


def blocks(
    features: Path, start: int = 0, stop: int | None = None, rows: int = BLOCK
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows from `start` to before `stop`: place of the first, and (n, D) float32 of length 1.

    Raises:
        InputError: as `look`, or a row is zero.
    """
    first = 0
    for file in files_of(features):
        if stop is not None and first >= stop:
            return
        shard = read_shard(file)
        last = first + len(shard.ids)
        end = last if stop is None else min(last, stop)
        for begin in range(max(first, start), end, rows):
            some = shard.features[begin - first : min(begin + rows, end) - first]
            with naming(file):
                yield begin, unit_rows(some, f"gallery (from row {begin - first})")
        first = last


def some_rows(features: Path, wanted: np.ndarray, width: int) -> np.ndarray:
    """The rows of places `wanted`, (n,) int64, rising: (n, D) float32 of length 1."""
    out, first = np.empty((len(wanted), width), np.float32), 0
    for file in files_of(features):
        shard = read_shard(file)
        low, high = np.searchsorted(wanted, [first, first + len(shard.ids)])
        for begin in range(low, high, BLOCK):
            here = slice(begin, min(begin + BLOCK, high))
            with naming(file):
                out[here] = unit_rows(shard.features[wanted[here] - first], "gallery")
        first += len(shard.ids)
    return out


def _hash(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def _refuse_doubled(features: Path, hashes: np.ndarray) -> None:
    """Ids with equal hashes are compared by name; of 100 million, 1 in 4,000 galleries has such."""
    kept = np.sort(hashes)
    twice = kept[1:][kept[1:] == kept[:-1]]
    if not len(twice):
        return
    suspects, seen = set(twice.tolist()), {}
    for file in files_of(features):
        for name in read_shard(file).ids:
            if _hash(name.encode("utf-8", "surrogatepass")) in suspects:
                if name in seen:
                    raise InputError(
                        f"{file}: id {name!r:.80} occurs twice (first in {seen[name]}); ids are "
                        "unique, leave one out"
                    )
                seen[name] = file.name
