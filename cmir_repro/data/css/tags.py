"""Tags and categories of the CSS scenes: the built-in label-based data.

Tags are what people who upload a picture might write: single words of some of its objects, some
run together, and some that say nothing of it (as the tags of MIRFLICKR and NUS-WIDE). Chances and
words are our choice throughout.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import CELLS, COLOR, COLORS, SHAPE, SHAPE_NAMES, SIZE, SIZES
from cmir_repro.data.labelled import LABELS, TEXT, USED

VERSION = 1  # of the tags; raise it when any of them changes on purpose
SEED = 0
PROTOCOL = "map-all"
# Chances that an object is tagged at all, and that a tagged one's colour and shape are, apart, as
# one word ("redcube"), or its position. Half the objects of a picture are missing from its tags.
P_OBJECT, P_WORD, P_TOGETHER, P_POSITION = 0.6, 0.7, 0.3, 0.3
# Words that fit any picture; each is there with its own chance.
NOISE = {"render": 0.3, "scene": 0.2, "toys": 0.15, "test": 0.1, "geometry": 0.1, "holiday": 0.05}
# What a category joins; two scenes are relevant to one another if they share one. The share of
# pairs of query and database that do, on `mini`: colour-shape 0.60 (24 categories), colour-position
# 0.32 (72), colour 0.89, shape 0.99, size 0.98, position 0.95.
FAMILIES = {
    "colour-shape": (COLOR, SHAPE),
    "colour-position": (COLOR, "position"),
    "colour": (COLOR,),
    "shape": (SHAPE,),
    "size": (SIZE,),
    "position": ("position",),
}


def of_scenes(images: pd.DataFrame, seed: int = SEED) -> tuple[dict[str, np.ndarray], dict]:
    """Tags and categories of N images, for all views and families of categories at once.

    Of images with equal scenes the first of each split is used; one without a tag is left out, as
    MIRFLICKR-25K's and NUS-WIDE's are.

    Args:
        images: the image table, whose labels are scene keys.
        seed: of the tags.

    Returns:
        arrays: TEXT (N, D), LABELS (N, C) and USED (N,), all uint8 0/1; the categories of all
            families stand side by side.
        tasks: "VIEW-FAMILY" -> what `labelled.labelled` must know: see there.
    """
    keys = images["label"].tolist()
    scenes = np.stack([world.from_label(key) for key in keys])
    count = len(vocabulary(SHAPE_NAMES["3d"]))  # views differ in the names alone
    text = tags(keys, scenes, count, seed)
    first = ~images.duplicated(["split", "label"]).to_numpy()
    blocks, tasks, start = [], {}, 0
    for family in FAMILIES:
        for view, shapes in SHAPE_NAMES.items():
            block, names = categorise(scenes, shapes, family)
            tasks[f"{view}-{family}"] = {
                "view": view,
                "protocol": PROTOCOL,
                "kind": "tags",
                "names": vocabulary(shapes),
                "categories": names,
                "columns": [start, start + len(names)],
            }
        blocks.append(block)
        start += len(names)
    arrays = {TEXT: text, LABELS: np.concatenate(blocks, 1).astype(np.uint8)}
    return {**arrays, USED: (first & text.any(1)).astype(np.uint8)}, tasks


def vocabulary(shapes: tuple[str, ...]) -> list[str]:
    """All tags: colours, shapes, both as one word, positions, and those that fit any picture."""
    together = [color + shape for color in COLORS for shape in shapes]
    places = [cell.replace("-", "") for cell in CELLS]
    return [*COLORS, *shapes, *together, *places, *NOISE]


def tags(keys: Sequence[str], scenes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(N, count) uint8, 1: the picture has the tag; the same for a scene wherever it is made.

    Args:
        keys: N scene keys, which decide what is drawn. scenes: (N, 9, 4), the same.
        count: of the vocabulary.
    """
    draws = np.stack([_draws(key, seed) for key in keys])  # (N, 6, 9) uniform
    color, shape = scenes[..., COLOR].astype(int), scenes[..., SHAPE].astype(int)  # (N, 9)
    there = (color >= 0) & (draws[:, 0] < P_OBJECT)
    place = np.broadcast_to(np.arange(len(CELLS)), color.shape)
    shapes_at = len(COLORS)
    pairs_at = shapes_at + 3
    places_at = pairs_at + len(COLORS) * 3
    out = np.zeros((len(keys), count), dtype=np.uint8)
    for number, (column, chance) in enumerate(
        (
            (color, P_WORD),
            (shapes_at + shape, P_WORD),
            (pairs_at + color * 3 + shape, P_TOGETHER),
            (places_at + place, P_POSITION),
        ),
        start=1,
    ):
        rows, cells = np.nonzero(there & (draws[:, number] < chance))
        out[rows, column[rows, cells]] = 1
    noise = places_at + len(CELLS)
    out[:, noise : noise + len(NOISE)] = draws[:, 5, : len(NOISE)] < np.array([*NOISE.values()])
    return out


def categorise(
    scenes: np.ndarray, shapes: tuple[str, ...], family: str
) -> tuple[np.ndarray, list[str]]:
    """(N, C) bool and the C names of a family's categories, for scenes (N, 9, 4)."""
    values = {
        COLOR: (scenes[..., COLOR], COLORS),
        SHAPE: (scenes[..., SHAPE], shapes),
        SIZE: (scenes[..., SIZE], SIZES),
        "position": (np.broadcast_to(np.arange(len(CELLS)), scenes.shape[:2]), CELLS),
    }
    number, names = np.zeros(scenes.shape[:2], dtype=np.int64), [""]
    for what in FAMILIES[family]:
        value, words = values[what]
        number = number * len(words) + value
        names = [f"{name} {word}".strip() for name in names for word in words]
    out = np.zeros((len(scenes), len(names)), dtype=bool)
    rows, cells = np.nonzero(scenes[..., COLOR] >= 0)
    out[rows, number[rows, cells]] = True
    return out, names


def _draws(key: str, seed: int) -> np.ndarray:
    digest = hashlib.sha256(f"{VERSION}/{seed}/{key}".encode()).digest()
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    return rng.random((6, len(CELLS)))
