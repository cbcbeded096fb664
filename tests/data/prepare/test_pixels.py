"""Pixel files: whole or absent, each picture drawn once."""

import numpy as np
import pytest

from cmir_repro.data.prepare import pixels


def numbers(shape=(20, 2, 3, 3), first=0):
    """Pictures that tell their place, and a function that draws them and notes what it drew."""
    pictures = (first + np.arange(np.prod(shape))).astype(np.uint8).reshape(shape)
    drawn = []

    def draw(rows):
        drawn.extend(range(rows.start, rows.stop))
        return pictures[rows]

    return pictures, draw, drawn


def test_fill_draws_each_image_once_and_only_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 8)
    path = tmp_path / "pixels-2d-train.npy"
    pictures, draw, drawn = numbers()

    def stops(rows):
        if rows.start >= 16:
            raise KeyboardInterrupt
        return draw(rows)

    with pytest.raises(KeyboardInterrupt):
        pixels.fill(path, pictures.shape, stops, "key", None)
    assert not path.exists()
    pixels.fill(path, pictures.shape, draw, "key", None)
    assert drawn == list(range(20))
    np.testing.assert_array_equal(np.load(path), pictures)
    pixels.fill(path, pictures.shape, draw, "key", None)
    assert len(drawn) == 20


@pytest.mark.parametrize("change", ["key", "shape"])
def test_fill_keeps_nothing_that_was_drawn_for_something_else(tmp_path, change):
    path = tmp_path / "pixels-2d-train.npy"
    old, draw_old, _ = numbers()
    pixels.fill(path, old.shape, draw_old, "old", None)
    new, draw_new, _ = numbers((20, 3, 2, 3) if change == "shape" else old.shape, first=100)
    pixels.fill(path, new.shape, draw_new, "old" if change == "shape" else "new", None)
    np.testing.assert_array_equal(np.load(path), new)


def test_a_file_cut_within_its_header_is_started_again(tmp_path):
    path = tmp_path / "pixels-2d-train.npy"
    pictures, draw, _ = numbers()

    def stops(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixels.fill(path, pictures.shape, stops, "key", None)
    (part,) = tmp_path.glob(".*.part")
    part.write_bytes(part.read_bytes()[:50])
    pixels.fill(path, pictures.shape, draw, "key", None)
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), pictures)


def test_no_key_of_an_earlier_content_stands_beside_a_new_one(tmp_path, monkeypatch):
    path = tmp_path / "pixels-2d-train.npy"
    old, draw_old, _ = numbers()
    pixels.fill(path, old.shape, draw_old, "old", None)
    new, draw_new, _ = numbers(first=100)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pixels, "write_text", killed)  # the file is there, its key is not
        with pytest.raises(KeyboardInterrupt):
            pixels.fill(path, new.shape, draw_new, "new", None)
    pixels.fill(path, old.shape, draw_old, "old", None)
    np.testing.assert_array_equal(np.load(path), old)


def test_what_was_begun_for_another_key_is_removed(tmp_path):
    path = tmp_path / "pixels-2d-train.npy"
    pictures, draw, _ = numbers()
    others = [tmp_path / f".pixels-2d-train{more}-0123456789ab.part" for more in ("", "-x")]
    for other in others:
        other.touch()
    pixels.fill(path, pictures.shape, draw, "key", None)
    assert [other.exists() for other in others] == [False, True]  # the other is another part's


def test_features_are_kept_in_half_precision_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 8)
    path = tmp_path / "features-net-2d-train.npy"
    values = np.random.default_rng(0).normal(size=(20, 2, 3, 5)).astype(np.float32)
    drawn = []

    def draw(rows):
        if rows.start >= 16 and not stopped:
            stopped.append(rows.start)
            raise KeyboardInterrupt
        drawn.extend(range(rows.start, rows.stop))
        return values[rows]

    stopped = []
    with pytest.raises(KeyboardInterrupt):
        pixels.fill(path, values.shape, draw, "key", None, "float16")
    pixels.fill(path, values.shape, draw, "key", None, "float16")
    assert (stopped, drawn) == ([16], list(range(20)))
    found = np.load(path, mmap_mode="r")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, values.astype(np.float16))


def test_a_half_written_piece_is_made_again(tmp_path):
    path = tmp_path / "features-net-2d-train.npy"
    values = np.arange(24, dtype=np.float16).reshape(4, 1, 2, 3)

    def stops(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixels.fill(path, values.shape, stops, "key", None, "float16")
    (part,) = tmp_path.glob(".*.part")
    with part.open("ab") as file:
        file.write(values[:2].tobytes()[:-1])  # one whole, and all but a byte of the next
    asked = []
    pixels.fill(
        path, values.shape, lambda rows: asked.append(rows) or values[rows], "key", None, "float16"
    )
    assert asked == [slice(1, 4)]
    np.testing.assert_array_equal(np.load(path), values)
