"""NUS-WIDE, pictures with tags and categories, into the prepared layout."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.prepare import labels as labelled_release
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import tags as tag_files
from cmir_repro.data.readers.files import inside_path
from cmir_repro.data.readers.tags import Tagged
from data_scripts import options

IMAGES, CONCEPTS = "ImageList/Imagelist.txt", "ConceptsList/Concepts81.txt"
TAGS, WORDS = "NUS_WID_Tags/AllTags1k.txt", "NUS_WID_Tags/TagList1k.txt"
LABELS = "Groundtruth/AllLabels/Labels_{}.txt"
# Those of iTomxy/data. DCMH and its successors use all images with a category, CRCGS ranks those
# that have a tag too.
EXPECTED = {
    "images": 269_648,
    "concepts": 81,
    "tags in the vocabulary": 1_000,
    "labels of all concepts": 503_848,
    "tags of all images": 1_559_464,
}
OF_CATEGORIES = {
    21: {
        "labels of the 21 categories": 411_438,
        "images with a category": 195_834,
        "images with a category and a tag": 190_421,
    },
    10: {
        "labels of the 10 categories": 332_189,
        "images with a category": 186_577,
        "images with a category and a tag": 181_365,
    },
}
SOURCES = ["https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html"]
LICENCE = "not stated"
RULE = (
    "test, val, train in this order; of each category, from the rarest in what is left to the most "
    "frequent, equally many; the others in the database only"
)


def read(root: Path, classes: int) -> tuple[Tagged, dict]:
    """The images that have one of the most frequent categories and a tag, and the audit's counts.

    Args:
        root: folder with Groundtruth, ConceptsList, ImageList and NUS_WID_Tags.
        classes: how many categories.

    Raises:
        InputError: a file is missing or damaged.
    """
    listed = tag_files.names(root / IMAGES)
    concepts = tag_files.names(root / CONCEPTS)
    words = tag_files.names(root / WORDS)
    labels = np.zeros((len(listed), len(concepts)), dtype=bool)
    for number, concept in enumerate(concepts):
        file = root / LABELS.format(inside_path(CONCEPTS, concept))
        one = tag_files.column(file)
        if len(one) != len(listed):
            raise InputError(
                f"{file} has {len(one):,} lines, {IMAGES} {len(listed):,}; get them again"
            )
        labels[:, number] = one
    top = most_frequent(labels, classes)
    counts = {
        "images": len(listed),
        "concepts": len(concepts),
        "tags in the vocabulary": len(words),
        "labels of all concepts": int(labels.sum()),
    }
    labels = labels[:, top]
    some = labels.any(1)
    rows, text, ones = tag_files.rows_with_tags(root / TAGS, len(words), some)
    counts |= {
        "tags of all images": ones,
        f"labels of the {classes} categories": int(labels.sum()),
        "images with a category": int(some.sum()),
        "images with a category and a tag": len(rows),
    }
    where = [inside_path(IMAGES, listed[row].replace("\\", "/")) for row in rows]
    left_out = [
        f"images without one of the {classes} categories: {(~some).sum():,}",
        f"other images without one of the {len(words):,} tags: {some.sum() - len(rows):,}",
    ]
    read_whole = [IMAGES, CONCEPTS, WORDS, TAGS, *(LABELS.format(c) for c in concepts)]
    files = {name: sha256(root / name) for name in read_whole}
    categories = [concepts[number] for number in top]
    found = Tagged(
        where, where, text, labels[rows], words, categories, files, left_out, SOURCES, LICENCE
    )
    return found, counts


def most_frequent(labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes,) int64: the columns with most ones, ascending; of equal ones the first are taken.

    Args:
        labels: (N, C) bool.

    Raises:
        InputError: there are too few columns.
    """
    if labels.shape[1] < classes:
        raise InputError(f"{CONCEPTS} has {labels.shape[1]} concepts, asked for {classes}")
    return np.sort(np.argsort(-labels.sum(0), kind="stable")[:classes])


def rarest_first(labels: np.ndarray, each: int, rng: np.random.Generator) -> np.ndarray:
    """`each` rows of every category, drawn so that rare ones are not used up by frequent ones.

    Categories come from the rarest to the most frequent; a row drawn for one is not drawn again.
    CRCGS' rule, as its public code has it.

    Args:
        labels: (N, C) bool, of the rows that may be drawn.

    Returns:
        (each * C,) int64.

    Raises:
        InputError: a category has too few rows left.
    """
    free, drawn = np.ones(len(labels), dtype=bool), []
    for category in np.argsort(labels.sum(0), kind="stable"):
        rows = np.flatnonzero(free & labels[:, category])
        if len(rows) < each:
            raise InputError(
                f"category number {category + 1} has {len(rows):,} images left, {each:,} are to be "
                "drawn; ask for fewer by --train, --val or --test"
            )
        drawn.append(rng.choice(rows, each, replace=False))
        free[drawn[-1]] = False
    return np.concatenate(drawn)


def split(labels: np.ndarray, sizes: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """Rows for each split, by RULE.

    Args:
        labels: (N, C) bool. sizes: train, val, test -> how many images.

    Raises:
        InputError: a size is no multiple of C, or a category has too few images.
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    left, out = np.arange(len(labels)), {}
    for part in ("test", "val", "train"):
        each, more = divmod(sizes[part], labels.shape[1])
        if more or each < 0:
            raise InputError(
                f"--{part} {sizes[part]} must be a multiple of the {labels.shape[1]} categories"
            )
        out[part] = left[rarest_first(labels[left], each, rng)]
        left = np.setdiff1d(left, out[part])
    return out


def prepare(
    *,
    root: Annotated[Path, typer.Option(metavar="FOLDER", help="with Groundtruth, ImageList ...")],
    classes: Annotated[Literal[10, 21], typer.Option(help="most frequent")] = 21,
    images: options.Images = None,
    annotations_only: options.AnnotationsOnly = False,
    train: options.TrainImages = 10_500,
    val: options.ValImages = 2_100,
    test: options.TestImages = 2_100,
    seed: options.Seed = 0,
    name: options.Name = None,
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """NUS-WIDE: pictures with tags and categories.

    The audit is printed and must give the known counts; --partial takes others.
    """
    options.one_given(images=images, annotations_only=annotations_only)
    found, counts = read(root, classes)
    return labelled_release.prepare_tagged(
        f"nuswide-tc{classes}",
        found,
        counts,
        EXPECTED | OF_CATEGORIES[classes],
        split,
        RULE,
        {"train": train, "val": val, "test": test},
        seed,
        images,
        name=name,
        size=size,
        allow_missing=allow_missing,
        partial=partial,
    )


if __name__ == "__main__":
    options.as_command(__file__)
