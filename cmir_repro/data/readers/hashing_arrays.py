"""Pictures, texts and labels in the array files of papers on hashing, found by their names."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.matlab import MatFile

# What is stored -> names in the releases of DCMH, UCCH and torchcmh; those of P-GNN say the split.
KEYS = {
    "picture": ("images", "IAll", "XAll"),  # pixels (height, width, 3, N), or features (N, F)
    "text": ("YAll", "tags"),
    "labels": ("LAll", "labels"),
}
SPLIT_KEYS = {"picture": "img", "text": "txt", "labels": "lab"}  # train_img, test_img ...
NAMES = ("FAll", "imgs")
_CHUNK = 8192  # rows read at a time


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
        for array in self.arrays:
            for start in range(0, len(array), _CHUNK):
                yield array.take(slice(start, min(start + _CHUNK, len(array))))

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
        """(N, D) uint8 if it holds 0 and 1 alone, else float32.

        Raises:
            InputError: it is no matrix, or a number is not finite.
        """
        if len(self.shape) != 1:
            raise InputError(f"{self.arrays[0].said()} is no matrix")
        out, binary, done = np.empty((len(self), *self.shape), np.float32), True, 0
        for block in self.chunks():
            if not np.isfinite(block).all():
                raise InputError(f"{self.arrays[0].said()} holds a number that is not finite")
            out[done : done + len(block)] = block
            binary = binary and bool(((block == 0) | (block == 1)).all())
            done += len(block)
        return out.astype(np.uint8) if binary else out


class Found(NamedTuple):
    """picture: of N rows, or None; text, labels: of N rows; sizes: N of train and test, if the
    files say so; names: of the pictures' files, or None."""

    picture: Rows | None
    text: Rows
    labels: Rows
    sizes: tuple[int, int] | None
    names: list[str] | None


def find(mats: Sequence[MatFile]) -> Found:
    """The arrays of KEYS or SPLIT_KEYS in the files.

    Rows are along the one size that pictures, texts and labels share: MATLAB's order and Python's
    are both in use. Of two such sizes it is the larger one.

    Raises:
        InputError: text or labels are missing, or sizes do not agree.
    """
    where = {key: mat for mat in reversed(mats) for key in mat.shapes}
    by_split = f"train_{SPLIT_KEYS['labels']}" in where
    parts = []
    for split in ("train_", "test_") if by_split else ("",):
        part = {}
        for what, keys in KEYS.items():
            names = (f"{split}{SPLIT_KEYS[what]}",) if by_split else keys
            key = next((name for name in names if name in where), None)
            if key is not None:
                part[what] = (where[key], key)
            elif what != "picture":
                has = ", ".join(f"{key} {mat.shapes[key]}" for key, mat in where.items())
                raise InputError(
                    f"{mats[0].path.name} and the other files have no array {' or '.join(names)}, "
                    f"the {what}; they have: {has or 'none'}"
                )
        parts.append(_aligned(part))
    picture = [part["picture"] for part in parts if "picture" in part]
    if len(picture) not in (0, len(parts)):
        raise InputError(f"{picture[0].said()} is there for one split only")
    names = next((mat.texts(key) for mat in mats for key in NAMES if key in mat.named), None)
    labels = Rows([part["labels"] for part in parts])
    if names is not None and len(names) != len(labels):
        raise InputError(f"there are {len(names):,} names of pictures and {len(labels):,} labels")
    return Found(
        Rows(picture) if picture else None,
        Rows([part["text"] for part in parts]),
        labels,
        tuple(len(part["labels"]) for part in parts) if by_split else None,
        names,
    )


def _aligned(part: dict[str, tuple[MatFile, str]]) -> dict[str, Array]:
    """Arrays with the axis that has the rows."""
    shapes = {what: mat.shapes[key] for what, (mat, key) in part.items()}
    shared = set.intersection(*map(set, shapes.values()))
    if not shared:
        said = ", ".join(f"{part[what][1]} {shape}" for what, shape in shapes.items())
        raise InputError(f"{said} have no number of rows in common; are they of one release?")
    count = max(shared)
    return {what: Array(mat, key, shapes[what].index(count)) for what, (mat, key) in part.items()}
