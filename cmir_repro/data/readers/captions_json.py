"""Images with captions from the JSON files of the field, as tables.

Three layouts: Karpathy's (dataset_flickr30k.json, dataset_coco.json, dataset_flickr8k.json),
ALBEF's lists (flickr30k_train.json ...), and COCO's own (captions_val2017.json). What is read goes
into the prepared layout by `captions.prepare`. The files are untrusted.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import sha256
from cmir_repro.data.prepared import SPLITS
from cmir_repro.data.readers.fashioniq_cirr import ID, inside_path
from cmir_repro.data.tokenizers import clean

MOST = 5  # captions kept of an image; a few images of COCO have more (VSE++ takes the first five)
KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}


class Captions(NamedTuple):
    """Images and sentences of one release.

    images: image (id, unique: the file's name without ending), split, label (the id again), path
        (without ending, relative to the folder of pictures).
    sentences: sentence (id, IMAGE#NUMBER), image, text.
    files: name -> sha256 of what was read.
    left_out: what was left out, in words and counted.
    """

    images: pd.DataFrame
    sentences: pd.DataFrame
    files: dict[str, str]
    left_out: list[str]


def karpathy(path: Path, most: int | None = MOST) -> Captions:
    """Karpathy and Fei-Fei's splits (2015); COCO's "restval" counts as train, as in VSE++.

    Of an image "filename", "split" and "sentences" are read, each with "raw" or "tokens", and
    "filepath" where there is one; other keys do not matter.

    Args:
        path: the JSON file.
        most: captions kept of an image, the first ones; None keeps all.

    Raises:
        InputError: the file is missing, no JSON of this layout, or says something impossible.
    """
    path = Path(path)
    rows = []
    for number, entry in enumerate(json_list(path, read_json(path, dict), "images")):
        place = f"{path.name}, image {number}"
        name, split = (json_field(place, entry, key, str) for key in ("filename", "split"))
        one_of(f"{place}: split", split, KARPATHY_SPLITS)
        folder = json_field(place, entry, "filepath", str) if "filepath" in entry else ""
        texts = []
        for sentence in json_field(place, entry, "sentences", list):
            if isinstance(sentence, dict) and "raw" not in sentence:
                words = json_field(place, sentence, "tokens", list)
                texts.append(" ".join(_text(place, word) for word in words))
            else:
                texts.append(_text(place, json_field(place, sentence, "raw", str)))
        file = f"{folder}/{name}" if folder else name
        rows.append((*located(place, file), KARPATHY_SPLITS[split], texts))
    return tables(path.name, rows, {path.name: sha256(path)}, most)


def albef(train: Path, val: Path, test: Path, most: int | None = MOST) -> Captions:
    """The lists of ALBEF, TCL and LAVIS: "image" and "caption", one text or a list of them.

    In training lists each caption is an entry of its own; "image_id" may be there or not.

    Args:
        train, val, test: the JSON files.
        most: as in `karpathy`.

    Raises:
        InputError: as `karpathy`.
    """
    found, by_id = {}, {}
    paths = [Path(path) for path in (train, val, test)]
    for split, path in zip(SPLITS, paths, strict=True):
        for number, entry in enumerate(read_json(path, list)):
            place = f"{path.name}, entry {number}"
            image, file = located(place, json_field(place, entry, "image", str))
            captions = entry.get("caption")
            captions = captions if isinstance(captions, list) else [captions]
            texts = [_text(place, text) for text in captions]
            if split == "train" and image in found and found[image][1:3] == (file, split):
                found[image][3].extend(texts)
            elif image in found:
                raise InputError(f"{place}: image {image!r} is listed before; get the file again")
            else:
                found[image] = (image, file, split, texts)
            key = entry.get("image_id", image)
            if type(key) not in (str, int) or by_id.setdefault((split, key), image) != image:
                raise InputError(f"{place}: image_id {key!r} is no id, or that of another image")
    files = {path.name: sha256(path) for path in paths}
    return tables("the lists", found.values(), files, most)


def coco(path: Path, most: int | None = MOST) -> Captions:
    """COCO's own caption files; they have no splits, so all images are in "test".

    Args:
        path: say captions_val2017.json, with "images" and "annotations".
        most: as in `karpathy`.

    Raises:
        InputError: as `karpathy`.
    """
    path = Path(path)
    value = read_json(path, dict)
    rows = {}
    for number, entry in enumerate(json_list(path, value, "images")):
        place = f"{path.name}, image {number}"
        key = json_field(place, entry, "id", int)
        if key in rows:
            raise InputError(f"{place}: id {key} is listed twice; get the file again")
        rows[key] = (*located(place, json_field(place, entry, "file_name", str)), "test", [])
    for number, entry in enumerate(json_list(path, value, "annotations")):
        place = f"{path.name}, annotation {number}"
        key = json_field(place, entry, "image_id", int)
        if key not in rows:
            raise InputError(f"{place}: image_id {key} is not among the images")
        rows[key][3].append(_text(place, entry.get("caption")))
    return tables(path.name, rows.values(), {path.name: sha256(path)}, most)


def located(place: str, file: str) -> tuple[str, str]:
    """Image id and path without ending of a file named in a release.

    Raises:
        InputError: the name leads out of the folder or has signs that no picture has.
    """
    path = inside_path(place, file) if file.strip("./") else ""
    parts = path.split("/")
    for part in parts:
        if not ID.fullmatch(part):
            raise InputError(f"{place}: {file!r} is no file name (letters, digits, . _ - and /)")
    return parts[-1], path


def tables(
    where: str,
    rows: Iterable[tuple[str, str, str, list[str]]],
    files: dict[str, str],
    most: int | None,
) -> Captions:
    """Captions from (image, path, split, texts), one an image.

    Blanks and line ends become single spaces. Texts without a word, and images that have no
    other, are left out and counted.

    Raises:
        InputError: an image occurs twice, or nothing is left.
    """
    images, sentences, seen = [], [], set()
    blank = over = without = 0
    for image, path, split, texts in rows:
        if image in seen:
            raise InputError(f"{where}: image {image!r} is listed twice; get the file again")
        seen.add(image)
        said = [" ".join(text.split()) for text in texts if clean(text)]
        kept = said[:most]
        blank, over = blank + len(texts) - len(said), over + len(said) - len(kept)
        if not kept:
            without += 1
            continue
        images.append((image, split, image, path))
        sentences += [(f"{image}#{number}", image, text) for number, text in enumerate(kept)]
    if not images:
        raise InputError(f"{where}: there is no image with a caption")
    left_out = [
        f"captions without a word: {blank:,}",
        f"images without a caption: {without:,}",
        f"captions of an image after the first {most}: {over:,}",
    ]
    return Captions(
        pd.DataFrame(images, columns=["image", "split", "label", "path"], dtype=str),
        pd.DataFrame(sentences, columns=["sentence", "image", "text"], dtype=str),
        files,
        left_out if most else left_out[:2],
    )


def read_json(path: Path, kind: type) -> dict | list:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON ({error}); get it again") from error
    if not isinstance(value, kind) or not value:
        raise InputError(f"{path} is no {kind.__name__} or empty; is it of another layout?")
    return value


def json_list(path: Path, value: dict, key: str) -> list:
    return json_field(path.name, value, key, list)


def json_field(place: str, entry: object, key: str, kind: type) -> object:
    if not isinstance(entry, dict):
        raise InputError(f"{place} is no dictionary; get the file again")
    if type(entry.get(key)) is not kind:  # a bool is no number here
        raise InputError(f"{place}: {key} is {entry.get(key)!r:.60}, expected {kind.__name__}")
    return entry[key]


def _text(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{place}: caption {value!r:.60} is no text")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a pair, which JSON can hold and no file
        raise InputError(f"{place}: caption {value!r:.60} is no Unicode text") from error
    return value
