"""The CSS world: base scenes, edits in three sentence forms, and what each edit leads to.

Generated from one seed, the same on every machine (NumPy's Philox). Form and
counts follow the released CSS data; every number below that they leave open is a named
constant marked "our choice", and `dataset.json` repeats them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmir_repro.data.css.scenes import (
    CELLS,
    COLOR,
    COLORS,
    EMPTY,
    MATERIALS,
    SHAPE,
    SHAPES,
    SIZE,
    SIZES,
    matching,
)

VERSION = 1  # of scenes, sentences and pictures; raise it when any of them changes on purpose
# Our choice; pictures of the released data show 2 to 8 objects.
FEWEST_OBJECTS, MOST_OBJECTS = 2, 8
# Our choice: chance that "make" and "remove" name each of position, size, colour and shape. At
# least one is always named.
P_NAMED = 0.5
# Our choice: chance that "add" names position, size and colour. What it leaves out is drawn at
# random, so no method can know it; an R@1 of 93.3 on CSS (LGLI, in the survey
# fuxianghuang1/Multimodal-Composite-Editing-and-Retrieval) says this must be rare.
P_NAMED_IN_ADD = 0.95
FORMS = ("make", "remove", "add")  # our choice: equally often
PAIRS_PER_EDIT = 3  # as in the released data
# Our choice of (colour, shape) pairs that only one split shows; each colour and each shape still
# occurs in both. That such pairs exist is remembered of the paper, which ones is unknown.
ONLY_TRAIN = (("gray", "rectangle"), ("red", "circle"), ("blue", "triangle"))
ONLY_TEST = (("purple", "rectangle"), ("cyan", "circle"), ("yellow", "triangle"))
_SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Part:
    """One generated split: its scenes and its queries.

    scenes: (N, 9, 4) int8, see `scenes`; the first `bases` are base scenes, never a target.
    queries: one row a (from, to) pair: edit, source, target (scene numbers), text, form.
    """

    scenes: np.ndarray
    queries: pd.DataFrame
    bases: int


def generate(bases: int, edits: int, split: str, seed: int) -> Part:
    """Draw `bases` scenes and `edits` edits, each applied to three of them.

    Args:
        bases: number of base scenes; the released data has 1,000 a split.
        edits: number of edits; the released data has 6,004 (train) and 6,019 (test).
        split: "train" or "test": which (colour, shape) pairs may occur.
        seed: the same seed gives the same world; the splits of one seed are independent.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, ("train", "test").index(split)]))
    allowed = allowed_pairs(split)
    base = np.stack([_scene(rng, allowed) for _ in range(bases)])
    scenes, rows, used = [base], [], set()
    number = bases
    edit = 0
    while edit < edits:
        text, form, outcome, applies = _edit(rng, base, allowed)
        free = [i for i in np.flatnonzero(applies) if (text, i) not in used]
        if len(free) < PAIRS_PER_EDIT:
            continue  # too particular a sentence for this world: draw another
        sources = rng.choice(free, PAIRS_PER_EDIT, replace=False)
        scenes.append(outcome(sources))
        for source in sources.tolist():
            used.add((text, source))
            rows.append((edit, source, number, text, form))
            number += 1
        edit += 1
    columns = ["edit", "source", "target", "text", "form"]
    return Part(np.concatenate(scenes), pd.DataFrame(rows, columns=columns), bases)


def allowed_pairs(split: str) -> np.ndarray:
    """Which (colour, shape) pairs a split may show: (8, 3) bool."""
    allowed = np.ones((len(COLORS), len(SHAPES)), dtype=bool)
    for color, shape in ONLY_TEST if split == "train" else ONLY_TRAIN:
        allowed[COLORS.index(color), SHAPES.index(shape)] = False
    return allowed


def labels(scenes: np.ndarray) -> list[str]:
    """Scene keys: nine symbols, one a cell, "." for an empty one; equal scenes, equal keys.

    The material is left out: no sentence speaks of it. `from_label` reads a key back.
    """
    code = (scenes[..., SHAPE].astype(int) * len(COLORS) + scenes[..., COLOR]) * 2
    code = np.where(scenes[..., COLOR] == EMPTY, -1, code + scenes[..., SIZE])  # (N, 9)
    symbols = np.array([*_SYMBOLS[: len(SHAPES) * len(COLORS) * 2], "."])
    return ["".join(row) for row in symbols[code]]


def from_label(label: str) -> np.ndarray:
    """The scene (9, 4) int8 behind a key of `labels`; every material is rubber."""
    scene = np.full((len(CELLS), 4), EMPTY, dtype=np.int8)
    for cell, symbol in enumerate(label):
        if symbol != ".":
            rest, size = divmod(_SYMBOLS.index(symbol), 2)
            shape, color = divmod(rest, len(COLORS))
            scene[cell] = color, shape, size, 0
    return scene


def _scene(rng: np.random.Generator, allowed: np.ndarray) -> np.ndarray:
    scene = np.full((len(CELLS), 4), EMPTY, dtype=np.int8)
    count = rng.integers(FEWEST_OBJECTS, MOST_OBJECTS, endpoint=True)
    for cell in rng.permutation(len(CELLS))[:count]:
        color, shape = _pick(rng, np.argwhere(allowed))
        scene[cell] = color, shape, rng.integers(len(SIZES)), rng.integers(len(MATERIALS))
    return scene


def _edit(rng, base, allowed):
    """A random edit: its sentence, its form, how it changes scenes, which scenes it can change."""
    form = FORMS[rng.integers(len(FORMS))]
    if form == "add":
        return _add(rng, base, allowed)
    # Start from an object that exists, so that the sentence is true of at least one scene.
    scene, cell = _pick(rng, np.argwhere(base[..., COLOR] != EMPTY))
    color, shape, size, _ = base[scene, cell].tolist()
    named = rng.random(4) < P_NAMED
    named[rng.integers(4)] |= not named.any()
    values = {"size": size, "colour": color, "shape": shape}
    said = {
        name: v for (name, v), is_said in zip(values.items(), named[1:], strict=True) if is_said
    }
    match = matching(base, cell if named[0] else None, **said)  # (N, 9)
    words = [
        CELLS[cell] if named[0] else "",
        SIZES[size] if named[1] else "",
        COLORS[color] if named[2] else "",
        SHAPES[shape] if named[3] else "object",
    ]
    if form == "remove":
        after = np.where(match[..., None], EMPTY, base).astype(np.int8)
        text = _sentence("remove", *words)
    else:
        field, names = ((COLOR, COLORS), (SIZE, SIZES))[rng.integers(2)]
        was = (color, shape, size)[field]
        value = rng.choice([v for v in range(len(names)) if v != was])
        after = base.copy()
        after[..., field] = np.where(match, value, base[..., field])
        text = _sentence("make", *words, names[value])
    applies = (after != base).any((1, 2)) & permitted(after, allowed)
    return text, form, lambda sources: after[sources], applies


def _add(rng, base, allowed):
    color, shape = _pick(rng, np.argwhere(allowed)).tolist()
    size, cell = int(rng.integers(len(SIZES))), int(rng.integers(len(CELLS)))
    says_size, says_color, says_cell = rng.random(3) < P_NAMED_IN_ADD
    free = base[..., COLOR] == EMPTY  # (N, 9)

    def outcome(sources):
        after = base[sources].copy()
        for scene, source in zip(after, sources, strict=True):
            here = cell if says_cell else rng.choice(np.flatnonzero(free[source]))
            shade = color if says_color else rng.choice(np.flatnonzero(allowed[:, shape]))
            bulk = size if says_size else rng.integers(len(SIZES))
            scene[here] = shade, shape, bulk, rng.integers(len(MATERIALS))
        return after

    text = _sentence(
        "add",
        SIZES[size] if says_size else "",
        COLORS[color] if says_color else "",
        SHAPES[shape],
        f"to {CELLS[cell]}" if says_cell else "",
    )
    return text, "add", outcome, free[:, cell] if says_cell else free.any(1)


def permitted(scenes: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Whether scenes (..., 9, 4) show pairs of colour and shape of `allowed_pairs` alone: (...)."""
    empty = scenes[..., COLOR] == EMPTY
    return (empty | allowed[scenes[..., COLOR], scenes[..., SHAPE]]).all(-1)


def _sentence(*words: str) -> str:
    return " ".join(word for word in words if word)


def _pick(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    return rows[rng.integers(len(rows))]
