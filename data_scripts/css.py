"""CSS into the prepared layout: the built-in world, or the released files where you have them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer

from cmir_repro.core import paths
from cmir_repro.core.device import choose
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import sha256
from cmir_repro.data.css import dataset as css
from cmir_repro.data.css import world
from cmir_repro.data.css.render_2d import CANVAS, draw_2d
from cmir_repro.data.css.scenes import (
    CELLS,
    COLOR,
    COLORS,
    EMPTY,
    MATERIAL,
    SHAPE,
    SHAPES,
    SIZE,
    SIZES,
)
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.archive import unpack
from cmir_repro.data.prepare.missing import whole
from cmir_repro.data.prepare.on_disk import below
from cmir_repro.data.prepare.pictures import load_picture, load_pictures
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.npy_pickle import load_npy
from data_scripts import options

RELEASED = "css-released"
NPY = "css_toy_dataset_novel2_small.dup.npy"
PARTS = ("train", "test")
RELEVANCE = ("file", "index", "scene")
SOURCES = [
    "https://drive.google.com/file/d/1wPqMw-HKmXUG2qTgYBiTNUnjz83hA2tY",
    "https://storage.googleapis.com/image_retrieval_css/CSS.zip",
]


@dataclass(frozen=True)
class Part:
    """One split of the release; N images of at most K objects.

    positions: (N, K, 2) float64, centres (y, x) in [0, 1]; colors, shapes, sizes: (N, K) int64,
    EMPTY beyond an image's last object. queries: edit, source, target (image numbers), text.
    labels: N strings, or None where the file has none.
    """

    positions: np.ndarray
    colors: np.ndarray
    shapes: np.ndarray
    sizes: np.ndarray
    queries: pd.DataFrame
    labels: list[str] | None


def released(root: Path, name: str = RELEASED, relevance: str | None = None) -> Prepared:
    """Check the released files and write them to data/css-released, or open what lies there.

    Args:
        root: folder with the .npy file and `images`.
        name: recorded in dataset.json.
        relevance: which images answer a query. "file": those with the target's label in the
            file; "index": the target alone; "scene": those that show what the target shows.
            Default: "file" where the file has labels, else "index", as in google/tirg.

    Raises:
        InputError: a file is missing or damaged or says something impossible, another release
            was prepared there before, or the folder cannot be written.
    """
    file = root / NPY
    raw = read_release(file)
    relevance = relevance or ("file" if all(raw[part].labels for part in PARTS) else "index")
    one_of("--relevance", relevance, RELEVANCE)
    digest = sha256(file)

    def make() -> Content:
        return _content(root, raw, digest, relevance)

    return writer.prepare(name, {"sha256": digest, "relevance": relevance}, make, folder=RELEASED)


def _content(root: Path, raw: dict[str, Part], digest: str, relevance: str) -> Content:
    parts, unlisted = [], 0
    files = {part: _picture_files(root, part, raw[part]) for part in PARTS}
    height, width = load_picture(files["train"][0]).shape[:2]
    for part in PARTS:
        unlisted += len(list((root / "images").glob(f"css_{part}_*.png"))) - len(files[part])
        queries = raw[part].queries
        form = queries["text"].str.split().str[0]
        parts.append(
            css.tables(part, _labels(part, raw[part], relevance), queries.assign(form=form))
        )

    def draw(target: Path) -> None:
        for part in PARTS:
            _draw(target, part, raw[part], files[part], (height, width), digest)

    info = {
        "scale": "released",
        "provenance": {
            "kind": "released",
            "file": NPY,
            "sha256": digest,
            "relevance": relevance,
            "width": width,
            "height": height,
            "val_fraction": css.VAL_FRACTION,
            "seed": css.WORLD_SEED,
        },
        "sources": SOURCES,
        "licence": "not stated by the source",
        "protocol": css.PROTOCOL,
        "tasks": css.TASKS,
        "left_out": [
            "scenes/*.json: not read, the .npy lists the objects",
            f"images that the .npy does not list: {unlisted}",
        ],
    }
    return Content(*css.split_tables(parts), info, draw=draw)


def read_release(file: Path) -> dict[str, Part]:
    """Read the .npy file and check all that it says.

    Raises:
        InputError: the file is missing, damaged or not CSS, or an entry of it is impossible.
    """
    data = load_npy(file)
    if not isinstance(data, dict):
        raise InputError(f"{file} holds {type(data).__name__}, expected a dictionary of splits")
    return {part: _part(f"{file.name}, {part}", data.get(part)) for part in PARTS}


def _part(where: str, split: object) -> Part:
    if not isinstance(split, dict):
        raise InputError(f"{where}: the split is missing; get the file again")
    for key in ("objects_img", "mods"):
        if not isinstance(split.get(key), list) or not split[key]:
            raise InputError(f"{where}: {key!r} is missing or empty; get the file again")
    scenes, labels = split["objects_img"], split.get("labels")
    if labels is not None:
        if not isinstance(labels, list) or len(labels) != len(scenes):
            raise InputError(f"{where}: 'labels' does not give one label to each image")
        labels = [str(label) for label in labels]
    queries = _mods(where, split["mods"], len(scenes))
    return Part(*_objects(where, scenes), queries, labels)


def _objects(where: str, scenes: list) -> tuple[np.ndarray, ...]:
    for number, objects in enumerate(scenes):
        if not isinstance(objects, list | tuple):
            raise InputError(f"{where}, image {number}: the objects are no list")
    shape = len(scenes), max(1, *(len(objects) for objects in scenes))
    positions = np.zeros((*shape, 2))
    indices = [np.full(shape, EMPTY, dtype=np.int64) for _ in range(3)]
    words = (("color", COLORS), ("shape", SHAPES), ("size", SIZES))
    for number, objects in enumerate(scenes):
        for place, thing in enumerate(objects):
            what = f"{where}, image {number}, object {place}"
            if not isinstance(thing, dict):
                raise InputError(f"{what} is no dictionary")
            for (key, allowed), index in zip(words, indices, strict=True):
                one_of(f"{what}: {key}", thing.get(key), allowed)
                index[number, place] = allowed.index(thing[key])
            positions[number, place] = _position(what, thing.get("pos"))
    return positions, *indices


def _position(what: str, pos: object) -> tuple[float, float]:
    try:
        y, x = (float(value) for value in pos)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: pos is {pos!r}, expected (y, x)") from error
    if not (0 <= y <= 1 and 0 <= x <= 1):  # refuses NaN too
        raise InputError(f"{what}: pos is ({y}, {x}), expected both in [0, 1]")
    return y, x


def _mods(where: str, mods: list, count: int) -> pd.DataFrame:
    rows = []
    for edit, mod in enumerate(mods):
        what = f"{where}, mod {edit}"
        keys = ("from", "to", "to_str")
        if not isinstance(mod, dict) or any(key not in mod for key in keys):
            raise InputError(f"{what} lacks one of {', '.join(keys)}")
        source, target, text = (mod[key] for key in keys)
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{what}: to_str is {text!r}, expected a sentence")
        for key in ("from", "to"):
            for image in mod[key] if isinstance(mod[key], list | tuple) else [mod[key]]:
                if type(image) is not int or not 0 <= image < count:
                    raise InputError(
                        f"{what}: {key!r} names image {image!r}, there are 0 to {count - 1}"
                    )
        if not isinstance(source, list | tuple) or not isinstance(target, list | tuple):
            raise InputError(f"{what}: 'from' and 'to' must be lists")
        if len(source) != len(target):
            raise InputError(f"{what}: {len(source)} images in 'from' but {len(target)} in 'to'")
        rows += [(edit, *pair, text) for pair in zip(source, target, strict=True)]
    if not rows:
        raise InputError(f"{where}: no mod has an image in 'from'")
    return pd.DataFrame(rows, columns=["edit", "source", "target", "text"])


def _picture_files(root: Path, part: str, raw: Part) -> list[Path]:
    files = [root / "images" / f"css_{part}_{i:06d}.png" for i in range(len(raw.colors))]
    missing = [i for i, file in enumerate(files) if not file.is_file()]
    if missing:
        lost = raw.queries[["source", "target"]].isin(missing).any(axis=1).sum()
        raise InputError(
            f"{files[missing[0]]} is missing; {len(missing):,} of the {len(files):,} images of "
            f"{part} are, which {lost:,} of its {len(raw.queries):,} queries need; get them again"
        )

    def costs(here: np.ndarray) -> list[str]:
        broken = np.flatnonzero(~here)
        lost = raw.queries[["source", "target"]].isin(broken).any(axis=1).sum()
        return [
            f"{len(broken):,} of the {len(files):,} images of {part}, which {lost:,} of its "
            f"{len(raw.queries):,} queries need"
        ]

    whole(files, [part] * len(files), costs, None)
    return files


def _labels(part: str, raw: Part, relevance: str) -> list[str]:
    """What images have in common that answer the same query, by the rule `relevance`."""
    if relevance == "file" and raw.labels is None:
        raise InputError(f"{NPY}, {part}: there are no labels; use --relevance index or scene")
    return {
        "file": lambda: raw.labels,
        "index": lambda: [str(i) for i in range(len(raw.colors))],
        "scene": lambda: world.labels(_on_grid(part, raw)),
    }[relevance]()


def _on_grid(part: str, raw: Part) -> np.ndarray:
    """Scenes (N, 9, 4) int8 of the 3x3 grid, as the built-in world has them."""
    scenes = np.full((len(raw.colors), len(CELLS), 4), EMPTY, dtype=np.int8)
    for number, place in np.argwhere(raw.colors != EMPTY):
        row, column = np.minimum(raw.positions[number, place] * 3, 2).astype(int)
        thing = scenes[number, 3 * row + column]
        if thing[COLOR] != EMPTY:
            raise InputError(
                f"{NPY}, {part}, image {number}: two objects in {CELLS[3 * row + column]}; "
                "--relevance scene needs one a cell, use file or index"
            )
        thing[[COLOR, SHAPE, SIZE]] = [
            a[number, place] for a in (raw.colors, raw.shapes, raw.sizes)
        ]
        thing[MATERIAL] = 0  # not part of a label
    return scenes


def _draw(
    target: Path,
    part: str,
    raw: Part,
    files: list[Path],
    size: tuple[int, int],
    digest: str,
) -> None:
    """Write the pixel files of one split: 2D from the objects, 3D from the pictures."""

    def in_2d(rows: slice) -> np.ndarray:
        return draw_2d(raw.positions[rows], raw.colors[rows], raw.shapes[rows], raw.sizes[rows])

    def in_3d(rows: slice) -> np.ndarray:
        return load_pictures(files[rows], *size)

    # A picture exchanged between two tries must not be taken for the one already read.
    seen = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(f"{digest} {seen}".encode()).hexdigest()
    for view, draw, shape in (("2d", in_2d, (CANVAS, CANVAS)), ("3d", in_3d, size)):
        path = target / f"pixels-{view}-{part}.npy"
        fill(path, (len(files), *shape, 3), draw, key, f"{view} {part}")


def find_root(folder: Path) -> Path:
    """The folder that holds the .npy file: `folder` itself or one right below it."""
    found = below(folder, NPY)
    if not found:
        raise InputError(f"{folder / NPY} does not exist; --root is the folder that holds it")
    return found[0]


def prepare(
    *,
    scale: Annotated[
        Literal[tuple(css.SCALES)] | None, typer.Option(help="size of the built-in world")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto: renders it")] = "cpu",
    root: options.Root = None,
    archive: options.Archive = None,
    name: options.OwnName = RELEASED,
    relevance: Annotated[
        Literal[RELEVANCE] | None, typer.Option(help="which images answer a query")
    ] = None,
) -> Prepared:
    """CSS: the built-in world of scenes (the default), or the released files with --root.

    FOLDER holds css_toy_dataset_novel2_small.dup.npy and images/css_{train,test}_NNNNNN.png. What
    is read from it lies in data/css-released afterwards; the built-in world in data/css.
    """
    if scale and (root or archive):
        raise InputError(
            "--scale belongs to the built-in world, --root and --archive to the release"
        )
    if root or archive:
        root = root or paths.data() / "raw" / "css"
        if archive:
            unpack(archive, root)
        data = released(find_root(root), name, relevance)
    else:
        data = css.prepare(scale or "mini", choose(device))
    return checks.tell(data)


if __name__ == "__main__":
    options.as_command(__file__)
