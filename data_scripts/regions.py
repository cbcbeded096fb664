"""Ready region features with sentences (SCAN, VSE-infinity) into the prepared layout."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import typer

from cmir_repro.core.arrays import read_npy
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.prepare import captions, checks
from cmir_repro.data.prepare.captions import RELEASES
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.captions import Captions, tables
from cmir_repro.data.readers.files import lines, located
from data_scripts import options

FEATURES = "regions"
PARTS = {"train": ("train",), "val": ("dev",), "test": ("testall", "test")}  # the first there is
EACH = 5  # captions an image
PRECISIONS = ("float16", "float32")  # half: three digits of a feature matter (our choice)
_CHUNK = 32  # images read at a time: 47 MB of 36 x 2048 numbers, five times over


class Features(NamedTuple):
    """part: as in the files' names; array: (N, regions, D) float, memory-mapped; repeat: rows of
    an image, 1 or EACH, all the same."""

    part: str
    array: np.ndarray
    repeat: int


def read(root: Path) -> tuple[Captions, dict[str, Features]]:
    """Tables, and the features of each split.

    Raises:
        InputError: a file is missing, damaged or does not fit the others.
    """
    rows, files, features = [], {}, {}
    for split, parts in PARTS.items():
        part = next((p for p in parts if (root / f"{p}_caps.txt").exists()), None)
        if part is None:
            print(f"absent: {parts[-1]}_caps.txt, so there is nothing of {split}")
            continue
        texts = lines(root / f"{part}_caps.txt")
        array = _open(root / f"{part}_ims.npy")
        if not texts or len(texts) % EACH or len(array) not in (len(texts), len(texts) // EACH):
            raise InputError(
                f"{root / part}_ims.npy has {len(array):,} rows for {len(texts):,} captions; it "
                f"takes one a caption or one for {EACH}; get both again"
            )
        blank = next((number for number, text in enumerate(texts) if not text), None)
        if blank is not None:
            raise InputError(f"{root / part}_caps.txt, line {blank + 1} is blank; get it again")
        names = _ids(root / f"{part}_ids.txt", len(texts) // EACH)
        ids = names or [f"{split}_{number:06d}" for number in range(len(texts) // EACH)]
        for number, image in enumerate(ids):
            place = f"{part}_ids.txt, image {number + 1}"
            # An id is a word, and no file is looked for under it.
            rows.append((located(place, image), split, texts[EACH * number : EACH * (number + 1)]))
        for file in (f"{part}_caps.txt", f"{part}_ims.npy", f"{part}_ids.txt"):
            if (root / file).exists():
                files[file] = sha256(root / file)
        features[split] = Features(part, array, EACH * len(array) // len(texts))
    if not features:
        raise InputError(
            f"{root} has no PART_caps.txt of {', '.join(p for ps in PARTS.values() for p in ps)}"
        )
    kinds = {here.array.shape[1:] for here in features.values()}
    if len(kinds) > 1:
        raise InputError(f"{root}: the parts have features of different shapes: {sorted(kinds)}")
    return tables(str(root), rows, files, EACH), features


def _open(path: Path) -> np.ndarray:
    """(N, regions, D) float, memory-mapped."""
    array = read_npy(path, mapped=True)
    if array.ndim != 3 or array.dtype.kind != "f":
        raise InputError(f"{path} must be (images, regions, D) float; it is another array")
    return array


def _ids(path: Path, count: int) -> list[str]:
    """An id an image, from a file with one a line or one a caption; [] where there is no file."""
    if not path.exists():
        return []
    ids = lines(path)
    if len(ids) == EACH * count:
        for number in range(1, EACH):
            if ids[::EACH] != ids[number::EACH]:
                raise InputError(f"{path}: the {EACH} captions of an image have different ids")
        ids = ids[::EACH]
    if len(ids) != count:
        raise InputError(f"{path} has {len(ids):,} lines for {count:,} images; get it again")
    return ids


def _copy(path: Path, here: Features, precision: str, digest: str) -> None:
    """Write the features of a split, one row an image, chunk by chunk."""
    part, array, repeat = here

    def draw(rows: slice) -> np.ndarray:
        out = np.empty((rows.stop - rows.start, *array.shape[1:]), dtype=precision)
        for start in range(rows.start, rows.stop, _CHUNK):
            stop = min(start + _CHUNK, rows.stop)
            some = array[repeat * start : repeat * stop]
            some = some.reshape(stop - start, repeat, *array.shape[1:])
            if (some != some[:, :1]).any():
                raise InputError(
                    f"{part}_ims.npy has a row a caption, but the {EACH} of an image differ "
                    f"(images {start + 1} to {stop}); get it again"
                )
            with np.errstate(over="ignore"):
                out[start - rows.start : stop - rows.start] = some[:, 0]
        if not np.isfinite(out).all():
            raise InputError(
                f"{part}_ims.npy has values that {precision} cannot hold; --precision float32, or "
                "get the file again"
            )
        return out

    shape = (len(array) // repeat, *array.shape[1:])
    size = np.prod(shape) * np.dtype(precision).itemsize / 1e9
    fill(path, shape, draw, digest + precision, f"{path.stem} ({size:.1f} GB)", precision)


def prepare(
    *,
    root: options.Folder,
    name: options.Name = None,
    precision: Annotated[
        Literal[PRECISIONS], typer.Option(help="of the stored features")
    ] = PRECISIONS[0],
    partial: options.Partial = False,
) -> Prepared:
    """Ready region features with sentences (SCAN, VSE-infinity) of Flickr30K or MS-COCO.

    FOLDER (f30k_precomp, coco_precomp) holds PART_ims.npy, (N, regions, D) float, PART_caps.txt,
    five lines an image, and perhaps PART_ids.txt, for PART train, dev and test, or only some of
    them; COCO's testall comes before its test.
    """
    key = captions.release_of(root.resolve().name)
    found, features = read(root)
    checks.audit(
        captions.facts(found), RELEASES[key].expected, f"{key} with Karpathy's splits", partial
    )
    images = found.images.drop(columns="path")
    images = images.assign(part=images["split"], row=images.groupby("split").cumcount())

    def draw(target: Path) -> None:
        for split, here in features.items():
            digest = found.files[f"{here.part}_ims.npy"]
            _copy(target / f"ready-{FEATURES}-{split}.npy", here, precision, digest)

    data = captions.finish(
        name or f"{key}-{FEATURES}",
        found,
        RELEASES[key],
        {"precision": precision, "pixels": "none"},
        images,
        captions.covered(found, np.ones(len(images), dtype=bool)),
        {FEATURES: [FEATURES, FEATURES]},
        draw,
    )
    return checks.tell(data)


if __name__ == "__main__":
    options.as_command(__file__)
