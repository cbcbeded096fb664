"""COCO's pictures with words of their captions and the 80 categories, into the prepared layout."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
import typer

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.prepare import labels as labelled_release
from cmir_repro.data.prepare.captions import RELEASES
from cmir_repro.data.prepare.on_disk import find_pictures
from cmir_repro.data.prepare.pictures import (
    is_gray,
)
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.captions import coco
from cmir_repro.data.readers.files import ids_of, json_field, located, read_json
from cmir_repro.data.readers.tags import Tagged
from cmir_repro.data.tokenizers import clean
from data_scripts import options

# NLTK's English stop words without contractions; both conventions leave them out.
_STOP = (
    "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself "
    "she her hers herself it its itself they them their theirs themselves what which who whom this "
    "that these those am is are was were be been being have has had having do does did doing a an "
    "the and but if or because as until while of at by for with about against between into through "
    "during before after above below to from up down in out on off over under again further then "
    "once here there when where why how all any both each few more most other some such no nor not "
    "only own same so than too very s t can will just don should now"
)
STOP_WORDS = frozenset(_STOP.split())


class Convention(NamedTuple):
    """words: of a caption; grey: whether grey pictures count; expected: counts of the audit."""

    words: Callable[[str], list[str]]
    grey: bool
    expected: dict[str, int]


CONVENTIONS = {
    # Luo et al. 2019 (DAEVR), on train2014 alone; CRCGS has the same D and C. Marks stay on words.
    "daevr": Convention(
        lambda text: [word for word in text.lower().split(" ") if word],
        False,
        {"categories": 80, "words": 2_000},
    ),
    # train2014 and val2014 together, as in the hashing papers (counts: iTomxy/data, UCCH). Those
    # differ in their text; a bag of cleaned words is our choice.
    "hashing": Convention(
        lambda text: clean(text, None).split(),
        True,
        {
            "pictures": 123_287,
            "categories": 80,
            "pictures with a category": 122_218,
            "labels": 357_627,
        },
    ),
}


class Instances(NamedTuple):
    """images: image, path, and labels, the positions of its categories; names: of these."""

    images: pd.DataFrame
    names: list[str]


def read_instances(files: Sequence[Path]) -> Instances:
    """COCO's instance files: which categories a picture has, in order of the files.

    Raises:
        InputError: a file is missing or says something impossible, or categories differ.
    """
    found, names = {}, None
    for file in files:
        value = read_json(file, dict)
        listed = {}
        for number, entry in enumerate(json_field(file.name, value, "categories", list)):
            place = f"{file.name}, category {number}"
            key, name = json_field(place, entry, "id", int), json_field(place, entry, "name", str)
            if key in listed or name in listed.values() or not name.isprintable():
                raise InputError(f"{place}: {key} {name!r:.60} is there twice or no name")
            listed[key] = name
        if names is not None and list(listed.items()) != names:
            raise InputError(f"{file} has other categories than {files[0]}; give files of one year")
        names = list(listed.items())
        place_of = {key: position for position, key in enumerate(listed)}
        folder = file.stem.rpartition("_")[2]  # instances_train2014 -> train2014
        here = {}
        for number, entry in enumerate(json_field(file.name, value, "images", list)):
            place = f"{file.name}, image {number}"
            key = json_field(place, entry, "id", int)
            path = located(place, json_field(place, entry, "file_name", str))
            if key in here or path in found:
                raise InputError(f"{place}: {path!r} is listed twice; get the file again")
            here[key] = found[path] = (path, folder, set())
        for number, entry in enumerate(json_field(file.name, value, "annotations", list)):
            place = f"{file.name}, annotation {number}"
            image, category = (
                json_field(place, entry, k, int) for k in ("image_id", "category_id")
            )
            if image not in here or category not in place_of:
                raise InputError(f"{place}: image {image} or category {category} is not listed")
            here[image][2].add(place_of[category])
    rows = [(image, *row) for image, row in zip(ids_of(list(found)), found.values(), strict=True)]
    table = pd.DataFrame(rows, columns=["image", "path", "folder", "labels"])
    return Instances(table, [name for _, name in names])


def read(
    instance_files: Sequence[Path],
    caption_files: Sequence[Path],
    convention: Convention,
    words: int,
    pictures: Path | None,
) -> tuple[Tagged, dict[str, int]]:
    """The pictures with a word and a category, and what the audit counts.

    The vocabulary is that of all captions, as in the released code: the most frequent words.

    Args:
        words: D. pictures: folder of the photographs; None: none is looked at.

    Raises:
        InputError: a file is missing or damaged, or nothing is left.
    """
    table, names = read_instances(instance_files)
    told = pd.concat([coco(file, None).sentences for file in caption_files])
    said = [convention.words(text) for text in told["text"]]
    counted = Counter(word for row in said for word in row if word not in STOP_WORDS)
    vocabulary = sorted(sorted(counted), key=counted.get, reverse=True)[:words]
    if not vocabulary:
        raise InputError(f"{caption_files[0]}: no caption has a word besides stop words")
    words_of = {image: [] for image in table["image"]}
    for image, row in zip(told["image"], said, strict=True):
        words_of.get(image, []).extend(row)
    text = labelled_release.bag_of_words(list(words_of.values()), vocabulary)
    labels = np.zeros((len(table), len(names)), dtype=bool)
    row = np.repeat(np.arange(len(table)), table["labels"].map(len))
    labels[row, [column for row in table["labels"] for column in sorted(row)]] = True

    paths = table["path"]
    if pictures is not None:
        inner = {f: (Path(pictures) / f).is_dir() for f in table["folder"].unique()}
        paths = paths.where(~table["folder"].map(inner), table["folder"] + "/" + paths)
    grey = np.zeros(len(table), dtype=bool)
    if pictures is not None and not convention.grey:
        grey = np.array(
            [file is not None and is_gray(file) for file in find_pictures(pictures, paths)]
        )
    some, worded = labels.any(1), text.any(1)
    kept = np.flatnonzero(some & worded & ~grey)
    counts = {
        "pictures": len(table),
        "pictures with a caption": int(table["image"].isin(told["image"]).sum()),
        "categories": len(names),
        "pictures with a category": int(some.sum()),
        "labels": int(labels.sum()),
        "words": len(vocabulary),
        "pictures with a category and a word": int((some & worded).sum()),
        **(
            {}
            if convention.grey
            else {"of these, known to be grey": int((some & worded & grey).sum())}
        ),
    }
    if not len(kept):
        raise InputError(
            f"no picture of {instance_files[0]} has a category, a word and colours; are the "
            "captions those of the same pictures?"
        )
    found = Tagged(
        ids=table["image"].iloc[kept].tolist(),
        paths=paths.iloc[kept].tolist(),
        text=np.packbits(text[kept], axis=1),
        labels=labels[kept],
        words=vocabulary,
        categories=names,
        files={file.name: sha256(file) for file in (*instance_files, *caption_files)},
        left_out=[
            f"pictures without a category: {(~some).sum():,}",
            f"other pictures without a word of the vocabulary: {(some & ~worded).sum():,}",
            *(
                []
                if convention.grey
                else [f"other pictures that are grey: {(some & worded & grey).sum():,}"]
            ),
        ],
        sources=RELEASES["coco"].sources[:1],
        licence=RELEASES["coco"].licence,
    )
    return found, counts


def prepare(
    *,
    convention: Annotated[
        Literal[tuple(CONVENTIONS)], typer.Option(help="whose pictures and words")
    ],
    instances: Annotated[
        list[Path], typer.Option(metavar="FILE", help="instances_PART.json; may be repeated")
    ],
    captions: Annotated[
        list[Path], typer.Option(metavar="FILE", help="captions_PART.json; may be repeated")
    ],
    words: Annotated[int, typer.Option(help="of the vocabulary")] = 2_000,
    images: options.Images = None,
    annotations_only: options.AnnotationsOnly = False,
    train: options.TrainImages = 10_000,
    val: options.ValImages = 5_000,
    test: options.TestImages = 5_000,
    seed: options.Seed = 0,
    name: options.Name = None,
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """MS-COCO's pictures with words of their captions and the 80 categories.

    cmir prepare coco-categories --convention hashing --images coco
    --instances instances_train2014.json --instances instances_val2014.json
    --captions captions_train2014.json --captions captions_val2014.json

    A picture lies in --images or, of instances_PART.json, in its folder PART. The audit is printed
    and must give the known counts; --partial takes others.
    """
    options.one_given(images=images, annotations_only=annotations_only)
    if words < 1:
        raise InputError("--words must be at least 1")
    rules = CONVENTIONS[convention]
    found, counts = read(instances, captions, rules, words, images)
    return labelled_release.prepare_tagged(
        f"coco-{convention}",
        found,
        counts,
        rules.expected,
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


if __name__ == "__main__":
    options.as_command(__file__)
