"""CIRCO, GeneCIS, i-CIR, LaSCo and Shoes as released, and FashionIQ and CIRR as MTEB asks them.

Names of images are those of the releases: ids of COCO ("85932"), paths of i-CIR, file names of
Shoes, for GeneCIS "85932", or for a crop of Visual Genome "2343729:10,20,30,40" (left, top, width,
height). Queries have the releases' ids; where there are none, their place, counted from 0.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.data.judged import Judged
from cmir_repro.data.readers import fashioniq_cirr
from cmir_repro.data.readers.files import json_field, json_fields, lines, read_json

COCO = "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json"
TASKS = ("focus_attribute", "change_attribute", "focus_object", "change_object")  # of GeneCIS
HARD = "/hn/"  # in the paths of i-CIR's hard negatives


def circo(root: Path, split: str = "val") -> Judged:
    """CIRCO (Baldrati et al. 2023): annotations/SPLIT.json and COCO's list of unlabeled images.

    Groups are the semantic aspects of a query, of which it has several or none. The test split has
    no answers.

    Raises:
        InputError: a file is missing or says something impossible.
    """
    root = Path(root)
    one_of("split of CIRCO", split, ("val", "test"))
    there = read_json(root / COCO, dict, "it lists the images that are ranked")
    listed = json_field(COCO, there, "images", list)
    images = np.array([str(json_field(f"{COCO}, image {i}", image, "id", int))
                       for i, image in enumerate(listed)])  # fmt: skip
    known = set(images.tolist())
    ids, source, relevant, groups = [], [], [], []
    for i, entry in enumerate(read_json(root / "annotations" / f"{split}.json", list)):
        place = f"{split}.json, entry {i}"
        name, reference = json_fields(place, entry, id=int, reference_img_id=int)
        right = [str(x) for x in json_field(place, {"gt_img_ids": [], **entry}, "gt_img_ids", list)]
        if len(set(right)) < len(right):
            raise InputError(f"{place}: gt_img_ids names an image twice; get the file again")
        if right and right[0] != str(entry.get("target_img_id")):
            raise InputError(f"{place}: target_img_id must be the first of gt_img_ids")
        _check_known(place, [str(reference), *right], known)
        ids.append(str(name))
        source.append(str(reference))
        relevant.append(np.array(right, str))
        aspects = json_field(place, {"semantic_aspects": [], **entry}, "semantic_aspects", list)
        groups.append(tuple(map(str, aspects)))
    targets = np.array([names[0] for names in relevant]) if all(map(len, relevant)) else None
    return _one_gallery(ids, source, relevant, images=images, target=targets, groups=groups)


def genecis(root: Path, split: str = "val") -> Judged:
    """GeneCIS (Vaze et al. 2023): genecis/TASK.json of four tasks, a gallery for each query.

    As in the official code, only queries with a task's most frequent size of gallery count. An
    image that a gallery lists twice is ranked once (our choice).
    """
    root = Path(root)
    ids, relevant, galleries, groups, notes, lost = [], [], {}, [], [], 0
    for task in TASKS:
        name = f"{task}.json"
        entries = read_json(root / "genecis" / name, list, "the release has JSON files there")
        sizes = [len(json_field(f"{name}, entry {i}", e, "gallery", list))
                 for i, e in enumerate(entries)]  # fmt: skip
        found, counts = np.unique(sizes, return_counts=True)
        usual = found[counts.argmax()]
        lost += len(sizes) - counts.max()
        for i, entry in enumerate(entries):
            if sizes[i] != usual:
                continue
            place = f"{name}, entry {i}"
            target = _picture(f"{place}, target", entry.get("target"))
            others = [_picture(f"{place}, gallery", other) for other in entry["gallery"]]
            ids.append(f"{task}/{i}")
            relevant.append(np.array([target]))
            galleries[ids[-1]] = np.array(list(dict.fromkeys([target, *others])))
            groups.append((task,))
    if lost:
        notes.append(f"{lost} queries left out for a gallery of another size, as the release does")
    names = np.array(ids)
    return Judged(names, relevant, names, galleries, groups=groups, notes=tuple(notes))


def icir(root: Path, split: str = "test") -> Judged:
    """i-CIR (Psomas et al. 2025): query_files.csv and database_files.csv: path, text, instance.

    A query is ranked against the database of its instance, which is its group. A path that is
    listed with several texts is ranked once (our choice).
    """
    root = Path(root)
    root = root / "annotations" if (root / "annotations").is_dir() else root
    database: dict[str, dict[str, set[str]]] = {}
    for path, text, instance in _rows(root / "database_files.csv"):
        database.setdefault(instance, {}).setdefault(path, set()).add(text)
    ids, gallery, relevant, negatives = [], [], [], []
    for i, (path, text, instance) in enumerate(_rows(root / "query_files.csv")):
        items = database.get(instance, {})
        right = [name for name, texts in items.items() if text in texts]
        if not right:
            raise InputError(
                f"query_files.csv, line {i + 1}: nothing in the database has the instance and text "
                f"of {path}"
            )
        ids.append(str(i))
        gallery.append(instance)
        relevant.append(np.array(right))
        negatives.append(np.array([n for n in items if HARD in n and n not in right], str))
    return Judged(
        np.array(ids),
        relevant,
        np.array(gallery),
        {name: np.array(list(items)) for name, items in database.items()},
        groups=[(name,) for name in gallery],
        negatives=negatives,
    )


def lasco(root: Path, split: str = "val") -> Judged:
    """LaSCo (Levy et al. 2024): lasco_val.json and lasco_val_corpus.json."""
    root = Path(root)
    one_of("split of LaSCo", split, ("val",))
    corpus = read_json(root / "lasco_val_corpus.json", list)
    images = [str(json_field(f"lasco_val_corpus.json, entry {i}", e, "id", int))
              for i, e in enumerate(corpus)]  # fmt: skip
    known, ids, source, relevant = set(images), [], [], []
    for i, entry in enumerate(read_json(root / "lasco_val.json", list)):
        place = f"lasco_val.json, entry {i}"
        names = []
        for key in ("query-image", "target-image"):  # [id, file]
            if not (image := json_field(place, entry, key, list)):
                raise InputError(f"{place}: {key} is empty, expected id and file")
            names.append(str(image[0]))
        _check_known(place, names, known)
        ids.append(str(json_field(place, entry, "qid", int)))
        source.append(names[0])
        relevant.append(np.array(names[1:]))
    return _one_gallery(ids, source, relevant, images=np.array(images))


def shoes(root: Path, split: str = "val") -> Judged:
    """Shoes (Guo et al. 2018): relative_captions_shoes.json, train_ and eval_im_names.txt.

    Triplets whose images are both in the split; their ids are their places in the file.
    """
    root = Path(root)
    one_of("split of Shoes", split, ("train", "val"))
    images = [x for x in lines(root / f"{'eval' if split == 'val' else split}_im_names.txt") if x]
    known, ids, source, relevant, across = set(images), [], [], [], 0
    for i, entry in enumerate(read_json(root / "relative_captions_shoes.json", list)):
        place = f"relative_captions_shoes.json, entry {i}"
        target, reference = json_fields(place, entry, ImageName=str, ReferenceImageName=str)
        across += (target in known) != (reference in known)
        if target in known and reference in known:
            ids.append(str(i))
            source.append(reference)
            relevant.append(np.array([target]))
    notes = (f"{across} triplets have an image in another split; they are left out",) * bool(across)
    return _one_gallery(ids, source, relevant, images=np.array(images), notes=notes)


def mteb_fashioniq(root: Path, split: str = "val") -> Judged:
    """FashionIQ's validation triplets against the images of all splits, as M-BEIR has them.

    Triplets with the same reference and captions are one query, called as the first: 6,003 of
    6,016, with 6,014 answers.
    """
    one_of("split that MTEB asks", split, ("val",))
    found = fashioniq_cirr.fashioniq(Path(root))
    label = found.images.set_index("image")["label"]
    queries = found.queries[found.queries["split"] == split]
    asked = zip(
        map(fashioniq_cirr.released_id, queries["query"]), label[queries["source"]],
        queries["caption_1"], queries["caption_2"], ([x] for x in label[queries["target"]]),
        strict=True,
    )  # fmt: skip
    return _merged(asked, found.images["label"])


def mteb_cirr(root: Path, split: str = "val") -> Judged:
    """CIRR's validation triplets against the images of all splits, as M-BEIR has them.

    Right are the images that target_soft gives 1.0; a triplet without any is left out. With the
    same reference and caption they are one query, called as the first: 4,170 of 4,181, with 4,216
    answers.
    """
    one_of("split that MTEB asks", split, ("val",))
    root = Path(root)
    found = fashioniq_cirr.cirr(root)
    known, asked = set(found.images["label"]), []
    for i, entry in enumerate(read_json(root / "captions/cap.rc2.val.json", list)):
        place = f"cap.rc2.val.json, entry {i}"
        pair, source, text, soft = json_fields(
            place, entry, pairid=int, reference=str, caption=str, target_soft=dict
        )
        right = [name for name, grade in soft.items() if grade == 1]
        _check_known(place, right, known)
        asked.append((str(pair), source, text.strip(), "", right))
    return _merged(asked, found.images["label"])


def cirr(root: Path, split: str = "val") -> Judged:
    """CIRR's queries against all images of their split; without answers in the test split."""
    images, queries = _cirr(root, split)
    return _one_gallery(*_asked(queries), images=images)


def cirr_subset(root: Path, split: str = "val") -> Judged:
    """CIRR's queries, each against the six images of its set."""
    _, queries = _cirr(root, split)
    ids, source, relevant = _asked(queries)
    names = np.array(ids)
    members = (np.array(words.split()) for words in queries["members"])
    return Judged(names, relevant, names, dict(zip(ids, members, strict=True)), np.array(source))


def _cirr(root: Path, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    one_of("split of CIRR", split, ("val", "test"))
    found = fashioniq_cirr.cirr(Path(root))
    images = found.images.loc[found.images["split"] == split, "label"].to_numpy(str)
    queries = found.queries[found.queries["split"] == split]
    if queries.empty:
        raise InputError(f"{root} has no captions of the split {split}; get them with the images")
    return images, queries


def _asked(queries: pd.DataFrame) -> tuple[list[str], list[str], list[np.ndarray]]:
    """Ids, sources and answers of CIRR's queries."""
    ids = [fashioniq_cirr.released_id(name) for name in queries["query"]]
    right = [np.array([x] if x else [], str) for x in queries["target"]]
    return ids, queries["source"].tolist(), right


READERS: dict[str, Callable[..., Judged]] = {
    "circo": circo,
    "genecis": genecis,
    "icir": icir,
    "lasco": lasco,
    "shoes": shoes,
    "mteb/fashioniq": mteb_fashioniq,
    "mteb/cirr": mteb_cirr,
    "cirr/recall": cirr,
    "cirr/recall_subset": cirr_subset,
}


def of_protocol(name: str) -> Callable[..., Judged]:
    """The reader of the data that a preset is for.

    Raises:
        InputError: there is none.
    """
    base = name.partition("[")[0]
    key = base if base in READERS else base.partition("/")[0]
    one_of("benchmark", key, READERS)
    return READERS[key]


def _merged(asked, images) -> Judged:
    """Queries (id, source, text, text, answers), one for each source and texts that have any."""
    first: dict[tuple, str] = {}
    answers: dict[str, dict[str, None]] = {}
    source = {}
    for name, image, a, b, right in asked:
        kept = first.setdefault((image, a, b), name)
        source[kept] = image
        answers.setdefault(kept, {}).update(dict.fromkeys(right))
    ids = [name for name, right in answers.items() if right]
    return _one_gallery(
        ids,
        [source[name] for name in ids],
        [np.array(list(answers[name])) for name in ids],
        images=np.array(list(dict.fromkeys(images))),
    )


def _one_gallery(ids, source, relevant, *, images, **more) -> Judged:
    if not ids:
        raise InputError("the annotations hold no query; is this another split?")
    if len(set(images.tolist())) < len(images):
        raise InputError("the list of images names one twice; get the annotations again")
    every = np.full(len(ids), "all")
    return Judged(np.array(ids), relevant, every, {"all": images}, np.array(source), **more)


def _picture(place: str, entry: object) -> str:
    """The name of one of GeneCIS' images: of COCO, or a crop of Visual Genome."""
    if isinstance(entry, dict) and "val_image_id" in entry:
        return str(entry["val_image_id"])
    image, box = json_fields(place, entry, image_id=int, instance_bbox=list)
    return f"{image}:{','.join(str(x) for x in box)}"


def _rows(path: Path) -> list[list[str]]:
    found = list(csv.reader(lines(path)))
    for number, row in enumerate(found, start=1):
        if len(row) < 3 or not (row[0] and row[2]):
            raise InputError(f"{path}, line {number}: must hold path, text and instance, got {row}")
    return [row[:3] for row in found]


def _check_known(place: str, names: list[str], known: set[str]) -> None:
    lost = [name for name in names if name not in known]
    if lost:
        raise InputError(f"{place}: image {lost[0]!r} is not in the list of images")
