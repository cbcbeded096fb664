"""The 2D view of a scene: flat shapes on a white 64x64 canvas.

`draw_2d` follows the released loader pixel for pixel (code of google/tirg), so objects
may stand anywhere; `render_2d` puts them on the 3x3 grid and is fast.
"""

import functools

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.data.css.scenes import (
    COLOR,
    COLORS,
    EMPTY,
    MATERIALS,
    RGB,
    SHAPE,
    SHAPES,
    SIZE,
    SIZES,
)

CANVAS = 64  # pixels, facts of the released data
HALF_SIZE = (4, 8)  # pixels, small and large, facts of the released data
# Our choice: the release gives every object its own position, we use the centres of the cells.
CENTERS = np.array([(y, x) for y in (1 / 6, 1 / 2, 5 / 6) for x in (1 / 6, 1 / 2, 5 / 6)])
_LIMITS = tuple(len(values) for values in (COLORS, SHAPES, SIZES, MATERIALS))
_STAMP = 2 * max(HALF_SIZE) + 2  # pixels; holds the largest object wherever its centre falls
_CORNERS = np.floor(CENTERS * CANVAS).astype(int) - _STAMP // 2  # (9, 2) y, x of each stamp


def check_scenes(scenes: np.ndarray) -> None:
    """Raise `InputError` unless `scenes` is an int8 array (N, 9, 4) of indices or EMPTY."""
    if not isinstance(scenes, np.ndarray) or scenes.dtype != np.int8:
        kind = scenes.dtype if isinstance(scenes, np.ndarray) else type(scenes).__name__
        raise InputError(f"scenes must be a numpy array of int8, got {kind}")
    if scenes.ndim != 3 or scenes.shape[1:] != (len(CENTERS), len(_LIMITS)):
        raise InputError(f"scenes must have shape (N, 9, 4), got {scenes.shape}")
    whole = ((scenes >= 0) & (scenes < np.array(_LIMITS))).all(-1) | (scenes == EMPTY).all(-1)
    if not whole.all():
        image, cell = np.argwhere(~whole)[0]
        raise InputError(
            f"scenes[{image}, {cell}] is {scenes[image, cell].tolist()}; expected colour, shape, "
            f"size, material below {_LIMITS}, or {EMPTY} four times"
        )


def draw_2d(
    positions: np.ndarray, colors: np.ndarray, shapes: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Draw up to K objects per picture, each where it stands; later ones cover earlier ones.

    Which pixels an object fills is the released loader's rule: with centre (y, x) in pixels and
    half-size s, bounds are cut to integers, first included, last excluded. A rectangle fills
    rows and columns y-s to y+s; a "circle" is a diamond, in row Y the columns x -+ (s - |Y-y|);
    a triangle stands on its base, in row Y the columns x -+ |Y-y+s|/2. Where an object sticks
    out of the canvas it is cut off (our choice: the release would wrap around or fail).

    Args:
        positions: (N, K, 2) float, centres (y, x) as a fraction of the canvas, in [0, 1].
        colors, shapes, sizes: (N, K) int, indices into COLORS, SHAPES and SIZES; EMPTY in
            `colors` skips the object.

    Returns:
        (N, 64, 64, 3) uint8, RGB.

    Raises:
        InputError: shapes of the arrays differ, or a value is out of range.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 2:
        raise InputError(f"positions must have shape (N, K, 2), got {positions.shape}")
    indices = {"colors": (colors, COLORS), "shapes": (shapes, SHAPES), "sizes": (sizes, SIZES)}
    drawn = np.asarray(colors) != EMPTY
    for name, (values, names) in indices.items():
        values = np.asarray(values)
        if values.shape != positions.shape[:2]:
            raise InputError(f"{name} must have shape {positions.shape[:2]}, got {values.shape}")
        if not ((values[drawn] >= 0) & (values[drawn] < len(names))).all():
            raise InputError(f"{name} must lie in 0..{len(names) - 1} where an object is drawn")
    # Written so that NaN is refused too.
    if not ((positions[drawn] >= 0) & (positions[drawn] <= 1)).all():
        raise InputError("positions must lie in [0, 1] where an object is drawn")

    pixels = np.full((len(positions), CANVAS, CANVAS, 3), 255, dtype=np.uint8)
    line = np.arange(CANVAS)
    for k in range(positions.shape[1]):
        rows = np.flatnonzero(drawn[:, k])
        y, x = (positions[rows, k] * CANVAS).T[:, :, None]  # (n, 1) each
        color, shape, size = (np.asarray(a)[rows, k] for a in (colors, shapes, sizes))
        s = np.array(HALF_SIZE, dtype=np.float64)[size][:, None]
        top, bottom = np.trunc(y - s), np.trunc(y + s) + (shape == 1)[:, None]
        half = np.select(  # (n, 64) half-width of the object in every row of the canvas
            [(shape == 0)[:, None], (shape == 1)[:, None]],
            [np.broadcast_to(s, (len(rows), CANVAS)), s - np.abs(line - y)],
            np.abs(line - y + s) / 2,
        )
        left = np.where((line >= top) & (line < bottom), np.trunc(x - half), CANVAS)
        inside = (line >= left[:, :, None]) & (line < np.trunc(x + half)[:, :, None])
        image, at_y, at_x = np.nonzero(inside)  # inside: (n, 64, 64)
        pixels[rows[image], at_y, at_x] = RGB[color[image]]
    return pixels


def render_2d(scenes: np.ndarray) -> np.ndarray:
    """Draw scenes on the 3x3 grid; the material is not visible.

    Args:
        scenes: (N, 9, 4) int8, see `cmir_repro.data.css.scenes`.

    Returns:
        (N, 64, 64, 3) uint8, RGB.

    Raises:
        InputError: `scenes` has another shape or dtype, or holds a value out of range.
    """
    check_scenes(scenes)
    stamps, blank = _stamps(), len(COLORS) * len(SHAPES) * len(SIZES)
    code = np.ravel_multi_index(
        tuple(np.maximum(scenes[..., i], 0) for i in (COLOR, SHAPE, SIZE)), stamps.shape[1:4]
    )
    code[scenes[..., COLOR] == EMPTY] = blank
    pixels = np.full((len(scenes), CANVAS, CANVAS, 3), 255, dtype=np.uint8)
    for cell, (y, x) in enumerate(_CORNERS):
        flat = stamps[cell].reshape(blank, _STAMP, _STAMP, 3)
        rows = np.flatnonzero(code[:, cell] != blank)
        pixels[rows, y : y + _STAMP, x : x + _STAMP] = flat[code[rows, cell]]
    return pixels


@functools.cache
def _stamps() -> np.ndarray:
    """(9, 8, 3, 2, 18, 18, 3) uint8: every possible object, cut out around its cell's centre."""
    kinds = np.indices((len(CENTERS), *_LIMITS[:3])).reshape(4, -1, 1)
    cell, color, shape, size = kinds
    drawn = draw_2d(CENTERS[cell], color, shape, size)
    corners = _CORNERS[cell[:, 0]]
    y, x = (corners[:, i, None] + np.arange(_STAMP) for i in (0, 1))
    cut = drawn[np.arange(len(drawn))[:, None, None], y[:, :, None], x[:, None, :]]
    cut.flags.writeable = False
    return cut.reshape(len(CENTERS), *_LIMITS[:3], _STAMP, _STAMP, 3)
