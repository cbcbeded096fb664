"""What the scripts for data with categories share: splits, bags of words, data/NAME written."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import labelled
from cmir_repro.data.labelled import LABELS, TEXT
from cmir_repro.data.prepare.captions import NAME
from cmir_repro.data.prepare.reopen import reopen
from cmir_repro.data.prepare.table_hash import tables_hash
from cmir_repro.data.prepared import Prepared

PROTOCOL = "map-all"  # what all of them are scored by
ORDER = ("train", "test", "val")  # in which the released code takes slices of a shuffle


def finish(
    name: str,
    record: Mapping,
    images: pd.DataFrame,
    arrays: Mapping[str, np.ndarray],
    *,
    kind: str,
    words: list[str],
    categories: list[str],
    draw: Callable[[Path], None] | None = None,
) -> Prepared:
    """Write images with text and categories to data/NAME, or open what lies there if it is equal.

    Args:
        name: of the folder, and in dataset.json: lower-case letters, digits, - and _.
        record: for dataset.json: provenance, sources, licence, left_out, and perhaps audit,
            coverage, protocol and tasks.
        images, arrays, kind, words, categories: as in `labelled.write`.
        draw: called with the folder before it, for pixels and what is too large for memory.

    Raises:
        InputError: the name cannot be used, something else was prepared there before, or
            something does not fit together.
    """
    if not NAME.fullmatch(name) or name.split("-")[0] == "css":
        raise InputError(f"--name {name!r} cannot be used; take small letters, digits, - and _")
    target = paths.data() / name
    record = {
        "protocol": PROTOCOL,
        "tasks": {},
        **record,
        "name": name,
        "tables_sha256": tables_hash(images, pd.DataFrame({"word": words + categories})),
    }
    if (target / "dataset.json").exists():
        same = ("protocol", "sources", "licence", "tables_sha256")
        return reopen(target, {**record["provenance"], **{key: record[key] for key in same}})
    if TEXT in arrays and LABELS in arrays:  # before minutes of reading pictures
        labelled.assemble(
            images, np.arange(len(images)), arrays[TEXT], arrays[LABELS], words, categories
        )
    if draw is not None:
        draw(target)
    return labelled.write(
        target, record, images, arrays, kind=kind, words=words, categories=categories
    )


def hold_out(split: np.ndarray, val: float, seed: int) -> np.ndarray:
    """A share of the training images, drawn at random, as "val".

    Args:
        split: (N,) str, "train" or "test".
        val: share of those of train, in [0, 1).
        seed: of the draw.

    Returns:
        (N,) str, as objects.

    Raises:
        InputError: the share is impossible.
    """
    train = np.flatnonzero(split == "train")
    if not 0 <= val < 1 or round(val * len(train)) >= len(train):
        raise InputError(f"--val {val} must be a share of the {len(train):,} training images")
    rng = np.random.Generator(np.random.Philox(key=seed))
    out = np.array(split, dtype=object)
    out[rng.choice(train, round(val * len(train)), replace=False)] = "val"
    return out


def shuffled(labels: np.ndarray, sizes: Mapping[str, int], seed: int) -> dict[str, np.ndarray]:
    """Slices of one shuffle of all images: "train", "val", "test" -> (n,) int64, rows.

    Args:
        labels: (N, C), of which only N matters. sizes: train, val, test -> n.
        seed: of the shuffle.

    Raises:
        InputError: there are too few images.
    """
    if min(sizes.values()) < 0 or sum(sizes.values()) > len(labels):
        asked = " ".join(f"--{part} {size}" for part, size in sizes.items())
        raise InputError(f"{len(labels):,} images are too few for {asked}; ask for fewer")
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(labels))
    ends = np.cumsum([sizes[part] for part in ORDER])
    return dict(zip(ORDER, np.split(order, ends)[:3], strict=True))


def bag_of_words(rows: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> np.ndarray:
    """(N, D) uint8, 1: the row has the word; words that are not in the vocabulary do not count.

    Args:
        rows: N rows of words, however often. vocabulary: D different words.
    """
    out = np.zeros((len(rows), len(vocabulary)), dtype=np.uint8)
    row, word = _flat(rows)
    column = pd.Index(vocabulary, dtype=str).get_indexer(word)
    out[row[column >= 0], column[column >= 0]] = 1
    return out


def rows_with(rows: Sequence[Sequence[str]]) -> pd.Series:
    """In how many rows each word is, word -> count, in the order of the first mention."""
    row, word = _flat(rows)
    once = pd.DataFrame({"row": row, "word": word}).drop_duplicates()
    return once["word"].value_counts(sort=False)


def some(names: Sequence[str]) -> str:
    """How many, and the first of them."""
    names = list(names)
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"{len(names):,} ({listed})" if names else "0"


def digest(digests: Sequence[str]) -> str:
    """One digest of many."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def related(query: np.ndarray, database: np.ndarray) -> float:
    """The share, in percent, of the pairs (query, image) that share a category.

    Args:
        query: (Q, C), true where one carries the category. database: (N, C), the same.
    """
    database = database.astype(np.float32)
    hits = sum(
        int((query[start : start + 500].astype(np.float32) @ database.T > 0).sum())
        for start in range(0, len(query), 500)  # not all pairs in memory at once
    )
    return 100 * hits / (len(query) * len(database))


def _flat(rows: Sequence[Sequence[str]]) -> tuple[np.ndarray, pd.Series]:
    row = np.repeat(np.arange(len(rows)), [len(words) for words in rows])
    return row, pd.Series([word for words in rows for word in words], dtype=str)
