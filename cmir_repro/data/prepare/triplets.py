"""Images with queries (source, text, target), as FashionIQ and CIRR publish them, prepared.

A picture that is not there never drops a query in silence: it is an error that says what it
costs, or, if asked for, it is left out, counted in `dataset.json` under "coverage", and changes
the name of the protocol under which anything is scored.

With pictures, or features of them, a release is split for training (`splits.for_training`), for
nothing else needs them; without, tables with the released splits are enough to score anyone's
features.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import incomplete
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.image_features import ImageFeatures
from cmir_repro.data.prepare.missing import present
from cmir_repro.data.prepare.on_disk import below
from cmir_repro.data.prepare.pictures import VIEW, draw_pictures, pixels_told, places
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.fashioniq_cirr import Annotations
from cmir_repro.data.splits import for_training
from cmir_repro.data.words import has_word

SEED = 0  # of the split


def prepare(
    name: str,
    found: Annotations,
    info: dict,
    pictures: Path | None,
    size: int = 224,
    allow_missing: bool = False,
    splits: str = "as released",
    release: str = "",
    features: ImageFeatures | None = None,
) -> Prepared:
    """Write a release to data/NAME, or open what lies there if it is the same.

    Queries without a target are left out; `left_out` counts them.

    Args:
        name: of the folder, and in dataset.json.
        found: the release.
        info: of dataset.json: sources, licence, protocol, left_out.
        pictures: folder of the photographs; None writes the tables alone, for scoring features
            that were made elsewhere.
        size: of the squares, in pixels.
        allow_missing: leave out pictures that are not there, and the queries that need them.
        splits: in words what the splits of `found` are, for dataset.json.
        release: as in `writer.prepare`.
        features: are kept instead of pictures.

    Raises:
        InputError: a picture or its features are missing or damaged, something else was prepared
            there before, or the folder cannot be written.
    """
    images, queries = found.images, found.queries
    files, here, notes = None, np.ones(len(images), dtype=bool), []
    names = [images[column] for column in ("image", "label", "path")]

    def costs(here: np.ndarray) -> list[str]:
        return [
            f"{where} {part['missing']:,} of {part['images']:,} images, which {part['lost']:,} of "
            f"its {part['queries']:,} queries need"
            for where, part in _coverage(images, queries, here).items()
            if part["missing"]
        ]

    if features is not None:
        rows = features.present(names, costs, allow_missing)
        here = rows >= 0
    elif pictures is not None:
        files, here, notes = present(pictures, images["path"], costs, allow_missing)
    coverage = _coverage(images, queries, here)
    with_target = queries["target"] != ""
    gone = set(images.loc[~here, "image"])
    queries = queries[with_target & ~queries["source"].isin(gone) & ~queries["target"].isin(gone)]
    if with_target.any() and not len(queries):
        raise InputError(
            f"no query is left: each needs a picture that is missing from "
            f"{features.store.path if features else pictures}; missing are: "
            f"{'; '.join(costs(here))}"
        )
    if "members" in queries:
        kept = [" ".join(m for m in row.split() if m not in gone) for row in queries["members"]]
        queries = queries.assign(members=kept)
    images = places(images[here]).drop(columns="path")
    provenance = {
        "kind": "released",
        "files": found.files,
        "absent": found.absent,
        "splits": splits,
        "pixels": pixels_told(None if files is None else size),
        **(features.told() if features else {}),
    }
    lost = sum(part["lost"] for part in coverage.values())
    without = int((~with_target).sum())
    said = [column for column in queries if column.startswith("caption_")]
    silent = int(queries[said].apply(lambda column: ~column.map(has_word).astype(bool)).sum().sum())
    left_out = [
        *info["left_out"],
        *([f"queries without a target: {without:,}"] if without else []),
        *([f"captions without a word, which stay: {silent:,}"] if silent else []),
        f"images that are missing: {len(gone):,}; queries that need one: {lost:,}",
        *notes,
        *(f"{file}: not in this copy of the release" for file in found.absent),
    ]
    tasks = {} if files is None and features is None else {VIEW: (VIEW, VIEW)}
    if gone:
        info = {**info, "protocol": incomplete(info["protocol"], f"{len(gone):,} pictures missing")}

    def draw(target: Path) -> dict[str, int] | None:
        if features is not None:
            return features.draw(target, images, rows[here])
        return {} if files is None else draw_pictures(target, images, files, size)

    content = Content(images, queries, {**info, "tasks": tasks, "left_out": left_out}, draw=draw)
    return writer.prepare(
        name, provenance, lambda: content, {"coverage": coverage}, release=release
    )


def _coverage(images: pd.DataFrame, queries: pd.DataFrame, here: np.ndarray) -> dict[str, dict]:
    """Per split and category: images, how many are missing, queries with a target, lost ones."""
    gone = set(images.loc[~here, "image"])
    queries = queries[queries["target"] != ""]
    lost = queries["source"].isin(gone) | queries["target"].isin(gone)
    out = {}
    images = images.assign(category=images["category"].str.split(" ")).explode("category")
    for (split, category), part in images.groupby(["split", "category"], sort=False):
        rows = (queries["split"] == split) & (queries["category"] == category)
        out[f"{split}/{category}"] = {
            "images": len(part),
            "missing": int((~here[part.index]).sum()),
            "queries": int(rows.sum()),
            "lost": int((rows & lost).sum()),
        }
    return out


@dataclass(frozen=True)
class Release:
    """A data set of triplets as its owners publish it.

    Args:
        title: of the release, for messages.
        read: root -> tables.
        facts: tables -> counts. expected: those that the release must give.
        info: of dataset.json: sources, licence, protocol, left_out.
        trained: protocol of what is split for training.
        val_share: of the sources of train.
    """

    title: str
    read: Callable[[Path], Annotations]
    facts: Callable[[Annotations], dict[str, int]]
    expected: Mapping[str, int]
    info: dict
    trained: str
    val_share: float


def prepare_release(
    release: Release,
    root: Path,
    name: str,
    pictures: Path | None,
    size: int = 224,
    allow_missing: bool = False,
    partial: bool = False,
    image_features: Path | None = None,
) -> Prepared:
    """Read and audit a release, and write it to data/NAME.

    With pictures, or their features, it is split for training.

    Args:
        root: folder with captions/, itself or in a folder right below it.
        name, pictures, size, allow_missing: as in `prepare`.
        partial: take files with other counts.
        image_features: file or folder of features that are kept instead of pictures.

    Raises:
        InputError: a file is missing or damaged, counts differ, or as `prepare`.
    """
    found = release.read(_inner(root))
    checks.audit(release.facts(found), release.expected, f"{release.title} as released", partial)
    for absent in found.absent:
        print(f"absent: {absent}")
    info, how = release.info, "as released"
    features = ImageFeatures(image_features) if image_features else None
    trains = bool(pictures or features)
    if trains:
        found, left_out = for_training(found, release.val_share, SEED)
        left_out = [*info["left_out"], *left_out]
        info = {**info, "protocol": release.trained, "left_out": left_out}
        how = (
            f"test: val as released; val: {release.val_share} of the sources of train, drawn "
            f"with seed {SEED}; train: the rest"
        )
    data = prepare(name, found, info, pictures, size, allow_missing, how, release.title, features)
    checks.tell(data)
    print(f"splits: {how}")
    if trains and "train" not in set(found.queries["split"]):
        print(f"nothing can train on this: there are no captions of train ({found.absent[0]})")
    return data


def _inner(root: Path) -> Path:
    """The folder with captions/: the root, or the one below it that an archive was packed from."""
    return next(iter(below(root, "captions")), root)
