"""The sentences of an image <-> sentence data set: one more table beside the prepared images.

    sentences.parquet       sentence (id), image (id), text; perhaps view

A sentence has the split of its image. Where there is a column `view`, a sentence speaks of its
image as that view shows it. A data set of sentences alone asks nothing of pairs of images, so its
queries table is empty (`no_queries`).

`dataset.json` may name tasks of its own for sentences, "image_text": task -> "view" of the images,
"protocol", and "whole", true where a caption must not be cut. Otherwise its "tasks" and "protocol"
are those of the sentences.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import atomic
from cmir_repro.core.tables import read_parquet
from cmir_repro.data.prepared import MEND, QUERY_COLUMNS, SPLITS, Prepared
from cmir_repro.data.words import has_word

FILE = "sentences.parquet"
COLUMNS = ("sentence", "image", "text")
VIEW = "view"


@dataclass(frozen=True)
class Pairs:
    """Images and sentences of one split; G images, S sentences.

    images: (G,) int64, rows of `Prepared.images`; image_ids: (G,) str.
    sentence_ids: (S,) str; image_of: (S,) int64, positions in `images`, ascending: the sentences
    of an image stand together. texts: S sentences.
    """

    images: np.ndarray
    image_ids: np.ndarray
    sentence_ids: np.ndarray
    image_of: np.ndarray
    texts: list[str]


@dataclass(frozen=True)
class ImageText:
    """One image <-> sentence task of a data set.

    view: of the images, or the name of ready features. protocol: a preset's name.
    table: COLUMNS, all str. whole: captions are read to their end, however long.
    """

    view: str
    protocol: str
    table: pd.DataFrame
    whole: bool


def image_text(data: Prepared, task: str) -> ImageText:
    """A task of a data set with sentences.

    Raises:
        InputError: unknown task, no pictures, or as `sentences`.
    """
    protocol = data.info["protocol"]
    tasks = data.info.get("image_text") or {
        name: {"view": views[1], "protocol": protocol} for name, views in data.info["tasks"].items()
    }
    if not tasks:
        sentences(data)  # refuses data without any, which pictures would not help
    data.check_task(task, tasks)
    found = tasks[task]
    table = sentences(data, found["view"])
    return ImageText(found["view"], found["protocol"], table, found.get("whole", False))


def sentences(data: Prepared, view: str | None = None) -> pd.DataFrame:
    """The sentences of a prepared data set: COLUMNS, all str.

    Args:
        view: whose sentences; needed only where the table says which sentence is for which view.

    Raises:
        InputError: it has none, or the table is damaged or does not fit the images.
    """
    path = data.folder / FILE
    if not path.exists():
        raise InputError(
            f"the data set {data.info['name']!r} has no sentences ({FILE}); "
            "cmir prepare captions makes one that has"
        )
    table = read_parquet(path, dict.fromkeys(COLUMNS, str), MEND)
    if VIEW in table:
        one_of(f"view of {data.info['name']} with sentences", view, table[VIEW].unique())
        table = table[table[VIEW] == view].drop(columns=VIEW).reset_index(drop=True)
    check(table, data.images, str(path))
    return table


def write_sentences(folder: Path, table: pd.DataFrame) -> None:
    """Write the sentences; to be called before `prepared.write`, which notes their digest.

    Raises:
        InputError: the folder cannot be written.
    """
    with atomic(Path(folder) / FILE) as temporary:
        columns = [*COLUMNS, VIEW] if VIEW in table else [*COLUMNS]
        table[columns].reset_index(drop=True).to_parquet(temporary)


def check(table: pd.DataFrame, images: pd.DataFrame, name: str) -> None:
    """Refuse sentences that would make an evaluation wrong.

    Raises:
        InputError: a column is missing, an id occurs twice or is unknown, a text is blank.
    """
    for column in COLUMNS:
        if column not in table:
            raise InputError(f"{name}: the sentences table lacks the column {column}")
        if not table[column].map(lambda value: isinstance(value, str)).all():
            raise InputError(f"{name}: the sentences column {column} holds what is no text")
    twice = table.duplicated(["sentence", VIEW] if VIEW in table else ["sentence"])
    if twice.any():
        raise InputError(f"{name}: sentence id {table.loc[twice, 'sentence'].iloc[0]!r} is twice")
    unknown = ~table["image"].isin(images["image"])
    if unknown.any():
        raise InputError(
            f"{name}: {int(unknown.sum()):,} sentences are of images that are not there, first "
            f"{table.loc[unknown, 'image'].iloc[0]!r}"
        )
    blank = ~table["text"].map(has_word).astype(bool)
    if blank.any():
        first = table[blank].iloc[0]
        raise InputError(
            f"{name}: sentence {first['sentence']!r} has no word, {first['text']!r:.60}, and so "
            f"have {int(blank.sum()):,} in all"
        )


def no_queries() -> pd.DataFrame:
    """The queries table of a data set that has none."""
    return pd.DataFrame({column: pd.Series(dtype=str) for column in QUERY_COLUMNS})


def pairs(data: Prepared, table: pd.DataFrame, split: str) -> Pairs:
    """Images and sentences of a split.

    Images come in the order of the image table and only where they have a sentence; the sentences
    of an image in the order of `table`.

    Args:
        data: the prepared data set.
        table: of `sentences`.
        split: "train", "val" or "test".

    Raises:
        InputError: unknown split, or no image of it has a sentence.
    """
    one_of("split", split, SPLITS)
    here = (data.images["split"] == split) & data.images["image"].isin(table["image"])
    images = np.flatnonzero(here)
    if not len(images):
        raise InputError(f"{data.info['name']}: no image of the split {split!r} has a sentence")
    ids = data.images["image"].to_numpy(dtype=str)[images]
    position = pd.Index(ids).get_indexer(table["image"])  # (all sentences,), -1: of other splits
    rows = np.argsort(position, kind="stable")
    rows = rows[position[rows] >= 0]
    return Pairs(
        images=images,
        image_ids=ids,
        sentence_ids=table["sentence"].to_numpy(dtype=str)[rows],
        image_of=position[rows].astype(np.int64),
        texts=table["text"].iloc[rows].tolist(),
    )
