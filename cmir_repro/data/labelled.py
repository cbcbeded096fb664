"""Images with tags (or another vector of text) and categories, beside the prepared images.

    ready-text-PART.npy     (N, D), tags as uint8 0/1, or float features of a text
    ready-labels-PART.npy   uint8 (N, C), 1: the image carries the category
    ready-image-PART.npy    float (N, F), features of the pictures; may be absent
    ready-used-PART.npy     uint8 (N,), 1: the image belongs to these data; absent where all do

Rows are those of the part, as of pixel files. `dataset.json` names D and C: "text" holds "kind"
(a key of KINDS) and "names", "categories" the names. The column `trains` of the image table says
which images of the split "train" are trained on; the others are in the database only. A data set
of labels alone has no queries between images, so that table is empty.

Its one task is called "labels". A data set with several says so in `dataset.json`, "labelled":
task -> "view", "protocol", "kind", "names", "categories", and "columns", the first of its
categories among the C and the first that is not.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, naming, one_of
from cmir_repro.core.files import atomic
from cmir_repro.data.prepared import Prepared

KINDS = ("tags", "features")  # a bag of words, 0 or 1 each; or numbers of any size
TEXT, LABELS, IMAGE, USED = "text", "labels", "image", "used"  # names of the ready arrays
TASK = "labels"  # of a data set with one


@dataclass(frozen=True)
class Labelled:
    """N images with text and categories; the four index arrays hold positions among them.

    images: (N,) int64, rows of `Prepared.images`; ids: (N,) str.
    text: (N, D) uint8 or float32; labels: (N, C) bool.
    train, val, query, database: int64. The database is everything but the queries, images trained
    and validated on included, as is usual in this field (DCMH and its successors).
    view: of the pictures, "" where there are none. protocol: a preset's name. kind: of KINDS.
    """

    images: np.ndarray
    ids: np.ndarray
    text: np.ndarray
    labels: np.ndarray
    words: list[str]
    categories: list[str]
    train: np.ndarray
    val: np.ndarray
    query: np.ndarray
    database: np.ndarray
    view: str = ""
    protocol: str = "map-all"
    kind: str = "tags"


def assemble(
    images: pd.DataFrame,
    rows: np.ndarray,
    text: np.ndarray,
    labels: np.ndarray,
    words: list[str],
    categories: list[str],
) -> Labelled:
    """Arrays and splits as one value.

    Args:
        images: the image table. rows: (N,) int64, its rows that are used.
        text: (N, D). labels: (N, C), true where the image carries the category.

    Raises:
        InputError: shapes or names do not agree, a number is not finite, or a split is empty.
    """
    table = images.iloc[rows]
    _check_shapes(table, text, labels, words, categories)
    split = table["split"].to_numpy()
    trains = table["trains"].to_numpy(dtype=bool) if "trains" in table else split == "train"
    found = Labelled(
        images=np.asarray(rows, dtype=np.int64),
        ids=table["image"].to_numpy(dtype=str),
        text=text,
        labels=np.asarray(labels, dtype=bool),
        words=list(words),
        categories=list(categories),
        train=np.flatnonzero((split == "train") & trains),
        val=np.flatnonzero(split == "val"),
        query=np.flatnonzero(split == "test"),
        database=np.flatnonzero(split != "test"),
    )
    for name in ("train", "query", "database"):
        if not len(getattr(found, name)):
            raise InputError(f"no image is for {name}; the column split says train, val or test")
    return found


def labelled(data: Prepared, task: str = TASK) -> Labelled:
    """The text and categories of a task of a prepared data set.

    Raises:
        InputError: it has none, or they are damaged.
    """
    name, tasks = data.info["name"], _tasks(data)
    one_of(f"task of {name}", task, tasks)
    told = tasks[task]
    one_of(f"text kind of {name}", told.get("kind"), KINDS)

    def array(what: str, rows: np.ndarray) -> np.ndarray:
        return data.gather(rows, lambda part: data.ready(what, part))

    rows = np.arange(len(data.images))
    if data.has_ready(USED):
        rows = np.flatnonzero(array(USED, rows))
    labels = array(LABELS, rows)[:, slice(*told.get("columns", (None,)))]
    text = array(TEXT, rows)
    with naming(data.folder):
        found = assemble(data.images, rows, text, labels, told["names"], told["categories"])
    return replace(found, **{key: told[key] for key in ("view", "protocol", "kind")})


def _tasks(data: Prepared) -> dict[str, dict]:
    if "labelled" in data.info:
        return data.info["labelled"]
    for key in ("text", "categories"):
        if key not in data.info:
            raise InputError(
                f"the data set {data.info['name']!r} has no {key} for label-based retrieval; "
                "docs/data/labelled.md says how to make data that have"
            )
    view = next(iter(data.views), "")
    shared = {key: data.info[key] for key in ("protocol", "categories")}
    return {TASK: {"view": view, **shared, **data.info["text"]}}


def save_array(folder: Path, name: str, array: np.ndarray, part: str = "all") -> None:
    """Write an array of a part, one row an image."""
    with atomic(array_file(folder, name, part)) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def array_file(folder: Path, name: str, part: str = "all") -> Path:
    """Where an array of a part lies; data of labels alone have one part, "all"."""
    return Path(folder) / f"ready-{name}-{part}.npy"


def _check_shapes(table: pd.DataFrame, text, labels, words, categories) -> None:
    for what, array, names in (("text", text, words), ("labels", labels, categories)):
        if array.shape != (len(table), len(names)):
            raise InputError(
                f"{what} {array.shape} does not fit {len(table):,} images and {len(names):,} names"
            )
        if len(set(names)) < len(names):
            twice = pd.Index(names)[pd.Index(names).duplicated()][0]
            raise InputError(f"{what}: the name {twice!r} occurs twice")
    if text.dtype.kind == "f" and not np.isfinite(text).all():
        row = int(np.flatnonzero(~np.isfinite(text).all(1))[0])
        raise InputError(f"text of image {table['image'].iloc[row]!r} holds no finite number")
    odd = np.flatnonzero(((labels != 0) & (labels != 1)).any(1))
    if len(odd):
        raise InputError(f"labels of image {table['image'].iloc[odd[0]]!r} are not all 0 or 1")
