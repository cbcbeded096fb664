"""Images with captions into the prepared layout, and what their audit counts.

A picture that is not there is an error that says what it costs, or, if asked for, it is left out
with its sentences, counted in `dataset.json` under "coverage", and named by the protocol.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import incomplete, preset
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.missing import present
from cmir_repro.data.prepare.on_disk import find_pictures
from cmir_repro.data.prepare.pictures import (
    VIEW,
    draw_pictures,
    first_of,
    pixel_digests,
    pixels_told,
    places,
)
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers.captions import Captions

ANY = "own/image-sentence"  # protocol of what has not the counts of a published test set


class Release(NamedTuple):
    """What is known of a data set: its protocol, counts, addresses, and licence."""

    protocol: str
    expected: dict[str, int]
    sources: list[str]
    licence: str
    digests: str = ""  # a key of release_digests.DIGESTS


# Counts: Karpathy's splits, as VSE++ and SCAN use them; five captions an image.
RELEASES = {
    "flickr30k": Release(
        "flickr30k-1k",
        {
            "images, train": 29_000,
            "images, val": 1_014,
            "images, test": 1_000,
            "sentences, train": 145_000,
            "sentences, val": 5_070,
            "sentences, test": 5_000,
        },
        ["https://github.com/karpathy/neuraltalk", "https://github.com/multi30k/dataset"],
        "none stated",
    ),
    "coco": Release(
        "coco-5k",
        {
            "images, train": 113_287,
            "images, val": 5_000,
            "images, test": 5_000,
            "sentences, test": 25_000,
        },
        ["https://cocodataset.org", "https://github.com/karpathy/neuraltalk"],
        "captions: CC BY 4.0; pictures: each its own Flickr licence",
    ),
    "other": Release(ANY, {}, [], "not stated"),
}


def facts(found: Captions) -> dict[str, int]:
    """The counts that are audited, computed from what was read."""
    split_of = found.images.set_index("image")["split"]
    split = found.sentences["image"].map(split_of)
    out = {f"images, {s}": int((found.images["split"] == s).sum()) for s in SPLITS}
    out |= {f"sentences, {s}": int((split == s).sum()) for s in SPLITS}
    test = found.sentences[split == "test"]
    five = test.groupby("image").size() == 5
    out["test images with other than five sentences"] = int((~five).sum())
    # No ranking can tell such sentences apart.
    several = test.groupby("text")["image"].transform("nunique") > 1
    out["test sentences that another test image has too"] = int(several.sum())
    out["distinct sentences"] = found.sentences["text"].nunique()
    return out


def prepare(
    name: str,
    found: Captions,
    release: Release,
    made: dict,
    pictures: Path | None,
    size: int = 224,
    allow_missing: bool = False,
) -> Prepared:
    """Write images and sentences to data/NAME, or open what lies there if it is the same.

    Args:
        name: of the folder, and in dataset.json: lower-case letters, digits, - and _.
        found: what a reader gave.
        release: what is known of it.
        made: more that the data depend on, into the provenance: seeds, shares.
        pictures: folder of the photographs; None writes sentences alone.
        size: of the squares, in pixels.
        allow_missing: leave out pictures that are not there, with their sentences.

    Raises:
        InputError: a picture is missing or damaged, something else was prepared there before, or
            the folder cannot be written.
    """
    files, here, notes = None, np.ones(len(found.images), dtype=bool), []

    def costs(here: np.ndarray) -> list[str]:
        return [
            f"{where.split('/')[0]} {part['missing']:,} of {part['images']:,} images, with "
            f"{part['lost']:,} of its {part['sentences']:,} sentences"
            for where, part in covered(found, here).items()
            if part["missing"]
        ]

    if pictures is not None:
        files, here, notes = present(pictures, found.images["path"], costs, allow_missing)
    images = places(found.images[here]).drop(columns="path")

    def draw(target: Path) -> dict[str, int]:
        return {} if files is None else draw_pictures(target, images, files, size)

    made = {**made, "pixels": pixels_told(None if files is None else size)}
    tasks = {} if files is None else {VIEW: [VIEW, VIEW]}
    coverage = covered(found, here)
    found = found._replace(left_out=[*found.left_out, *notes])
    return finish(name, found, release, made, images, coverage, tasks, draw)


def finish(
    name: str,
    found: Captions,
    release: Release,
    made: dict,
    images: pd.DataFrame,
    coverage: dict[str, dict],
    tasks: dict[str, list[str]],
    draw: Callable[[Path], dict[str, int] | None],
) -> Prepared:
    """Check and write everything, `draw(folder)` the pixels or features; or open what is there.

    Args:
        name, found, release, made: as in `prepare`.
        images: the image table with part and row, of the images that are kept.
        coverage: of `covered`.
        tasks: for dataset.json.
        draw: called with the folder once the tables are known to be sound.

    Raises:
        InputError: as `prepare`, or no image is for the test, so that nothing could be scored.
    """
    if not (images["split"] == "test").any():
        gone = coverage.get("test/all", {}).get("missing")
        mend = f"get some of its {gone:,} missing pictures" if gone else "give some that split"
        raise InputError(
            f"{', '.join(found.files)}: no image is of the split test, so nothing that trains on "
            f"this could be scored; {mend}"
        )
    told = found.sentences[found.sentences["image"].isin(images["image"])].reset_index(drop=True)
    missing, lost = (sum(part[key] for part in coverage.values()) for key in ("missing", "lost"))
    left_out = f"images that are missing: {missing:,}; sentences about them: {lost:,}"
    info = {
        "protocol": _protocol(release, images, told, coverage),
        "tasks": tasks,
        "left_out": [*found.left_out, left_out],
    }
    same = {
        "coverage": coverage,
        "tables_sha256": checks.tables_hash(images, told),
        "sources": release.sources,
        "licence": release.licence,
    }
    content = Content(images, info=info, sentences=told, draw=draw)
    provenance = {"kind": "released", "files": found.files, **made}
    return writer.prepare(name, provenance, lambda: content, same, release=release.digests)


def covered(found: Captions, here: np.ndarray) -> dict[str, dict]:
    """Per split: images, how many are missing, sentences, how many are lost with them.

    Args:
        here: (N,) bool, whether the picture of each row of the image table is there.
    """
    gone = set(found.images["image"][~here])
    split_of = found.images.set_index("image")["split"]
    split, lost = found.sentences["image"].map(split_of), found.sentences["image"].isin(gone)
    out = {}
    for name in SPLITS:
        rows = (found.images["split"] == name).to_numpy()
        if rows.any():
            out[f"{name}/all"] = {
                "images": int(rows.sum()),
                "missing": int((rows & ~here).sum()),
                "sentences": int((split == name).sum()),
                "lost": int(((split == name) & lost).sum()),
            }
    return out


def merge_copies(found: Captions, folder: Path) -> Captions:
    """Pictures of equal pixels as one, the first, which gets the sentences of all.

    Else a copy in another split, or in the same gallery, would be a right answer counted wrong.

    Args:
        found: what a reader gave.
        folder: of the photographs; those that are not there or damaged are left as they are.

    Raises:
        InputError: the folder does not exist or no picture can be read.
    """
    files = find_pictures(folder, found.images["path"])
    # A picture that is not there is like no other.
    digest = found.images["image"].to_numpy(dtype=object).copy()
    here = np.array([file is not None for file in files])
    if here.any():
        digest[here], broken = pixel_digests([file for file in files if file is not None])
        # Nor is one that cannot be read; `prepare` says what it costs, with all that are missing.
        digest[np.flatnonzero(here)[broken]] = found.images["image"].to_numpy()[here][broken]
    ids, first = found.images["image"].to_numpy(), first_of(digest)
    becomes = dict(zip(ids, ids[first], strict=True))
    copies = first != np.arange(len(first))
    told = found.sentences.assign(image=found.sentences["image"].map(becomes))
    note = "pictures with the pixels of an earlier one, which got their sentences"
    images = found.images[~copies].reset_index(drop=True)
    split = found.images["split"].to_numpy()
    moved = int((split != split[first]).sum())
    other = f"; {moved:,} of them were in another split than that one" if moved else ""
    left_out = [*found.left_out, f"{note}: {copies.sum():,}{other}"]
    return found._replace(images=images, sentences=told, left_out=left_out)


def drawn_splits(
    count: int, val: float, test: float, seed: int, where: object = "the data"
) -> np.ndarray:
    """(N,) str: a split for each of N images, drawn at random.

    Args:
        count: N.
        val, test: shares of the images.
        seed: of the draw.
        where: what holds the images, for the message.

    Raises:
        InputError: the shares leave nothing to train or test on.
    """
    shares = 0 <= val < 1 and 0 < test < 1
    ends = np.round(np.cumsum([test, val] if shares else [1, 1]) * count).astype(int)
    if not 0 < ends[0] <= ends[1] < count:
        raise InputError(
            f"--val {val} and --test {test} must be shares of the {count:,} images of {where} that "
            "leave some to test and to train"
        )
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(count)
    splits = np.full(count, "train", dtype=object)
    splits[order[: ends[0]]] = "test"
    splits[order[ends[0] : ends[1]]] = "val"
    return splits


def release_of(name: str) -> str:
    """The key of RELEASES that a file or folder seems to be of, by its name.

    dataset_flickr30k.json, f30k_precomp and coco_precomp say it; anything else is "other".
    """
    name = name.lower().replace("f30k", "flickr30k")
    return next((key for key in RELEASES if key in name), "other")


def _protocol(
    release: Release, images: pd.DataFrame, told: pd.DataFrame, coverage: dict[str, dict]
) -> str:
    """The release's protocol if the test set has its counts, else one that any data fit.

    Whatever is missing, in whatever split, is in the name.
    """
    wanted = preset(release.protocol)
    test = images.loc[images["split"] == "test", "image"]
    each = told.loc[told["image"].isin(test), "image"].value_counts()
    fits = wanted.images in (None, len(test)) and (
        wanted.sentences is None or (each == wanted.sentences).all()
    )
    name = release.protocol if fits else ANY
    missing = sum(part["missing"] for part in coverage.values())
    return incomplete(name, f"{missing:,} pictures missing") if missing else name
