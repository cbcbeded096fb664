"""The 2D view against the released rule written out pixel by pixel."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.css.render_2d import CENTERS, HALF_SIZE, draw_2d, render_2d
from cmir_repro.data.css.scenes import COLORS, EMPTY, RGB, SHAPES, SIZES


def by_hand(y, x, color, shape, size):
    """One object, each pixel asked in turn; y, x in [0, 1]."""
    picture = np.full((64, 64, 3), 255, dtype=np.uint8)
    y, x, s = y * 64, x * 64, HALF_SIZE[size]
    for row in range(64):
        for column in range(64):
            if SHAPES[shape] == "rectangle":
                rows, half = range(int(y - s), int(y + s)), s
            elif SHAPES[shape] == "circle":
                rows, half = range(int(y - s), int(y + s) + 1), s - abs(row - y)
            else:
                rows, half = range(int(y - s), int(y + s)), abs(row - y + s) / 2
            if row in rows and int(x - half) <= column < int(x + half):
                picture[row, column] = RGB[color]
    return picture


def lone(cell, color=1, shape=0, size=1, material=0):
    scene = np.full((1, 9, 4), EMPTY, dtype=np.int8)
    scene[0, cell] = color, shape, size, material
    return scene


def filled(picture):
    return (picture != 255).any(-1)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize("size", range(len(SIZES)))
def test_every_cell_is_drawn_as_the_rule_says(shape, size):
    for cell, (y, x) in enumerate(CENTERS):
        expected = by_hand(y, x, cell % 8, shape, size)
        picture = render_2d(lone(cell, cell % 8, shape, size))
        np.testing.assert_array_equal(picture[0], expected)


def test_free_positions_are_drawn_as_the_rule_says():
    rng = np.random.default_rng(0)
    y, x = rng.uniform(0.15, 0.85, (2, 40))
    color, shape, size = (rng.integers(0, n, 40) for n in (8, 3, 2))
    pictures = draw_2d(np.stack([y, x], -1)[:, None], color[:, None], shape[:, None], size[:, None])
    for i in range(40):
        np.testing.assert_array_equal(pictures[i], by_hand(y[i], x[i], color[i], shape[i], size[i]))


def test_the_circle_is_a_diamond():
    inside = filled(render_2d(lone(4, shape=SHAPES.index("circle"))))[0]
    widths = inside.sum(1)[24:41]
    assert widths.tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16, 14, 12, 10, 8, 6, 4, 2, 0]
    assert inside.sum() == widths.sum()


def test_the_triangle_stands_on_its_base():
    widths = filled(render_2d(lone(4, shape=SHAPES.index("triangle"))))[0].sum(1)[24:40]
    assert (np.diff(widths) >= 0).all()
    assert widths[0] == 0
    assert widths[-1] >= 14


def test_a_scene_is_the_sum_of_its_cells_and_the_material_is_invisible():
    rng = np.random.default_rng(1)
    scenes = np.stack([rng.integers(0, n, (50, 9)) for n in (8, 3, 2, 2)], -1).astype(np.int8)
    scenes[rng.random((50, 9)) < 0.4] = EMPTY
    expected = draw_2d(np.broadcast_to(CENTERS, (50, 9, 2)), *np.moveaxis(scenes[..., :3], -1, 0))
    np.testing.assert_array_equal(render_2d(scenes), expected)
    other = scenes.copy()
    other[..., 3] = np.where(scenes[..., 3] == EMPTY, EMPTY, 1 - scenes[..., 3])
    np.testing.assert_array_equal(render_2d(other), expected)


def test_every_colour_is_exact_and_the_empty_scene_is_white():
    for color in range(len(COLORS)):
        assert tuple(render_2d(lone(4, color))[0, 32, 32]) == tuple(RGB[color])
    empty = np.full((2, 9, 4), EMPTY, dtype=np.int8)
    assert (render_2d(empty) == 255).all()
    assert render_2d(empty[:0]).shape == (0, 64, 64, 3)


def test_an_object_at_the_rim_is_cut_off():
    drawn = draw_2d(np.zeros((1, 1, 2)), [[1]], [[0]], [[1]])[0]
    assert filled(drawn)[:8, :8].all()
    assert filled(drawn).sum() == 64


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        (np.zeros((2, 9, 4)), "int8, got float64"),
        ([[0]], "int8, got list"),
        (np.zeros((9, 4), np.int8), r"\(N, 9, 4\), got \(9, 4\)"),
        (np.full((1, 9, 4), 8, np.int8), r"scenes\[0, 0\] is \[8, 8, 8, 8\]"),
        (np.array([[[-1, 0, 0, 0]] * 9], np.int8), r"scenes\[0, 0\] is \[-1, 0, 0, 0\]"),
    ],
)
def test_what_is_no_scene_is_refused(scenes, message):
    with pytest.raises(InputError, match=message) as caught:
        render_2d(scenes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": [[[0.5, np.nan]]]}, "positions must lie"),
        ({"positions": [[0.5, 0.5]]}, r"\(N, K, 2\)"),
        ({"colors": [[8]]}, "colors must lie in 0..7"),
        ({"sizes": [[0, 1]]}, r"sizes must have shape \(1, 1\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    fine = {"positions": [[[0.5, 0.5]]], "colors": [[0]], "shapes": [[0]], "sizes": [[0]]}
    with pytest.raises(InputError, match=message):
        draw_2d(**(fine | change))
