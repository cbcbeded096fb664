"""FashionIQ and CIRR: the released JSON files as tables.

Both releases have triplets (reference, caption or captions, target) and, per split, the list of
images that are ranked. What is read here goes into the prepared layout
(`data.prepare.triplets`), or straight to `evaluation.fashioniq_cirr` where only features count.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.prepared import SPLITS
from cmir_repro.data.readers.files import ID, inside_path, json_fields, read_json

CATEGORIES = ("dress", "shirt", "toptee")  # of FashionIQ
CIRR_SPLITS = {"train": "train", "val": "val", "test": "test1"}  # ours -> the release's


class Annotations(NamedTuple):
    """One release.

    images: image (row id, unique), split, category, label (the release's own id of the picture:
        one picture may be listed in several splits and categories), path (without ending,
        relative to the folder of pictures).
    queries: query (id), split, category, source, target (row ids; target "" where the release
        has none), text, caption_1, caption_2 ..., and for CIRR members (labels, by spaces).
    files: path relative to the root -> sha256 of what was read.
    absent: files that the release has and this copy lacks.
    """

    images: pd.DataFrame
    queries: pd.DataFrame
    files: dict[str, str]
    absent: list[str]


def fashioniq(root: Path) -> Annotations:
    """FashionIQ as released (Wu et al. 2021): captions/cap.C.S.json, image_splits/split.C.S.json.

    A picture is a row of the image table for every split and category that lists it, called
    "val/dress/B005X4PL1G": galleries differ by category, and 811 pictures are in both train and
    val. Rows of one picture share its label.

    Raises:
        InputError: a file is missing or says something impossible.
    """
    root, files = Path(root), {}
    images, queries = [], []
    for split in SPLITS:
        for category in CATEGORIES:
            where = f"{split}/{category}"
            listed = _read(root, f"image_splits/split.{category}.{split}.json", list, files)
            _check_ids(f"split.{category}.{split}.json", listed)
            images += [(f"{where}/{name}", split, category, name, name) for name in listed]
            name = f"cap.{category}.{split}.json"
            known = set(listed)
            for number, entry in enumerate(_read(root, f"captions/{name}", list, files)):
                place = f"{name}, entry {number}"
                source, captions = json_fields(place, entry, candidate=str, captions=list)
                if len(captions) != 2 or not all(isinstance(text, str) for text in captions):
                    raise InputError(f"{place}: captions are {captions!r}, expected two strings")
                target = entry.get("target", "")
                for image in (source, target) if "target" in entry else (source,):
                    _check_listed(place, image, known)
                queries.append(
                    (
                        f"{where}/{number:05d}",
                        split,
                        category,
                        f"{where}/{source}",
                        f"{where}/{target}" if target else "",
                        join(captions),
                        *(text.strip() for text in captions),
                    )
                )
    columns = ["query", "split", "category", "source", "target", "text", "caption_1", "caption_2"]
    return Annotations(_image_table(images), pd.DataFrame(queries, columns=columns), files, [])


def cirr(root: Path) -> Annotations:
    """CIRR as released (Liu et al. 2021): captions/cap.rc2.S.json, image_splits/split.rc2.S.json.

    The captions of a split may be absent (`Annotations.absent`); its images are read all the same.

    Raises:
        InputError: the images or all captions are missing, or a file says something impossible.
    """
    root, files, absent = Path(root), {}, []
    images, queries = [], []
    for split, released in CIRR_SPLITS.items():
        listed = _read(root, f"image_splits/split.rc2.{released}.json", dict, files)
        _check_ids(f"split.rc2.{released}.json", list(listed))
        for name, path in listed.items():
            images.append(
                (name, split, "all", name, inside_path(f"split.rc2.{released}.json", path))
            )
        name = f"cap.rc2.{released}.json"
        if not (root / "captions" / name).exists():
            absent.append(f"captions/{name}")
            continue
        for number, entry in enumerate(_read(root, f"captions/{name}", list, files)):
            place = f"{name}, entry {number}"
            pair, source, text, subset = json_fields(
                place, entry, pairid=int, reference=str, caption=str, img_set=dict
            )
            (members,) = json_fields(f"{place}, img_set", subset, members=list)
            target = entry.get("target_hard", "")
            for image in (source, *members, *([target] if "target_hard" in entry else [])):
                _check_listed(place, image, listed)
            inside = len(set(members)) == len(members) and source in members
            if not inside or (target and target not in members) or target == source:
                raise InputError(f"{place}: reference and target must be two of img_set, once each")
            row = (f"{split}/{pair}", split, "all", source, target, text, text.strip())
            queries.append((*row, " ".join(members)))
    if len(absent) == len(CIRR_SPLITS):
        raise InputError(f"{root / absent[0]} does not exist, nor does that of any other split")
    columns = ["query", "split", "category", "source", "target", "text", "caption_1", "members"]
    return Annotations(_image_table(images), pd.DataFrame(queries, columns=columns), files, absent)


def released_id(name: str) -> str:
    """Category and place, "val/dress/00012" -> "dress/12"; of CIRR the pairid, "val/12" -> "12"."""
    *category, number = name.split("/")[1:]
    return "/".join([*category, str(int(number))])


def join(captions: Sequence[str]) -> str:
    """Captions as one sentence, "a and b".

    An empty caption leaves its "and", as in the codebases that join (CLIP4Cir, SEARLE, magiclens).
    """
    return " and ".join(text.strip() for text in captions)


def _image_table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "split", "category", "label", "path"])


def _read(root: Path, name: str, kind: type, files: dict[str, str]) -> list | dict:
    """The JSON value of a file of the release; its digest goes into `files`."""
    path = root / name
    value = read_json(path, kind, "the release has folders captions and image_splits")
    files[name] = sha256(path)
    return value


def _check_ids(where: str, names: list) -> None:
    """Ids become file names and words of a table: nothing else may be in them."""
    seen = set()
    for name in names:
        if not isinstance(name, str) or not ID.fullmatch(name):
            raise InputError(f"{where}: {name!r:.60} is no image id (letters, digits, . _ -)")
        if name in seen:
            raise InputError(f"{where}: image {name!r} is listed twice; get the file again")
        seen.add(name)


def _check_listed(place: str, image: object, listed: set | dict) -> None:
    if not isinstance(image, str) or image not in listed:
        raise InputError(f"{place}: image {image!r} is not in the split's list of images")
