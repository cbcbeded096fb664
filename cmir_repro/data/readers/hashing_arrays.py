"""Pictures, texts and labels in the array files of papers on hashing, found by their names."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import orientation
from cmir_repro.data.readers.matlab import MatFile

# What is stored -> names in the releases of DCMH, UCCH and torchcmh.
KEYS = {
    "picture": ("images", "IAll", "XAll"),  # pixels (height, width, 3, N), or features (N, F)
    "text": ("YAll", "tags"),
    "labels": ("LAll", "labels"),
}
# Names that say the split: of P-GNN, of DSCMR (labels of pictures and of texts), and two more in
# common use. The words for train and test -> names, in which {} is such a word.
SPLIT_KEYS = {
    ("train", "test"): {
        "picture": ("{}_img",),
        "text": ("{}_txt",),
        "labels": ("{}_lab", "{}_img_lab", "{}_txt_lab"),
    },
    ("tr", "te"): {"picture": ("I_{}",), "text": ("T_{}",), "labels": ("L_{}",)},
    ("Train", "Test"): {"picture": ("X{}",), "text": ("Y{}",), "labels": ("L{}",)},
}
AGAIN = "labels again"  # those of the texts, where they have their own
MOST_CLASSES = 4096  # our choice: labels that count further are no class numbers
NAMES = ("FAll", "imgs")
_CHUNK = 2**25  # bytes read at a time, if a number takes 8
MOST, MOST_TIMES = 5 * 2**27, 2  # bytes of a whole matrix, and times those of its files; our choice


class Array(NamedTuple):
    """An array of N rows in one of the files: which axis has them, in MATLAB's order."""

    mat: MatFile
    key: str
    axis: int

    def __len__(self) -> int:
        return self.mat.shapes[self.key][self.axis]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row."""
        shape = self.mat.shapes[self.key]
        return shape[: self.axis] + shape[self.axis + 1 :]

    def take(self, part: slice) -> np.ndarray:
        return self.mat.take(self.key, self.axis, part)

    def said(self) -> str:
        return f"{self.mat.path}: {self.key} {self.mat.shapes[self.key]}"


class Rows:
    """Arrays of some splits, one after the other, as one of N rows."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = list(arrays)
        self.shape = self.arrays[0].shape
        for array in self.arrays:
            if array.shape != self.shape:
                raise InputError(f"{array.said()} does not go with {self.arrays[0].said()}")

    def __len__(self) -> int:
        return sum(map(len, self.arrays))

    def chunks(self) -> Iterator[np.ndarray]:
        rows = max(1, _CHUNK // (8 * max(1, prod(self.shape))))
        for array in self.arrays:
            for start in range(0, len(array), rows):
                yield array.take(slice(start, min(start + rows, len(array))))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """rows: (n,) int64, ascending; all between the first and the last are read."""
        out, before = [], 0
        for array in self.arrays:
            here = rows[(rows >= before) & (rows < before + len(array))] - before
            if len(here):
                out.append(array.take(slice(here[0], here[-1] + 1))[here - here[0]])
            before += len(array)
        return np.concatenate(out)

    def matrix(self) -> np.ndarray:
        """(N, D) uint8 if it holds 0 and 1 alone, else float32; D is 1 of a vector.

        Raises:
            InputError: it is no matrix, or a number is not finite.
        """
        if len(self.shape) > 1:
            raise InputError(f"{self.arrays[0].said()} is no matrix")
        width = self.shape[0] if self.shape else 1
        files = {array.mat.path for array in self.arrays}
        most = MOST + MOST_TIMES * sum(path.stat().st_size for path in files)
        out, done = np.empty((len(self), width), np.uint8), 0
        for block in self.chunks():
            block = block.reshape(len(block), width)
            if not np.isfinite(block).all():
                raise InputError(f"{self.arrays[0].said()} holds a number that is not finite")
            if out.dtype == np.uint8 and not ((block == 0) | (block == 1)).all():
                if 4 * out.size > most:
                    raise InputError(
                        f"{self.arrays[0].said()} takes {4 * out.size:,} bytes, over {most:,}"
                    )
                out = out.astype(np.float32)
            out[done : done + len(block)] = block
            done += len(block)
        return out


class Found(NamedTuple):
    """picture: of N rows, or None; text, labels: of N rows; sizes: N of train and test, if the
    files say so; names: of the pictures' files, or None."""

    picture: Rows | None
    text: Rows
    labels: Rows
    sizes: tuple[int, int] | None
    names: list[str] | None


def find(mats: Sequence[MatFile], samples: str | None = None) -> Found:
    """The arrays of KEYS or SPLIT_KEYS in the files.

    Rows are along the one size that pictures, texts and labels share: MATLAB's order and Python's
    are both in use. Of two such sizes it is the larger one. A square array has its rows where the
    other matrices of its file have them, or else those of files of its kind.

    Args:
        samples: of AXES, where the rows of a square array are, as h5py or scipy shows it; None:
            where the others are.

    Raises:
        InputError: text or labels are missing, sizes do not agree, or nothing tells where the rows
            of a square array are.
    """
    where = {key: mat for mat in reversed(mats) for key in mat.shapes}
    words, keys = _naming(where)
    parts = []
    for word in words:
        part = {}
        for what, patterns in keys.items():
            names = [pattern.format(word) for pattern in patterns]
            there = [name for name in names if name in where]
            roles = (what, AGAIN) if word and what == "labels" else (what,)
            for role, key in zip(roles, there, strict=False):
                part[role] = (where[key], key)
            if not there and what != "picture":
                has = ", ".join(f"{key} {mat.shapes[key]}" for key, mat in where.items())
                raise InputError(
                    f"{mats[0].path.name} and the other files have no array {' or '.join(names)}, "
                    f"the {what}; they have: {has or 'none'}"
                )
        parts.append(part)
    by_split = len(words) == 2
    placed = orientation.placed([_sized(part) for part in parts], samples)
    aligned = [{what: Array(*place) for what, place in part.items()} for part in placed]
    for part in aligned:
        _same_labels(part)
    picture = [part["picture"] for part in aligned if "picture" in part]
    if len(picture) not in (0, len(aligned)):
        raise InputError(f"{picture[0].said()} is there for one split only")
    names = next((mat.texts(key) for mat in mats for key in NAMES if key in mat.named), None)
    labels = Rows([part["labels"] for part in aligned])
    if names is not None and len(names) != len(labels):
        raise InputError(f"there are {len(names):,} names of pictures and {len(labels):,} labels")
    return Found(
        Rows(picture) if picture else None,
        Rows([part["text"] for part in aligned]),
        labels,
        tuple(len(part["labels"]) for part in aligned) if by_split else None,
        names,
    )


def categories(labels: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Labels as rows of 0 and 1, whether they are stored so or as one class number a row.

    Returns:
        (N, C) uint8, and (C,) int64 the number of each category: of its column, counted from 1, or
        of its class.

    Raises:
        InputError: they are neither, or one column of 0 and 1, which may be either.
    """
    values, said = labels.matrix(), labels.arrays[0].said()
    if values.shape[1] > 1:
        if values.dtype != np.uint8:
            raise InputError(f"{said} holds other numbers than 0 and 1")
        return values, np.arange(1, values.shape[1] + 1)
    if values.dtype == np.uint8:
        raise InputError(
            f"{said} is one column of 0 and 1, two classes or one category; save a column for each"
        )
    if (values < 0).any() or (values != np.round(values)).any():
        raise InputError(
            f"{said} holds other numbers than classes, which are whole and not below 0"
        )
    numbers, column = np.unique(values, return_inverse=True)
    if len(numbers) > MOST_CLASSES:
        raise InputError(f"{said} holds {len(numbers):,} classes, over {MOST_CLASSES:,}")
    return np.eye(len(numbers), dtype=np.uint8)[column.ravel()], numbers.astype(np.int64)


def _naming(where: dict[str, MatFile]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The words for the splits, ("",) for none, and the names that the files follow."""
    for words, keys in SPLIT_KEYS.items():
        if any(pattern.format(words[0]) in where for pattern in keys["labels"]):
            return words, keys
    return ("",), KEYS


def _same_labels(part: dict[str, Array]) -> None:
    """Refuse labels of texts that are not those of their pictures: row i of each is one pair."""
    if AGAIN in part:
        of_pictures, of_texts = (Rows([part[what]]).matrix() for what in ("labels", AGAIN))
        if not np.array_equal(of_pictures, of_texts):
            raise InputError(
                f"{part['labels'].said()} and {part[AGAIN].said()} differ; pictures and texts must "
                "come in pairs"
            )


def _sized(part: dict[str, tuple[MatFile, str]]) -> dict[str, tuple[MatFile, str, int]]:
    """Arrays with the number of their rows."""
    shapes = {what: mat.shapes[key] for what, (mat, key) in part.items()}
    shared = set.intersection(*map(set, shapes.values()))
    if not shared:
        said = ", ".join(f"{part[what][1]} {shape}" for what, shape in shapes.items())
        raise InputError(f"{said} have no number of rows in common; are they of one release?")
    return {what: (*place, max(shared)) for what, place in part.items()}
