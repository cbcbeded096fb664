"""MIRFLICKR-25K, pictures with tags and categories, into the prepared layout."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.prepare import labels as labelled_release
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import tags as tag_files
from cmir_repro.data.readers.tags import Tagged
from data_scripts import options

# The owners' and those of iTomxy/data; 20,015 is what DCMH and its successors use.
EXPECTED = {
    "images": 25_000,
    "tags in the vocabulary": 1_386,
    "categories": 24,
    "labels": 92_902,
    "labels of images without a file of tags": 0,
    "tags of all images": 94_281,
    "images with a category": 24_581,
    "images with a category and a tag": 20_015,
}
# A list _r1 is a part of another one, so that images with a category stay the same.
WITH_RELEVANT = {k: v for k, v in EXPECTED.items() if k != "labels"} | {"categories": 38}
SOURCES = ["https://press.liacs.nl/mirflickr/mirdownload.html"]
LICENCE = "pictures: each its own licence (meta/license); annotations: not stated"


def read(root: Path, annotations: Path, relevant: bool) -> tuple[Tagged, dict]:
    """The release as it is, and what its audit counts.

    Args:
        root: folder with meta/tags and doc/common_tags.txt.
        annotations: folder with CLASS.txt and CLASS_r1.txt.
        relevant: CLASS_r1, the pictures to which a class is more than incidental, is one more.

    Raises:
        InputError: a file is missing or damaged.
    """
    words = tag_files.names(root / "doc" / "common_tags.txt", counted=True)
    numbers, told = _numbered(root / "meta" / "tags")
    text = tag_files.tags(told, words)
    lists = sorted(annotations.glob("*.txt"), key=lambda file: file.stem)
    lists = [f for f in lists if f.stem != "README" and (relevant or not f.stem.endswith("_r1"))]
    if not lists:
        raise InputError(f"{annotations} has no CLASS.txt; --labels names the annotations' folder")
    labels = np.zeros((len(numbers), len(lists)), dtype=bool)
    astray = 0
    for number, file in enumerate(lists):
        listed = tag_files.members(file)
        here = np.isin(listed, numbers)
        labels[np.searchsorted(numbers, listed[here]), number] = True
        astray += int((~here).sum())
    some, both = labels.any(1), labels.any(1) & text.any(1)
    counts = {
        "images": len(numbers),
        "tags in the vocabulary": len(words),
        "categories": len(lists),
        "labels": int(labels.sum()),
        "labels of images without a file of tags": astray,
        "tags of all images": int(text.sum(dtype=np.int64)),
        "images with a category": int(some.sum()),
        "images with a category and a tag": int(both.sum()),
    }
    names = [f"im{number}" for number in numbers[both]]
    left_out = [
        f"images without a category: {(~some).sum():,}",
        f"other images without one of the {len(words):,} tags: {(some & ~both).sum():,}",
    ]
    files = {"doc/common_tags.txt": sha256(root / "doc" / "common_tags.txt")}
    files |= {file.name: sha256(file) for file in lists}
    files["meta/tags, as a matrix"] = hashlib.sha256(text.tobytes()).hexdigest()
    categories = [file.stem for file in lists]
    packed = np.packbits(text[both], axis=1)
    found = Tagged(
        names, names, packed, labels[both], words, categories, files, left_out, SOURCES, LICENCE
    )
    return found, counts


def prepare(
    *,
    root: Annotated[Path, typer.Option(metavar="FOLDER", help="with meta/tags and doc")],
    labels: Annotated[Path, typer.Option(metavar="FOLDER", help="of CLASS.txt")],
    classes: Annotated[Literal[24, 38], typer.Option(help="38: with _r1")] = 24,
    images: options.Images = None,
    annotations_only: options.AnnotationsOnly = False,
    train: options.TrainImages = 10_000,
    val: options.ValImages = 2_000,
    test: options.TestImages = 2_000,
    seed: options.Seed = 0,
    name: options.Name = None,
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """MIRFLICKR-25K: pictures with tags and categories.

    The audit is printed and must give the known counts; --partial takes others.
    """
    options.one_given(images=images, annotations_only=annotations_only)
    known, expected = "mirflickr", EXPECTED
    if classes == 38:
        known, expected = "mirflickr-38", WITH_RELEVANT
    found, counts = read(root, labels, classes == 38)
    return labelled_release.prepare_tagged(
        known,
        found,
        counts,
        expected,
        labelled_release.shuffled,
        labelled_release.SHUFFLED,
        {"train": train, "val": val, "test": test},
        seed,
        images,
        name=name,
        size=size,
        allow_missing=allow_missing,
        partial=partial,
    )


def _numbered(folder: Path) -> tuple[np.ndarray, list[Path]]:
    """The numbers of the pictures that have a file of tags, ascending, and these files."""
    found = {
        int(match[1]): file
        for file in (folder.iterdir() if folder.is_dir() else ())
        if (match := re.fullmatch(r"tags([1-9][0-9]{0,8})\.txt", file.name))
    }
    if not found:
        raise InputError(f"{folder} has no tags1.txt ...; --root names the folder above meta/")
    numbers = sorted(found)
    return np.array(numbers, dtype=np.int64), [found[number] for number in numbers]


if __name__ == "__main__":
    options.as_command(__file__)
