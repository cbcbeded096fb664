"""Squares show the middle of the picture, whatever its shape."""

import numpy as np
import pytest
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.resize import square, squares


def ramp(height: int, width: int) -> np.ndarray:
    """A smooth picture: red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    return np.stack([red, green, 0 * x + 128], axis=2).round().astype(np.uint8)


def test_a_square_of_the_size_is_left_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(square(picture, 24), picture)


@pytest.mark.parametrize(("height", "width"), [(60, 40), (40, 60), (51, 30), (30, 51)])
def test_the_middle_is_cut_out(height, width):
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2 + 1, (width - side) // 2 + 1
    picture[top : top + side - 1, left : left + side - 1] = 200  # one pixel less than the square
    shown = square(picture, 20)
    assert shown.shape == (20, 20, 3)
    assert (shown[2:-2, 2:-2] == 200).all()
    # What lies outside the middle square is not seen.
    outside = np.full((height, width, 3), 255, dtype=np.uint8)
    outside[(height - side) // 2 : (height + side + 1) // 2,
            (width - side) // 2 : (width + side + 1) // 2] = 0  # fmt: skip
    assert square(outside, 20).max() < 60


@pytest.mark.parametrize(("height", "width", "size"), [(90, 60, 30), (64, 100, 32), (20, 30, 50)])
def test_it_is_resizing_then_cutting(height, width, size):
    picture = ramp(height, width)
    scale = size / min(height, width)
    fitted = round(width * scale), round(height * scale)
    whole = Image.fromarray(picture).resize(fitted, Image.Resampling.BILINEAR)
    left, top = (fitted[0] - size) // 2, (fitted[1] - size) // 2
    expected = np.asarray(whole.crop((left, top, left + size, top + size))).astype(int)
    # Inside; at the edge, pixels beyond the square do not blend in.
    got = square(picture, size).astype(int)
    assert abs(got - expected)[2:-2, 2:-2].max() <= 3


def test_shrinking_averages():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    shown = square(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), 8)
    assert abs(shown.astype(int) - 127).max() < 20


def test_a_very_long_picture_costs_no_more_than_itself():
    assert square(np.full((2, 200_000, 3), 7, dtype=np.uint8), 64).max() == 7


def test_files_come_in_order_and_a_damaged_one_is_named(tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(9)]
    for number, file in enumerate(files):
        Image.fromarray(np.full((10 + number, 12, 3), number, dtype=np.uint8)).save(file)
    read = squares(files, 8)
    assert read.shape == (9, 8, 8, 3)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read[:, 4, 4, 0], range(9))
    assert squares([], 8).shape == (0, 8, 8, 3)
    files[3].write_bytes(files[3].read_bytes()[:40])
    with pytest.raises(InputError, match=r"3\.png is no whole picture"):
        squares(files, 8)
