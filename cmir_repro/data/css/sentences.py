"""Five differently worded sentences for a CSS scene: the built-in image <-> sentence data.

The captions of Flickr30K and MS-COCO are five a picture, by different people who name different
things in different words; so are these. How often what is named, and the five wordings, are our
choice throughout.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import (
    CELLS,
    COLOR,
    COLORS,
    EMPTY,
    SHAPE,
    SHAPE_NAMES,
    SIZE,
    SIZES,
)

VERSION = 1  # of the sentences; raise it when any of them changes on purpose
SEED = 0
PER_SCENE = 5  # as in Flickr30K and MS-COCO
# Chances that a sentence names an object, and of a named one its size and its position. People
# leave things out, so one sentence should not settle every scene; but several scenes must seldom
# fit one sentence, or R@1 measures the sentences and not the system. Colour and shape are always
# named.
P_OBJECT, P_SIZE, P_POSITION = 0.85, 0.8, 0.9
FEWEST_NAMED = 2  # objects, or all where there are fewer: one alone fits very many scenes
SIZE_WORDS = {"small": ("small", "tiny", "little"), "large": ("large", "big")}
ROW_WORDS = {"top": ("top", "upper"), "middle": ("middle",), "bottom": ("bottom", "lower")}
NOTHING = "nothing"  # an edit can remove every object
_CHUNK = 4096  # scenes at a time, so that memory stays small

# What is drawn for each scene, sentence and cell: uniform numbers of these meanings.
_NAMED, _SAYS_SIZE, _SIZE_WORD, _SAYS_POSITION, _POSITION_WORD, _ORDER, _GROUP = range(7)

# Of each wording: how it starts, an object with and without a position, what stands between two
# objects and before the last, and the order in which objects are named. No two start alike, so
# the sentences of a scene differ whatever they name. Few small words: a sentence has 29 on average.
_WORDINGS = (
    ("", "a {object} at the {place}", "a {object}", ", ", " and ", "reading"),
    ("there is ", "a {object} in the {place}", "a {object}", " and ", " and ", "shuffled"),
    ("seen: ", "{place} {object}", "{object}", "; ", "; ", "reading"),
    ("the picture shows ", "{place} a {object}", "a {object}", ", ", " and ", "shuffled"),
    ("we see ", "{shade} ({size}) {place}", "{shade} ({size})", ", ", " with ", "grouped"),
)


def of_scenes(images: pd.DataFrame, view: str, seed: int = SEED) -> pd.DataFrame:
    """Five sentences for each scene: sentence, image, text, view, all str.

    Of images with equal scenes the first of each split is described and the others are left out:
    their sentences are equal too, so no ranking could tell them apart.

    Args:
        images: the image table, whose labels are scene keys.
        view: "2d" or "3d", which decides what shapes are called.
        seed: of `describe`.

    Raises:
        InputError: the labels are no scenes.
    """
    first = images[~images.duplicated(["split", "label"])]
    told = describe(first["label"].tolist(), SHAPE_NAMES[view], seed)
    rows = [
        (f"{image}#{number}", image, text, view)
        for image, five in zip(first["image"], told, strict=True)
        for number, text in enumerate(five)
    ]
    return pd.DataFrame(rows, columns=["sentence", "image", "text", "view"], dtype=str)


def describe(labels: Sequence[str], shapes: tuple[str, ...], seed: int) -> list[list[str]]:
    """Five sentences for each scene, the same for a label and seed wherever they are made.

    Args:
        labels: N scene keys as made by `world.labels`.
        shapes: what the shapes are called: `scenes.SHAPES` for 2D, `scenes.SHAPES_3D` for 3D.
        seed: of what is named and how.

    Returns:
        N lists of five different sentences.

    Raises:
        InputError: a label is no scene key.
    """
    distinct = list(dict.fromkeys(labels))
    phrases = [_phrases(wording, shapes) for wording in _WORDINGS]
    made = {}
    for start in range(0, len(distinct), _CHUNK):
        some = distinct[start : start + _CHUNK]
        made.update(zip(some, _sentences(some, phrases, seed), strict=True))
    return [made[label] for label in labels]


def _sentences(labels: list[str], phrases: list[np.ndarray], seed: int) -> list[list[str]]:
    scenes = _scenes(labels)  # (N, 9, 4)
    drawn = np.stack([_draws(label, seed) for label in labels])  # (N, 5, 9, 7)
    there = (scenes[..., COLOR] != EMPTY)[:, None]  # (N, 1, 9)
    chance = np.where(there, drawn[..., _NAMED], 2)
    # An object is named if its number is low, or among the lowest of its scene.
    rank = chance.argsort(-1).argsort(-1)
    named = there & ((chance < P_OBJECT) | (rank < FEWEST_NAMED))
    size = np.array([len(SIZE_WORDS[name]) for name in SIZES])[scenes[..., SIZE]][:, None]
    size = (drawn[..., _SIZE_WORD] * size).astype(int) + 1
    size = np.where(drawn[..., _SAYS_SIZE] < P_SIZE, size, 0)  # 0: not said
    rows = np.array([len(ROW_WORDS[cell.split("-")[0]]) for cell in CELLS])
    place = (drawn[..., _POSITION_WORD] * rows).astype(int) + 1
    place = np.where(drawn[..., _SAYS_POSITION] < P_POSITION, place, 0)
    cell = np.arange(len(CELLS))
    color, shape, bulk = (scenes[:, None, :, field] for field in (COLOR, SHAPE, SIZE))

    order = {
        "reading": np.broadcast_to(cell, named.shape),
        "shuffled": drawn[..., _ORDER],
        # Shapes in a random order, objects of one shape in a random order.
        "grouped": np.take_along_axis(drawn[..., _GROUP], np.maximum(shape, 0) + 0 * cell, -1)
        + 1e-6 * drawn[..., _ORDER],
    }
    out = []
    for number, (wording, table) in enumerate(zip(_WORDINGS, phrases, strict=True)):
        start, _, _, between, last, by = wording
        here = named[:, number]  # (N, 9)
        key = np.where(here, order[by][:, number], np.inf)
        # An empty cell's indices are -1: its phrase is nonsense and never used.
        words = table[
            color[:, 0], shape[:, 0], bulk[:, 0], cell, size[:, number], place[:, number]
        ]  # (N, 9) str
        words = np.take_along_axis(words, key.argsort(-1, kind="stable"), -1)
        out.append(
            [
                start + _listed(row[:count], between, last)
                for row, count in zip(words.tolist(), here.sum(-1).tolist(), strict=True)
            ]
        )
    return [list(five) for five in zip(*out, strict=True)]


def _listed(phrases: list[str], between: str, last: str) -> str:
    if len(phrases) < 2:
        return phrases[0] if phrases else NOTHING
    return between.join(phrases[:-1]) + last + phrases[-1]


def _phrases(wording: tuple[str, ...], shapes: tuple[str, ...]) -> np.ndarray:
    """What one object is called: (8, 3, 2, 9, 4, 3) str by colour, shape, size, cell and words.

    The last two axes are the number of the size word and of the row word, 0 for not said.
    """
    _, with_place, without_place, *_ = wording
    most = [1 + max(map(len, words.values())) for words in (SIZE_WORDS, ROW_WORDS)]
    out = np.empty((len(COLORS), len(shapes), len(SIZES), len(CELLS), *most), dtype=object)
    for at in np.ndindex(out.shape):
        color, shape, size, cell, size_word, row_word = at
        row, column = CELLS[cell].split("-")
        bulk = ("", *SIZE_WORDS[SIZES[size]])[size_word : size_word + 1]
        rows = ("", *ROW_WORDS[row])[row_word : row_word + 1]
        if not bulk or not rows:
            continue  # fewer synonyms than others have
        shade = f"{COLORS[color]} {shapes[shape]}"
        words = {
            "object": f"{bulk[0]} {shade}".strip(),
            "shade": shade,
            "size": bulk[0],
            "place": f"{rows[0]} {column}",
        }
        pattern = with_place if row_word else without_place
        if not size_word:
            pattern = pattern.replace(" ({size})", "")
        out[at] = pattern.format(**words)
    return out


def _draws(label: str, seed: int) -> np.ndarray:
    """(5, 9, 7) uniform numbers in [0, 1) that depend on nothing but label and seed."""
    number = int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "little")
    rng = np.random.Generator(np.random.Philox(key=number << 64 | seed))
    return rng.random((PER_SCENE, len(CELLS), 7))


def _scenes(labels: list[str]) -> np.ndarray:
    """Scenes (N, 9, 4) int8 of N keys."""
    try:
        scenes = np.stack([world.from_label(label) for label in labels])
    except (ValueError, IndexError):
        scenes = None
    if scenes is None or world.labels(scenes) != labels:
        raise InputError("a label is no key of a CSS scene (nine symbols, one a cell); only the "
                         "built-in CSS can be described")  # fmt: skip
    return scenes
