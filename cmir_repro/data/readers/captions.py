"""Images with captions from the files of the field, as tables.

Five layouts: Karpathy's (dataset_flickr30k.json, dataset_coco.json, dataset_flickr8k.json), ALBEF's
lists (flickr30k_train.json ...), COCO's own (captions_val2017.json), Multi30K's lists, and any CSV
with columns of images and texts. What is read goes into the prepared layout by
`data.prepare.captions`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import sha256
from cmir_repro.data.prepared import SPLITS
from cmir_repro.data.readers.files import (
    ids_of,
    json_field,
    lines,
    located,
    need_columns,
    own_splits,
    read_csv,
    read_json,
)
from cmir_repro.data.words import absent

MOST = 5  # captions kept of an image; a few images of COCO have more (VSE++ takes the first five)
KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}
# Ours -> Multi30K's. Its splits of Flickr30K have the counts of Karpathy's.
MULTI30K_SPLITS = {"train": "train", "val": "val", "test": "test_2016"}
# Columns of image and sentence that are known: the commonest, and Flickr30K's results.csv.
CSV_COLUMNS = (("image", "caption"), ("image_name", "comment"))
UNSPLIT = ""  # split of images that are still to be split


class Captions(NamedTuple):
    """Images and sentences of one release.

    images: image (id, unique: see `tables`), split, label (the id again), path
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
    for number, entry in enumerate(json_field(path.name, read_json(path, dict), "images", list)):
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
        rows.append((located(place, file), KARPATHY_SPLITS[split], texts))
    return tables(path.name, rows, {path.name: sha256(path)}, most)


def albef(train: Path, val: Path, test: Path, most: int | None = MOST) -> Captions:
    """The lists of ALBEF, TCL and LAVIS: "image" and "caption", one text or a list of them.

    In training lists each caption is an entry of its own; "image_id" may be there or not.

    Args:
        train, val, test: the JSON files; "-": there is none of that split.
        most: as in `karpathy`.

    Raises:
        InputError: as `karpathy`.
    """
    found, by_id = {}, {}
    given = dict(zip(SPLITS, map(Path, (train, val, test)), strict=True))
    paths = {split: path for split, path in given.items() if path != Path("-")}
    if not paths:
        raise InputError("--albef - - - names no list; give at least one")
    for split, path in paths.items():
        for number, entry in enumerate(read_json(path, list)):
            place = f"{path.name}, entry {number}"
            image = located(place, json_field(place, entry, "image", str))
            captions = entry.get("caption")
            captions = captions if isinstance(captions, list) else [captions]
            texts = [_text(place, text) for text in captions]
            if split == "train" and image in found and found[image][1] == split:
                found[image][2].extend(texts)
            elif image in found:
                raise InputError(f"{place}: image {image!r} is listed before; get the file again")
            else:
                found[image] = (image, split, texts)
            key = entry.get("image_id", image)
            if type(key) not in (str, int) or by_id.setdefault((split, key), image) != image:
                raise InputError(f"{place}: image_id {key!r} is no id, or that of another image")
    files = {path.name: sha256(path) for path in paths.values()}
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
    for number, entry in enumerate(json_field(path.name, value, "images", list)):
        place = f"{path.name}, image {number}"
        key = json_field(place, entry, "id", int)
        if key in rows:
            raise InputError(f"{place}: id {key} is listed twice; get the file again")
        rows[key] = (located(place, json_field(place, entry, "file_name", str)), "test", [])
    for number, entry in enumerate(json_field(path.name, value, "annotations", list)):
        place = f"{path.name}, annotation {number}"
        key = json_field(place, entry, "image_id", int)
        if key not in rows:
            raise InputError(f"{place}: image_id {key} is not among the images")
        rows[key][2].append(_text(place, entry.get("caption")))
    return tables(path.name, rows.values(), {path.name: sha256(path)}, most)


def multi30k(root: Path, most: int | None = MOST) -> Captions:
    """Multi30K's English descriptions of Flickr30K (Elliott et al. 2016), five an image.

    Under the root lie image_splits/SPLIT_images.txt, one file name a line, and SPLIT.K.en.gz or
    raw/SPLIT.K.en.gz, K from 1 to 5, one sentence a line in the same order.

    Args:
        root: the folder.
        most: captions kept of an image, the first ones; None keeps all.

    Raises:
        InputError: a file is missing, damaged, or has another number of lines.
    """
    root, files, rows = Path(root), {}, []
    raw = "raw/" if (root / "raw").is_dir() else ""
    for split, released in MULTI30K_SPLITS.items():
        listed = f"image_splits/{released}_images.txt"
        names = lines(root / listed)
        files[listed] = sha256(root / listed)
        columns = []
        for number in range(1, 6):
            name = f"{raw}{released}.{number}.en.gz"
            columns.append(lines(root / name))
            files[name] = sha256(root / name)
            if len(columns[-1]) != len(names):
                raise InputError(
                    f"{root / name} has {len(columns[-1]):,} lines, {listed} {len(names):,}; "
                    "get them again"
                )
        for number, (name, *texts) in enumerate(zip(names, *columns, strict=True)):
            rows.append((located(f"{listed}, line {number + 1}", name), split, texts))
    return tables(str(root), rows, files, most)


def csv_column(
    csv: Path,
    id_column: str | None = None,
    text_column: str | None = None,
    suffix: str = "",
    separator: str | None = None,
    most: int | None = None,
) -> Captions:
    """A CSV with a sentence a row, one row or several an image, wherever they stand.

    Splits are those of a column `split` if there is one, else the images are not split yet
    (UNSPLIT).

    Args:
        csv: with a header line, in UTF-8.
        id_column, text_column: which columns hold the image and its sentence; None for both takes
            a pair of CSV_COLUMNS.
        suffix: added to the id for the picture's file name.
        separator: of the columns, as in `read_csv`.
        most: as in `karpathy`.

    Raises:
        InputError: the file or a column is missing, an id is impossible, an image is in two
            splits, or two names differ in their endings alone.
    """
    csv = Path(csv)
    table = read_csv(csv, separator=separator)
    if not id_column and not text_column:
        known = (pair for pair in CSV_COLUMNS if {*pair} <= {*table.columns})
        id_column, text_column = next(known, (None, None))
    if not (id_column and text_column):
        raise InputError(
            f"{csv}: --csv needs --id and --text, the columns of image and sentence; it has "
            f"{', '.join(table.columns)}"
        )
    need_columns(csv, table, (id_column, text_column))
    split = own_splits(csv, table, (id_column, text_column))
    said = [UNSPLIT] * len(table) if split is None else split
    rows, names = {}, {}
    table = zip(table[id_column], table[text_column], said, strict=True)
    for number, (name, text, where) in enumerate(table, start=1):
        place = f"{csv.name}, row {number}"
        path = located(place, name + suffix)
        if names.setdefault(path, name) != name:
            raise InputError(
                f"{place}: {name!r} and {names[path]!r} before it differ in their endings alone; "
                "write one image in one way, and rename one of two"
            )
        _, first, texts = rows.setdefault(path, (path, where, []))
        if first != where:
            raise InputError(f"{place}: image {path!r} is in {where}, and before in {first}")
        texts.append(text)
    return tables(csv.name, rows.values(), {csv.name: sha256(csv)}, most, folders=True)


def tables(
    where: str,
    rows: Iterable[tuple[str, str, list[str]]],
    files: dict[str, str],
    most: int | None,
    folders: bool = False,
) -> Captions:
    """Captions from (path, split, texts), one an image.

    An id is the path if `folders`, else as `ids_of` makes it.

    Blanks and line ends become single spaces. Texts that say nothing (`words.absent`), and
    images that have no other, are left out and counted.

    Raises:
        InputError: an image occurs twice, or nothing is left.
    """
    images, sentences, seen = [], [], set()
    blank = over = without = 0
    rows = list(rows)
    paths = [path for path, _, _ in rows]
    ids = paths if folders else ids_of(paths)
    for image, (path, split, texts) in zip(ids, rows, strict=True):
        if path in seen:
            raise InputError(f"{where}: image {path!r} is listed twice; get the file again")
        seen.add(path)
        said = [" ".join(text.split()) for text in texts if not absent(text)]
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


def _text(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{place}: caption {value!r:.60} is no text")
    return value
