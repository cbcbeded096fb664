"""Anyone's features from files: what they must hold, and a plain answer when they do not.

`.npz` (numpy.savez) with
    ids       (N,) str, unique
    features  (N, D) number, or bool: codes
    labels    (N,) int or str, optional: the one class of each row; rows of one class are relevant
    categories  (N, C) bool, or 0 and 1, optional: where a row may have several, as columns
    source    (N,) str, optional, queries only: gallery id to leave out, "" for none
    also      (N, K) str, optional, queries only: gallery ids that are right besides those of its
              label, "" where there are fewer than K
    image     (N,) str, optional, sentences only: id of the image each one describes
or `.npy` with the features alone and, given beside it, a text file of one id per line or a CSV
file with the columns id and, optionally, label, source and image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmir_repro.core.arrays import read_npy, read_npz
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic
from cmir_repro.data.readers.files import lines, read_csv
from cmir_repro.data.words import plain

KEYS = ("ids", "features", "labels", "categories", "source", "image", "also")
COLUMNS = {"ids": "id", "labels": "label", "source": "source", "image": "image"}  # of a CSV of ids


@dataclass(frozen=True)
class Features:
    """Features of one file; row i of every array belongs to ids[i]."""

    path: Path
    ids: np.ndarray  # (N,) str, unique
    features: np.ndarray  # (N, D) number, finite; bool as uint8
    labels: np.ndarray | None  # (N,) int or str
    source: np.ndarray | None  # (N,) str
    image: np.ndarray | None = None  # (N,) str
    categories: np.ndarray | None = None  # (N, C) bool
    also: np.ndarray | None = None  # (N, K) str


@dataclass(frozen=True)
class Truth:
    """What is asked and what is right: the ids to score, in order, their labels and sources."""

    query_ids: np.ndarray  # (Q,) str
    query_labels: np.ndarray  # (Q,) int or str
    gallery_ids: np.ndarray  # (G,) str
    gallery_labels: np.ndarray  # (G,) int or str
    source: np.ndarray | None = None  # (Q,) str, gallery id to leave out, "" for none
    also: np.ndarray | None = None  # (Q, K) str, gallery ids that are right too, "" for none

    def source_rows(self) -> np.ndarray | None:
        """(Q,) int64 row of each source in `gallery_ids`, -1 for none.

        Raises:
            InputError: a source is not in the gallery.
        """
        if self.source is None:
            return None
        return self._rows("source", self.source)

    def also_rows(self) -> list[np.ndarray] | None:
        """For each query (k,) int64, rows in `gallery_ids` of what is right too.

        Raises:
            InputError: an id is not in the gallery.
        """
        if self.also is None:
            return None
        columns = [self._rows("also", column) for column in self.also.T]
        return [row[row >= 0] for row in np.stack(columns, axis=1)]

    def _rows(self, key: str, names: np.ndarray) -> np.ndarray:
        row = {str(name): i for i, name in enumerate(self.gallery_ids)}
        row[""] = -1
        for query, name in zip(self.query_ids, names, strict=True):
            if name not in row:
                raise InputError(
                    f"{key} {str(name)!r} of query {str(query)!r} is not in the gallery; "
                    'add it, or give "" for none'
                )
        return np.array([row[name] for name in names], np.int64)


def load_features(path: Path, ids: Path | None = None) -> Features:
    """Read and check a feature file.

    Args:
        path: `.npz` or `.npy`, as described above; nothing in it can run code.
        ids: the ids file that goes with a `.npy`.

    Raises:
        InputError: the file is missing, damaged or of another kind; a key is missing; arrays
            are of Python objects, of wrong shape or length; an id occurs twice or is empty; a
            value is not finite.
    """
    path = Path(path)
    if path.suffix == ".npz":
        if ids is not None:
            raise InputError(f"{path} carries its own ids; leave out {ids}")
        arrays = read_arrays(path)
    elif path.suffix == ".npy":
        if ids is None:
            raise InputError(f"{path} has no ids; name the file that lists them, one per row")
        arrays = {"features": read_npy(path), **_read_ids(Path(ids))}
        rows, named = arrays["features"].shape[:1], len(arrays["ids"])
        if rows != (named,):
            raise InputError(
                f"{ids} lists {named:,} ids and {path} has {rows[0] if rows else 'no'} rows; "
                "list one a row"
            )
    else:
        raise InputError(f"{path} must end in .npz or .npy")
    return _checked(path, arrays)


def save_features(path: Path, ids: np.ndarray, features: np.ndarray, **more: np.ndarray) -> None:
    """Write an `.npz` that `load_features` reads, whole or not at all.

    Args:
        path: ends in `.npz`.
        ids: (N,) str.
        features: (N, D) number, or bool.
        more: others of KEYS, or arrays of any name, for instance how they were made.

    Raises:
        InputError: what `load_features` would refuse, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path} must end in .npz")
    arrays = {"ids": ids, "features": features, **more}
    arrays = {key: _plain(path, key, np.asarray(value)) for key, value in arrays.items()}
    _checked(path, arrays)
    with atomic(path) as temporary:
        np.savez(temporary, **arrays)


def align(found: Features, ids: np.ndarray) -> np.ndarray:
    """The features in the order of `ids`, (len(ids), D); the file may hold more.

    So one file serves all rules and splits of a benchmark, whose annotations say what is ranked.

    Raises:
        InputError: an id is missing from the file.
    """
    row = {name: i for i, name in enumerate(found.ids.tolist())}
    ids = [str(name) for name in ids]
    missing = [name for name in ids if name not in row]
    if missing:
        raise InputError(
            f"{found.path} lacks {len(missing)} of {len(ids)} expected ids, first {missing[0]!r}; "
            f"its ids are like {found.ids[0].item()!r:.80}; compute features for all, or check the "
            "split"
        )
    order = [row[name] for name in ids]
    in_order = order == list(range(len(row)))
    return found.features if in_order else found.features[order]


def truth_of(queries: Features, gallery: Features, need_source: bool) -> Truth:
    """What the files themselves say is right.

    Raises:
        InputError: labels, or the sources that are needed, are missing.
    """
    for found in (queries, gallery):
        if found.labels is None:
            raise InputError(f"{found.path} has no labels; add {_way(found, 'labels')}")
    if need_source and queries.source is None:
        raise InputError(
            f"{queries.path} has no source, but the protocol leaves the source image out; add "
            f'{_way(queries, "source")}: a gallery id per query, "" where there is none'
        )
    mine, theirs = ((found.ids, found.labels) for found in (queries, gallery))
    return Truth(*mine, *theirs, queries.source, queries.also)


def categories_of(queries: Features, database: Features) -> tuple[np.ndarray, np.ndarray]:
    """Which categories each row has, in the same columns: (Q, C) and (N, C) bool.

    Files without the key `categories` have one for each value of `labels`.

    Raises:
        InputError: a file has neither key, or the two have different ones.
    """
    both = (queries, database)
    for found in both:
        if found.categories is None and found.labels is None:
            raise InputError(
                f"{found.path} has no key categories; add it, (N, C) of 0 and 1, one row per id, "
                "or labels, (N,), the one class of each"
            )
    if all(found.categories is not None for found in both):
        return queries.categories, database.categories
    for found in both:
        if found.labels is None:
            other = database if found is queries else queries
            raise InputError(f"{found.path} has categories and {other.path} labels; save one key")
    kinds = {found.labels.dtype.kind == "U" for found in both}
    if len(kinds) > 1:
        raise InputError(
            f"labels are text in one of {queries.path} and {database.path}, numbers in the other"
        )
    classes = np.unique(np.concatenate([found.labels for found in both]))
    return tuple(found.labels[:, None] == classes for found in both)


def images_of(sentences: Features, images: Features) -> np.ndarray:
    """The row in `images` of the image that each sentence describes, (S,) int64.

    Raises:
        InputError: the sentences do not say, or name an image that is not in the other file.
    """
    if sentences.image is None:
        raise InputError(
            f"{sentences.path} does not say which image a sentence describes; add "
            f"{_way(sentences, 'image')}: an id per row"
        )
    row = {name: i for i, name in enumerate(images.ids.tolist())}
    for sentence, name in zip(sentences.ids.tolist(), sentences.image.tolist(), strict=True):
        if name not in row:
            raise InputError(
                f"image {name!r} of sentence {sentence!r} is not in {images.path}; add it, or "
                "leave the sentence out"
            )
    return np.array([row[name] for name in sentences.image.tolist()], np.int64)


def _way(found: Features, key: str) -> str:
    """Where the values of a key belong, one a row."""
    if found.path.suffix == ".npy":
        return f"the column {COLUMNS[key]} to a CSV of its ids"
    return f"the key {key}, one per row"


def read_arrays(
    path: Path, keys: Sequence[str] = KEYS, needed: Sequence[str] = KEYS[:2]
) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` under `keys`, those that are there; nothing in it can run code.

    Raises:
        InputError: the file is missing, damaged or of another kind, or lacks a needed key.
    """
    arrays, names = read_npz(path, keys)
    if missing := [key for key in needed if key not in arrays]:
        has = ", ".join(names) or "nothing"
        raise InputError(f"{path} has no key {' and no key '.join(missing)} (it has {has}); "
                         f"keys that are read: {', '.join(keys)}")  # fmt: skip
    return arrays


def _read_ids(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() not in (".csv", ".tsv"):
        return {"ids": np.array(lines(path), dtype=str)}
    table = read_csv(path, columns=["id"])
    return {
        key: table[column].to_numpy(dtype=str) for key, column in COLUMNS.items() if column in table
    }


def _plain(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """`array`, with Python strings (a pandas column) as fixed-width ones."""
    if array.dtype.kind in "OT" and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)
    if array.dtype.kind == "O":
        raise InputError(f"{path}: {key} holds Python objects; save plain numbers or strings")
    return array


def _composed(array: np.ndarray) -> np.ndarray:
    """Texts as they are compared everywhere: `words.plain`."""
    if array.dtype.kind != "U" or all(text.isascii() for text in array.flat):
        return array
    return np.array([plain(text) for text in array.flat], dtype=str).reshape(array.shape)


def _checked(path: Path, arrays: dict[str, np.ndarray]) -> Features:
    arrays = {key: _composed(array) for key, array in arrays.items()}
    ids, features = arrays["ids"], arrays["features"]
    labels, categories = arrays.get("labels"), arrays.get("categories")
    if features.dtype.kind == "b":
        features = features.astype(np.uint8)
    if features.ndim != 2 or features.dtype.kind not in "fiu":
        got = f"{features.shape} {features.dtype}"
        raise InputError(f"{path}: features must be (N, D) numbers, got {got}")
    for key in ("ids", "source", "image", "also"):
        array = arrays.get(key)
        if array is not None and array.dtype.kind != "U":
            raise InputError(
                f"{path}: {key} must be strings, got {array.dtype}; save {key}.astype(str)"
            )
    if labels is not None and labels.ndim == 2 and 1 not in labels.shape:
        raise InputError(
            f"{path}: labels are one class a row, (N,), got {labels.shape}; where a row may have "
            "several, call the key categories, (N, C) of 0 and 1"
        )
    if categories is not None:
        categories = _zeros_and_ones(path, categories, len(features))
    if labels is not None and labels.dtype.kind not in "Uiu":
        raise InputError(
            f"{path}: labels must be whole numbers or strings, got {labels.dtype}; save "
            "labels.astype(int)"
        )
    for key in ("ids", "labels", "source", "image"):
        array = arrays.get(key)
        if array is not None and array.shape != (len(features),):
            got = f"{len(features)} features but {key} of shape {array.shape}"
            raise InputError(f"{path}: {got}; save one per row")
    also = arrays.get("also")
    if also is not None and (also.ndim != 2 or not also.shape[1] or len(also) != len(features)):
        raise InputError(
            f"{path}: also must be (N, K) strings for {len(features)} queries, got {also.shape}"
        )
    _check_ids(path, ids)
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise InputError(
            f"{path}: features of {len(bad)} rows are NaN or infinite, first row {bad[0]} "
            f"(id {str(ids[bad[0]])!r}); compute them again"
        )
    texts = (arrays.get("source"), arrays.get("image"))
    return Features(path, ids, features, labels, *texts, categories, also)


def _zeros_and_ones(path: Path, categories: np.ndarray, rows: int) -> np.ndarray:
    """The key `categories` as (N, C) bool."""
    if categories.ndim != 2 or len(categories) != rows or categories.dtype.kind not in "bfiu":
        got = f"{categories.shape} {categories.dtype} for {rows} features"
        hint = "; one class a row is the key labels, (N,)" if categories.ndim == 1 else ""
        raise InputError(f"{path}: categories must be (N, C) of 0 and 1, got {got}{hint}")
    odd = np.flatnonzero(((categories != 0) & (categories != 1)).any(axis=1))
    if len(odd):
        raise InputError(f"{path}: categories row {odd[0]} holds other numbers than 0 and 1")
    return categories.astype(bool)


def _check_ids(path: Path, ids: np.ndarray) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(ids.tolist()):
        if not name:
            raise InputError(f"{path}: id of row {row} is empty")
        if name in seen:
            raise InputError(
                f"{path}: id {name!r} occurs twice, rows {seen[name]} and {row}; ids are unique"
            )
        seen[name] = row
