"""Features computed elsewhere, of images or of texts: files that systems train on.

A file holds one array and an id a row:

    ids       N str, unique
    features  (N, D) vectors, (N, P, D) sets of P vectors or (N, C, H, W) maps; float16, 32 or 64
    lengths   (N,) int, optional, of sets: how many of the P are real, the first ones

    .npz          these keys
    .npy          features; ids lie beside it in NAME.txt, one a line, or NAME.csv, column id
    .safetensors  tensors features and lengths; ids as a JSON list in the metadata, key "ids"
    .parquet      columns id and features (lists of equal length, lists of lists), lengths
    a folder      of such files, the shards, in the order of their names

Shards that are numbered, NAME-00000-of-00004.safetensors, must be there all. Arrays of .npy and
.safetensors are memory-mapped, so that a batch reads its own rows and nothing else; the others are
read into memory. Every number is looked at once, when the file is opened; systems read float32, so
it must be finite as such.
"""

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.readers import feature_arrays

NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
_CHUNK = 2**24  # numbers that are looked at together
_ENDS = {  # by bytes of a number
    2: "; float16 ends at 65504, store float32",
    8: "; they are read as float32, which ends at 3.4e38",
}
AXES = {1: "(N, D)", 2: "(N, P, D)", 3: "(N, C, H, W)"}


class Shard(NamedTuple):
    """One file: its ids, array (n, ...) and lengths (n,) int64, or None."""

    path: Path
    ids: list[str]
    features: np.ndarray
    lengths: np.ndarray | None


class FeatureStore:
    """The features of a file or folder, row by row; see the head of this module.

    Attributes:
        path: of the file or folder.
        ids: N str, in the order of the rows.
        shape: of one row: (D,), (P, D) or (C, H, W).
        lengths: (N,) int64 for sets, or None where all P are real.

    Raises:
        InputError: the file or a shard is missing, damaged or of another kind; an id occurs twice;
            shards do not have the same shape; a number is not finite.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._shards = [read_shard(file) for file in files_of(self.path)]
        first = self._shards[0]
        self.shape = first.features.shape[1:]
        for shard in self._shards:
            if shard.features.shape[1:] != self.shape:
                raise InputError(
                    f"{shard.path}: features of one row are {shard.features.shape[1:]}, and in "
                    f"{first.path.name} {self.shape}; compute all shards by the same model"
                )
        self.ids = [name for shard in self._shards for name in shard.ids]
        self._starts = np.cumsum([0, *(len(shard.ids) for shard in self._shards)])
        self.lengths = self._lengths()
        self._row = {name: row for row, name in enumerate(self.ids)}
        if len(self._row) < len(self.ids):
            raise InputError(_doubled(self._shards))

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: str) -> bool:
        return name in self._row

    @functools.cached_property
    def digest(self) -> str:
        """What tells this content apart: of a file its sha256, of a folder that of its files'."""
        return digest_of(self.path)

    def rows_of(self, ids: Sequence[str], what: str, prefix: str = "") -> np.ndarray:
        """The rows of ids, (len(ids),) int64.

        Args:
            what: they are of, for the message: "images of train".
            prefix: where the file calls them PREFIX/ID, that is meant: one image may have
                features of several views.

        Raises:
            InputError: one is missing.
        """
        names = [str(name) for name in ids]
        if prefix and names and f"{prefix}/{names[0]}" in self._row:
            names = [f"{prefix}/{name}" for name in names]
        rows = self.find(names)
        lost = np.flatnonzero(rows < 0)
        if len(lost):
            raise InputError(
                f"{self.path} lacks {len(lost):,} of {len(rows):,} {what}, first id "
                f"{names[lost[0]]!r:.80}; its ids are like {self.ids[0]!r:.80}; compute features "
                "for all, under the ids of the data set"
            )
        return rows

    def find(self, ids: Iterable[str]) -> np.ndarray:
        """The rows of N ids, (N,) int64, -1 where there is none."""
        return np.array([self._row.get(name, -1) for name in ids], np.int64)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Features of some rows (B,) int64: (B, *shape), of the first shard's type."""
        out = np.empty((len(rows), *self.shape), self._shards[0].features.dtype)
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(shard):
            here = shard == number
            out[here] = self._shards[number].features[rows[here] - self._starts[number]]
        return out

    def _lengths(self) -> np.ndarray | None:
        if all(shard.lengths is None for shard in self._shards):
            return None
        whole = self.shape[0]
        return np.concatenate(
            [
                np.full(len(shard.ids), whole) if shard.lengths is None else shard.lengths
                for shard in self._shards
            ]
        ).astype(np.int64)


@functools.lru_cache(maxsize=4)
def _opened(path: Path, stamp: tuple) -> FeatureStore:
    return FeatureStore(path)


def open_store(path: Path | str) -> FeatureStore:
    """The store of a file or folder, checked once a process as long as no file changes.

    Raises:
        InputError: as `FeatureStore`.
    """
    path = Path(path)
    stats = [file.stat() for file in files_of(path)]
    return _opened(path, tuple((s.st_size, s.st_mtime_ns) for s in stats))


def digest_of(path: Path) -> str:
    """`FeatureStore.digest`, without opening the features."""
    files = [each for file in files_of(path) for each in feature_arrays.belonging(file)]
    if path.is_file() and len(files) == 1:
        return sha256(path)
    lines = [f"{file.name} {sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def files_of(path: Path) -> list[Path]:
    """The files of a store in order, with no number of numbered shards left out.

    Raises:
        InputError: there is none, a numbered shard is missing, or shards are of several sets.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; `cmir embed` makes such features")
    if path.is_file():
        feature_arrays.check_kind(path)
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in feature_arrays.KINDS)
    if not found:
        kinds = ", ".join(feature_arrays.KINDS)
        raise InputError(f"the folder {path} has no features; it takes files {kinds}")
    numbers = [NUMBERED.fullmatch(file.stem) for file in found]
    series = {(m[1], file.suffix, m[3]) for m, file in zip(numbers, found, strict=True) if m}
    for name, suffix, count in sorted(series):
        every = [f"{name}-{number:05d}-of-{count}{suffix}" for number in range(int(count))]
        lost = [shard for shard in every if not (path / shard).exists()]
        if lost:
            raise InputError(
                f"{path} lacks {len(lost)} of {int(count)} shards, first {lost[0]}; copy it there "
                "again, or let the same `cmir embed` go on"
            )
    if series and (len(series) > 1 or not all(numbers)):
        names = ", ".join(file.name for file in found[:3])
        raise InputError(f"{path} holds files of several sets of shards ({names}, ...); keep one")
    return found


def read_shard(path: Path) -> Shard:
    """One file, every number of which was looked at; errors as `FeatureStore`."""
    shard = Shard(path, *feature_arrays.read(path))
    _check(shard)
    return shard


def _check(shard: Shard) -> None:
    """Refuse what a training would stumble over, with file, id and remedy."""
    path, ids, features, lengths = shard
    if features.ndim - 1 not in AXES or features.dtype.kind != "f":
        raise InputError(
            f"{path}: features must be float {', '.join(AXES.values())}; got {features.shape} "
            f"{features.dtype}"
        )
    if 0 in features.shape:
        raise InputError(f"{path}: features are empty, {features.shape}; compute them again")
    if len(ids) != len(features):
        raise InputError(f"{path}: {len(features):,} features but {len(ids):,} ids; one per row")
    if "" in ids:
        raise InputError(f"{path}: the id of row {ids.index('')} is empty; name every row")
    if lengths is not None:
        whole = features.shape[1] if features.ndim == 3 else 0
        fits = lengths.shape == (len(ids),) and lengths.dtype.kind in "iu"
        if not fits or not ((lengths >= 1) & (lengths <= whole)).all():
            raise InputError(
                f"{path}: lengths must be (N,) whole numbers from 1 to P of features (N, P, D)"
            )
    step = max(1, _CHUNK // int(np.prod(features.shape[1:])))
    for start in range(0, len(features), step):
        some = features[start : start + step].reshape(len(features[start : start + step]), -1)
        with np.errstate(over="ignore"):  # systems read float32; float16 is faster looked at as is
            some = some.astype(np.float32) if some.dtype.itemsize == 8 else some
        bad = np.flatnonzero(~np.isfinite(some).all(axis=1))
        if len(bad):
            row = start + int(bad[0])
            hint = _ENDS.get(features.dtype.itemsize, "")
            raise InputError(
                f"{path}: features of row {row} (id {ids[row]!r:.80}) are NaN or infinite; compute "
                f"them again{hint}"
            )


def _doubled(shards: list[Shard]) -> str:
    seen: dict[str, Path] = {}
    for shard in shards:
        for name in shard.ids:
            if name in seen:
                return (
                    f"{shard.path}: id {name!r:.80} occurs twice (first in {seen[name].name}); ids "
                    "are unique, leave one out"
                )
            seen[name] = shard.path
    raise AssertionError("no id is doubled")
