"""What a CSS scene is: up to nine objects on a 3x3 grid, as small integer arrays.

A batch of scenes is an int8 array (N, 9, 4). The second axis is the cell, row by row from
top-left to bottom-right; the last axis is colour, shape, size, material, each an index into the
tuples below, or EMPTY in all four where the cell has no object.
"""

import numpy as np

EMPTY = -1
COLORS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
# The RGB values of CLEVR, which CSS takes over (code of google/tirg).
RGB = np.array(
    [
        (87, 87, 87),
        (244, 35, 35),
        (42, 75, 215),
        (29, 205, 20),
        (129, 74, 25),
        (129, 38, 192),
        (41, 208, 208),
        (255, 238, 51),
    ],
    dtype=np.uint8,
)
# The names are those of the 2D view; the 3D view shows cube, sphere, cylinder.
SHAPES = ("rectangle", "circle", "triangle")
SHAPES_3D = ("cube", "sphere", "cylinder")
SHAPE_NAMES = {"2d": SHAPES, "3d": SHAPES_3D}  # by the view that shows them
SIZES = ("small", "large")
# Our choice: the material is not part of a label and is never named in a sentence.
MATERIALS = ("rubber", "metal")
CELLS = tuple(f"{y}-{x}" for y in ("top", "middle", "bottom") for x in ("left", "center", "right"))
COLOR, SHAPE, SIZE, MATERIAL = range(4)
# What a sentence may say of an object besides its cell: where it stands in a scene, and its words.
FIELDS = {"size": (SIZE, SIZES), "colour": (COLOR, COLORS), "shape": (SHAPE, SHAPES)}


def matching(scenes: np.ndarray, cell: int | None = None, **values: int) -> np.ndarray:
    """(..., 9) bool: the objects of scenes (..., 9, 4) that a description fits.

    Args:
        cell: where they are, or None for anywhere.
        values: by the names of FIELDS, those that are said.
    """
    match = scenes[..., COLOR] != EMPTY
    if cell is not None:
        match = match & (np.arange(len(CELLS)) == cell)
    for name, value in values.items():
        match = match & (scenes[..., FIELDS[name][0]] == value)
    return match
