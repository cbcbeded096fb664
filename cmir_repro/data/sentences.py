"""The sentences of an image <-> sentence data set: one more table beside the prepared images.

    sentences.parquet       sentence (id), image (id), text

A sentence has the split of its image. Such a data set asks nothing of pairs of images, so its
queries table is empty (`no_queries`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import atomic
from cmir_repro.data.css.scenes import SHAPES, SHAPES_3D
from cmir_repro.data.css.sentences import describe
from cmir_repro.data.prepared import QUERY_COLUMNS, SPLITS, Prepared

FILE = "sentences.parquet"
COLUMNS = ("sentence", "image", "text")
SHAPE_NAMES = {"2d": SHAPES, "3d": SHAPES_3D}  # what the shapes look like in a view of CSS
SEED = 0  # of the sentences about CSS


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


def sentences(data: Prepared) -> pd.DataFrame:
    """The sentences of a prepared data set: COLUMNS, all str.

    Raises:
        InputError: it has none, or the table is damaged or does not fit the images.
    """
    path = data.folder / FILE
    if not path.exists():
        raise InputError(
            f"the data set {data.info['name']!r} has no sentences ({FILE}); "
            "cmir prepare captions makes one that has"
        )
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise InputError(f"{path} is not readable ({error}); prepare the data set again") from error
    check(table, data.images, data.info["name"])
    return table


def write_sentences(folder: Path, table: pd.DataFrame) -> None:
    """Write the sentences; to be called before `prepared.write`, which notes their digest.

    Raises:
        InputError: the folder cannot be written.
    """
    with atomic(Path(folder) / FILE) as temporary:
        table[list(COLUMNS)].reset_index(drop=True).to_parquet(temporary)


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
    twice = table["sentence"].duplicated()
    if twice.any():
        raise InputError(f"{name}: sentence id {table.loc[twice, 'sentence'].iloc[0]!r} is twice")
    unknown = ~table["image"].isin(images["image"])
    if unknown.any():
        raise InputError(
            f"{name}: {int(unknown.sum()):,} sentences are of images that are not there, first "
            f"{table.loc[unknown, 'image'].iloc[0]!r}"
        )
    blank = table["text"].str.strip() == ""
    if blank.any():
        raise InputError(f"{name}: sentence {table.loc[blank, 'sentence'].iloc[0]!r} has no text")


def no_queries() -> pd.DataFrame:
    """The queries table of a data set that has none."""
    return pd.DataFrame({column: pd.Series(dtype=str) for column in QUERY_COLUMNS})


def pairs(data: Prepared, table: pd.DataFrame, split: str) -> Pairs:
    """Images and sentences of a split.

    Images come in the order of the image table and only where they have a sentence; the sentences
    of an image in the order of `table`.

    Args:
        data: the prepared data set.
        table: of `sentences` or `of_scenes`.
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


def of_scenes(data: Prepared, view: str, seed: int = SEED) -> pd.DataFrame:
    """Five sentences for each scene of the built-in CSS; COLUMNS, all str.

    Of images with equal scenes the first of each split is described and the others are left out:
    their sentences are equal too, so no ranking could tell them apart.

    Args:
        data: the data set of `css.prepare`.
        view: "2d" or "3d", which decides what shapes are called.
        seed: of `describe`.

    Raises:
        InputError: unknown view, or the labels are no scenes.
    """
    one_of("view to describe", view, SHAPE_NAMES)
    first = data.images[~data.images.duplicated(["split", "label"])]
    told = describe(first["label"].tolist(), SHAPE_NAMES[view], seed)
    rows = [
        (f"{image}#{number}", image, text)
        for image, five in zip(first["image"], told, strict=True)
        for number, text in enumerate(five)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
