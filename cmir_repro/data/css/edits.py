"""Edits that a reader makes up: sentence -> parts -> every scene that is a right answer.

The grammar is that of `world`, words in brackets may be left out:

    make [position] [size] [colour] (shape or "object") (new colour or new size)
    remove [position] [size] [colour] (shape or "object")
    add [size] [colour] shape [to position]
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import (
    CELLS,
    COLOR,
    COLORS,
    EMPTY,
    FIELDS,
    SHAPES,
    SIZES,
    matching,
)

ANY = "object"  # the word for any shape
VALUES = {"position": CELLS} | {name: words for name, (_, words) in FIELDS.items()}


class Edit(NamedTuple):
    """An edit by its parts, "" for what is not said.

    verb: of `world.FORMS`. position: of CELLS. size, colour, shape: of SIZES, COLORS, SHAPES.
    value: of "make", the new colour or size.
    """

    verb: str
    position: str = ""
    size: str = ""
    colour: str = ""
    shape: str = ""
    value: str = ""

    @property
    def text(self) -> str:
        """The sentence, as the queries of the data set say it."""
        what = [self.size, self.colour, self.shape or ANY]
        if self.verb == "add":
            said = [self.verb, *what, *(["to", self.position] if self.position else [])]
        else:
            said = [self.verb, self.position, *what, self.value]
        return " ".join(word for word in said if word)

    def answers(self, scene: np.ndarray) -> list[np.ndarray]:
        """Every scene (9, 4) int8 that the sentence may lead to from `scene` (9, 4), each once.

        Empty where it changes nothing: no object fits, all have the value, or the place is taken.
        Of what "add" leaves out every value is right, as long as it is a pair of colour and shape
        that the test split may show; objects that are added are of rubber.
        """
        if self.verb == "add":
            return self._added(scene)
        cell = CELLS.index(self.position) if self.position else None
        said = {name: getattr(self, name) for name in FIELDS if getattr(self, name)}
        values = {name: FIELDS[name][1].index(word) for name, word in said.items()}
        match = matching(scene, cell, **values)
        after = scene.copy()
        if self.verb == "remove":
            after[match] = EMPTY
        else:
            field, words = FIELDS["size" if self.value in SIZES else "colour"]
            after[match, field] = words.index(self.value)
        return [after] if (after != scene).any() else []

    def _added(self, scene: np.ndarray) -> list[np.ndarray]:
        free = [CELLS[cell] for cell in np.flatnonzero(scene[:, COLOR] == EMPTY)]
        places = [self.position] if self.position else free
        sizes = [self.size] if self.size else SIZES
        colors = [self.colour] if self.colour else COLORS
        shape, found = SHAPES.index(self.shape), []
        allowed = world.allowed_pairs("test")[:, shape]
        for place, size, color in product(places, sizes, map(COLORS.index, colors)):
            if place in free and (allowed[color] or self.colour):
                after = scene.copy()
                after[CELLS.index(place)] = color, shape, SIZES.index(size), 0
                found.append(after)
        return found


def parse(text: str) -> Edit | None:
    """The edit that a sentence of the grammar says; None for any other sentence."""
    words = text.lower().split()
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb not in world.FORMS:
        return None
    parts = {}
    if verb == "add" and len(rest) > 2 and rest[-2] == "to" and rest[-1] in CELLS:
        parts["position"], rest = rest[-1], rest[:-2]
    if verb == "make":
        if not rest or rest[-1] not in (*SIZES, *COLORS):
            return None
        parts["value"], rest = rest[-1], rest[:-1]
    shape = rest.pop() if rest else ""
    if shape not in SHAPES and (shape != ANY or verb == "add"):
        return None
    parts["shape"] = "" if shape == ANY else shape
    for name in ("size", "colour") if verb == "add" else ("position", "size", "colour"):
        if rest and rest[0] in VALUES[name]:
            parts[name] = rest.pop(0)
    return None if rest else Edit(verb, **parts)
