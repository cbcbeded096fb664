"""Files of arrays that papers on hashing pass around, .mat (5, 7.3) or .h5py, prepared."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer

from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.files import sha256
from cmir_repro.data.labelled import IMAGE, LABELS, TEXT, array_file
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare import labels as labelled_release
from cmir_repro.data.prepare.labels import related
from cmir_repro.data.prepare.missing import by_split, present
from cmir_repro.data.prepare.pictures import VIEW, draw_pictures
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers.files import ids_of, located
from cmir_repro.data.readers.hashing_arrays import KEYS, NAMES, Found, categories, find
from cmir_repro.data.readers.matlab import MatFile
from cmir_repro.data.readers.orientation import AXES
from data_scripts import options

ROWS = ("random", "first", "last", "released")  # which rows are queries
DATABASE = "database"
# DCMH and its successors, UCCH.
RELEASES = {
    "flickr": {"rows": 20_015, "numbers of a text": 1_386, "categories": 24},
    "nus-tc21": {"rows": 195_834, "numbers of a text": 1_000, "categories": 21},
    "nus-tc10": {"rows": 186_577, "numbers of a text": 1_000, "categories": 10},
    "coco": {"rows": 122_218, "categories": 80},
    "other": {},
}


def chosen(
    rows: str,
    sizes: dict[str, int],
    usable: np.ndarray,
    released: tuple[int, int] | None,
    seed: int,
) -> np.ndarray:
    """What each of N rows is for: (N,) str, train, val, test or DATABASE; "" leaves it out.

    Args:
        rows: of ROWS. Random ones are drawn among the usable rows, and the others left out; the
            first or last ones are queries as they are, and train and val drawn from all others.
            Released queries are test, and everything else that is not val is trained on.
        sizes: train, val, test -> how many.
        usable: (N,) bool, whether a row has a category and a tag.
        released: rows of train and test, one after the other; None: the files do not say.
        seed: of the draw.

    Raises:
        InputError: there are too few rows, or the files have no released split.
    """
    out = np.full(len(usable), DATABASE, dtype=object)
    if rows == "released":
        if released is None:
            raise InputError("the files do not name arrays of train and test; choose other --rows")
        out[: released[0]], out[released[0] :] = "train", "test"
        return labelled_release.hold_out(out, sizes["val"] / max(released[0], 1), seed)
    pool = np.arange(len(usable))
    if rows == "random":
        out[~usable], pool = "", np.flatnonzero(usable)
    else:
        test = sizes["test"]
        if not 0 < test < len(pool):
            raise InputError(f"--test {test} must leave some of {len(pool):,} rows to train")
        pool, ends = (pool[test:], pool[:test]) if rows == "first" else (pool[:-test], pool[-test:])
        out[ends], sizes = "test", {**sizes, "test": 0}
    for part, drawn in labelled_release.shuffled(pool, sizes, seed).items():
        out[pool[drawn]] = part
    return out


def _drawer(
    found: Found,
    kept: np.ndarray,
    table: pd.DataFrame,
    images: Path | None,
    size: int,
    key: str,
) -> Callable[[Path], None]:
    """What writes pixels or features of the kept rows into a folder, without holding them all."""
    if images is not None:
        if found.names is None:
            raise InputError(f"--images needs the names of the pictures, {' or '.join(NAMES)}")
        paths_ = pd.Series([located("names", found.names[row]) for row in kept])
        files, _, _ = present(images, paths_, by_split(table["split"]), None)
        placed = table.assign(part="all", row=np.arange(len(table)))
        return lambda target: draw_pictures(target, placed, files, size)
    picture = found.picture
    if picture is None:
        raise InputError(f"no file has {', '.join(KEYS['picture'])}; add it, or give --images")
    said = picture.arrays[0].said()
    if len(picture.shape) == 3:
        types = picture.arrays[0].take(slice(0, 1)).dtype
        if picture.shape[2] != 3 or types != np.uint8:
            raise InputError(f"{said} of {types} are no pictures (height, width, 3, N) of uint8")
    elif len(picture.shape) != 1:
        raise InputError(f"{said} is neither pictures nor a matrix of features")

    def rows(part: slice) -> np.ndarray:
        block = picture.take(kept[part])
        if len(picture.shape) == 1 and not np.isfinite(block).all():
            raise InputError(f"{said} holds a number that is not finite")
        return block

    def draw(target: Path) -> None:
        pixels = len(picture.shape) == 3
        path = target / f"pixels-{VIEW}-all.npy" if pixels else array_file(target, IMAGE)
        shape = (len(kept), *picture.shape)
        digest = hashlib.sha256(f"{key} {kept.tolist()}".encode()).hexdigest()
        fill(
            path,
            shape,
            rows,
            digest,
            path.stem,
            "uint8" if pixels else "float32",
        )

    return draw


def prepare(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="of one release, .mat or .h5py")
    ],
    *,
    name: options.OwnName,
    release: Annotated[Literal[tuple(RELEASES)], typer.Option(help="counts demanded")] = "other",
    partial: options.Partial = False,
    rows: Annotated[Literal[ROWS], typer.Option(help="that are queries")] = "random",
    train: options.TrainImages = 10_000,
    val: options.ValImages = 2_000,
    test: options.TestImages = 2_000,
    seed: options.Seed = 0,
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="of the pictures that FAll or imgs name"),
    ] = None,
    size: options.Size = 224,
    samples_axis: Annotated[
        Literal[AXES] | None,
        typer.Option(help="over the images, in square arrays"),
    ] = None,
) -> Prepared:
    """Array files of papers on hashing: MIRFLICKR, NUS-WIDE, MS-COCO.

    cmir prepare hashing-files --name flickr --release flickr --rows first FLICKR-25K.mat

    Arrays are found by name, in whichever file they are. The audit is printed and, with --release,
    must give the known counts.
    """
    sizes = {"train": train, "val": val, "test": test}
    with contextlib.ExitStack() as stack:
        found = find([stack.enter_context(MatFile(file)) for file in files], samples_axis)
        text = found.text.matrix()
        labels, numbers = categories(found.labels)
        kind = "tags" if text.dtype == np.uint8 else "features"
        usable = labels.any(1) & (text.any(1) if kind == "tags" else True)
        there = labels.any(0)  # DAEVR's labels of COCO have an empty column
        facts = {
            "rows": len(labels),
            "numbers of a text": text.shape[1],
            "categories": int(there.sum()),
            "categories that no row has": int((~there).sum()),
            "labels": int(labels.sum(dtype=np.int64)),
            "rows without a category": int((~labels.any(1)).sum()),
            "rows without a tag": int((~text.any(1)).sum()),
        }
        checks.audit(facts, RELEASES[release], release, partial)
        with naming(files[0]):
            use = chosen(rows, sizes, usable, found.sizes, seed)
        kept = np.flatnonzero(use != "")
        ids = [f"row-{row:06d}" for row in range(len(use))]
        if found.names is not None:
            places = [located(f"name {n}", text) for n, text in enumerate(found.names, start=1)]
            ids = ids_of(places)
        table = pd.DataFrame(
            {
                "image": np.array(ids, dtype=object)[kept],
                "split": np.where(use == DATABASE, "train", use)[kept],
                "label": np.array(ids, dtype=object)[kept],  # categories say what is relevant
                "trains": (use == "train")[kept],
            }
        )
        digests = {Path(file).name: sha256(Path(file)) for file in files}
        draw = _drawer(found, kept, table, images, size, repr(digests))
        text, labels = text[kept], labels[kept][:, there]
        facts = {**facts, **{part: int((use == part).sum()) for part in (*SPLITS, DATABASE)}}
        test = use[kept] == "test"
        facts["relevant pairs of query and database, %"] = round(
            related(labels[test], labels[~test]), 2
        )
        pixels = images is not None or (found.picture is not None and len(found.picture.shape) == 3)
        record = {
            "provenance": {
                "kind": "released",
                "files": digests,
                "release": release,
                "splits": {"rows": rows, "seed": seed, **sizes},
                "pixels": f"{size} x {size}, middle of the scaled picture"
                if images
                else "as stored",
            },
            "licence": "not stated",
            "sources": [],
            "left_out": [f"rows without a category or a tag: {len(use) - len(kept):,}"],
            "audit": [{"fact": fact, "found": count} for fact, count in facts.items()],
            "tasks": {VIEW: [VIEW, VIEW]} if pixels else {},
            "text": {
                "kind": kind,
                "names": [f"{kind[:-1]} {number}" for number in range(1, text.shape[1] + 1)],
            },
            "categories": [f"category {number}" for number in numbers[there]],
        }
        arrays = {TEXT: text, LABELS: labels}
        return checks.tell(labelled_release.finish(name, record, table, arrays, draw))


if __name__ == "__main__":
    options.as_command(__file__)
