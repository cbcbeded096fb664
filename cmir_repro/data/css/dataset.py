"""CSS, generated and rendered here: the data set that every notebook runs on by default.

Three sizes. `paper` has counts and pictures of the released data, `full` its counts in small
pictures; `mini` is the same world, smaller. Rendering goes in chunks and starts again where it
stopped.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core import locks, paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.data import prepared
from cmir_repro.data.css import sentences, tags, world
from cmir_repro.data.css.render_2d import render_2d
from cmir_repro.data.css.scenes import SHAPE_NAMES
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepare.writer import Content, write
from cmir_repro.data.prepared import Prepared

WORLD_SEED = 0
VAL_FRACTION = 0.1  # our choice
PROTOCOL = "tirg/css"
# Sentences name one object after another: cutting them would lose the last ones.
SENTENCES_PROTOCOL = "css/image-sentence"
DESCRIBED = {"sentences": sentences.VERSION, "tags": tags.VERSION}
TASKS = {"3d-3d": ("3d", "3d"), "2d-3d": ("2d", "3d"), "2d-2d": ("2d", "2d")}


@dataclass(frozen=True)
class Scale:
    """Base scenes and edits of train and test, and the 3D picture in pixels."""

    bases: tuple[int, int]
    edits: tuple[int, int]
    width: int
    height: int


_RELEASED = {"bases": (1000, 1000), "edits": (6004, 6019)}
SCALES = {
    "mini": Scale(bases=(150, 50), edits=(900, 300), width=90, height=60),
    # Counts of the released data, and its picture size.
    "full": Scale(**_RELEASED, width=90, height=60),
    "paper": Scale(**_RELEASED, width=180, height=120),
}


def folder(scale: str) -> Path:
    """Where the prepared data set of a scale lies."""
    one_of("scale", scale, SCALES)
    return paths.data() / "css" / scale


def prepare(scale: str, device: str = "cpu", progress: bool = True) -> Prepared:
    """Open the CSS data set of a scale; generate and render it first where it is missing.

    Where another process does so, wait for it.

    Args:
        scale: a key of SCALES.
        device: torch device that renders the 3D view.
        progress: show a bar while rendering.

    Raises:
        InputError: unknown scale, a damaged file, or a folder that cannot be written.
    """
    target = folder(scale)
    if (target / "dataset.json").exists():
        data = _opened(target, scale)
        if data.info.get("described") == DESCRIBED:
            return data
    with locks.alone(target, f"prepares css at {scale}"):
        if not (target / "dataset.json").exists():
            _write(target, scale, device, progress)
        data = _opened(target, scale)
        if data.info.get("described") != DESCRIBED:  # scenes and pictures stay as they are
            _finish(target, scale, data.images, data.queries)
            data = Prepared(target)
    return data


def _opened(target: Path, scale: str) -> Prepared:
    data = Prepared(target)
    # Through JSON, so that tuples and lists compare equal.
    if data.info["provenance"] != json.loads(json.dumps(_provenance(scale))):
        raise InputError(
            f"{target} was made by another version of the generator; delete that folder"
        )
    return data


def _write(target: Path, scale: str, device: str, progress: bool) -> None:
    from cmir_repro.data.css import render_3d  # torch: seconds that nobody waits for --help

    size = SCALES[scale]
    parts = []
    for number, part in enumerate(("train", "test")):
        made = world.generate(size.bases[number], size.edits[number], part, WORLD_SEED)
        # A cube's angle in a target is near that in its source.
        turned_like = np.arange(len(made.scenes))
        turned_like[made.queries["target"]] = made.queries["source"]
        places = np.arange(len(turned_like))
        jitter = render_3d.draw_jitter(WORLD_SEED * 2 + number, places, turned_like)
        render(target, part, made.scenes, jitter, size, device, progress)
        parts.append(tables(part, world.labels(made.scenes), made.queries))
    _finish(target, scale, *split_tables(parts))


def tables(
    part: str, labels: Sequence[str], queries: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The image and the query table of a part, "train" or "test", validation not held out yet.

    Args:
        labels: of its N images, in their order.
        queries: source, target (numbers of images), text, edit, form.
    """
    ids = np.array([f"css_{part}_{i:06d}" for i in range(len(labels))], dtype=object)
    images = pd.DataFrame(
        {"image": ids, "split": part, "part": part, "row": np.arange(len(ids)), "label": labels}
    )
    return images, pd.DataFrame(
        {
            "query": [f"css_{part}_query_{i:06d}" for i in range(len(queries))],
            "split": part,
            "source": ids[queries["source"].to_numpy()],
            "target": ids[queries["target"].to_numpy()],
            "text": queries["text"],
            "edit": queries["edit"],
            "form": queries["form"],
        }
    )


def split_tables(parts: list[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, ...]:
    """The tables of all parts as one, a share of train held out for validation."""
    images, queries = (pd.concat(found, ignore_index=True) for found in zip(*parts, strict=True))
    return prepared.hold_out(images, queries, VAL_FRACTION, WORLD_SEED)


def _finish(target: Path, scale: str, images: pd.DataFrame, queries: pd.DataFrame) -> None:
    """Write what is said about the scenes, and the tables."""
    told = [sentences.of_scenes(images, view) for view in SHAPE_NAMES]
    arrays, tasks = tags.of_scenes(images)
    info = {**_info(scale), "labelled": tasks}
    write(
        target,
        Content(images, queries, info, pd.concat(told, ignore_index=True), arrays),
    )


def _provenance(scale: str) -> dict:
    constants = {
        name: getattr(world, name)
        for name in (
            "FEWEST_OBJECTS",
            "MOST_OBJECTS",
            "P_NAMED",
            "P_NAMED_IN_ADD",
            "FORMS",
            "PAIRS_PER_EDIT",
            "ONLY_TRAIN",
            "ONLY_TEST",
        )
    }
    return {
        "kind": "rendered",
        "generator_version": world.VERSION,
        "seed": WORLD_SEED,
        "constants": constants,
        **asdict(SCALES[scale]),
        "val_fraction": VAL_FRACTION,
    }


def _info(scale: str) -> dict:
    return {
        "name": "css",
        "scale": scale,
        "provenance": _provenance(scale),
        "sources": [],
        "licence": "MIT (generated by this package)",
        "left_out": [],
        "protocol": PROTOCOL,
        "tasks": TASKS,
        "image_text": {
            view: {"view": view, "protocol": SENTENCES_PROTOCOL, "whole": True}
            for view in SHAPE_NAMES
        },
        "described": DESCRIBED,
    }


def render(
    target: Path,
    part: str,
    world_scenes: np.ndarray,
    jitter: np.ndarray,
    size: Scale,
    device: str,
    progress: bool = True,
) -> None:
    """Draw both views of scenes (N, 9, 4) into the pixel files of one part of a folder.

    Args:
        jitter: (N, 9, 3), see `render_3d.draw_jitter`.
        device: torch device of the 3D view. progress: show a bar.

    Raises:
        InputError: the folder cannot be written.
    """
    from cmir_repro.data.css import render_3d

    def in_2d(rows: slice) -> np.ndarray:
        return render_2d(world_scenes[rows])

    def in_3d(rows: slice) -> np.ndarray:
        pictures = render_3d.render_3d(
            world_scenes[rows], jitter[rows], width=size.width, height=size.height, device=device
        )
        return pictures.cpu().numpy()

    seen = f"version {world.VERSION}".encode() + world_scenes.tobytes() + jitter.tobytes()
    key = hashlib.sha256(seen).hexdigest()
    for view, draw, height, width in (
        ("2d", in_2d, 64, 64),
        ("3d", in_3d, size.height, size.width),
    ):
        path = target / f"pixels-{view}-{part}.npy"
        shape = (len(world_scenes), height, width, 3)
        fill(path, shape, draw, key, f"{view} {part}" if progress else None)
