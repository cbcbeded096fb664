"""Pictures are read whole or refused in one line that names the file."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.on_disk import find_pictures, on_disk
from cmir_repro.data.prepare.pictures import (
    MAX_PIXELS,
    STORED,
    load_picture,
    load_pictures,
    pixel_digests,
    square,
    squares,
    states,
)
from data_scripts import own_folder


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encoded(pixels, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_picture_is_read_exactly(tmp_path, pixels, kind):
    (tmp_path / "a").write_bytes(encoded(pixels, kind))
    read = load_picture(tmp_path / "a")
    np.testing.assert_array_equal(read, pixels)
    assert read.dtype == np.uint8
    assert read.flags.writeable


def test_gray_and_transparent_pictures_become_rgb(tmp_path, pixels):
    (tmp_path / "gray.png").write_bytes(encoded(pixels[..., 0], "PNG"))
    np.testing.assert_array_equal(load_picture(tmp_path / "gray.png"), pixels[..., [0, 0, 0]])
    clear = np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=2)
    (tmp_path / "clear.png").write_bytes(encoded(clear, "PNG"))
    np.testing.assert_array_equal(load_picture(tmp_path / "clear.png"), pixels)


@pytest.mark.filterwarnings("ignore:.*EXIF|Truncated")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_truncation_is_refused(tmp_path, pixels, kind):
    whole = encoded(pixels, kind)
    path = tmp_path / "cut.img"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.img") as caught:
            load_picture(path)
        assert "\n" not in str(caught.value)


def test_a_changed_byte_of_a_png_never_changes_the_picture(tmp_path, pixels):
    whole = encoded(pixels, "PNG")
    path = tmp_path / "a.png"
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            np.testing.assert_array_equal(load_picture(path), pixels)
        except InputError:
            refused += 1
    assert refused > 0.8 * len(whole)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("side", [7_100, 12_000, 60_000])
def test_a_small_file_that_claims_many_pixels_is_refused(tmp_path, side):
    assert side**2 > MAX_PIXELS
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(InputError, match=r"bomb\.png is no whole picture .*pixels"):
        load_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png is no whole picture") as caught:
        load_picture(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.png does not exist"):
        load_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match=tmp_path.name):
        load_picture(tmp_path)


def test_many_pictures_come_in_order(tmp_path, pixels):
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(encoded(pixels + np.uint8(number), "PNG"))
    read = load_pictures(paths, 6, 9)
    np.testing.assert_array_equal(read, [pixels + np.uint8(number) for number in range(20)])
    assert load_pictures([], 6, 9).shape == (0, 6, 9, 3)


def test_a_picture_of_another_size_is_named(tmp_path, pixels):
    (tmp_path / "a.png").write_bytes(encoded(pixels, "PNG"))
    (tmp_path / "b.png").write_bytes(encoded(pixels[:, :5], "PNG"))
    with pytest.raises(InputError, match=r"b\.png has 5 x 6 pixels, the others 9 x 6"):
        load_pictures([tmp_path / "a.png", tmp_path / "b.png"], 6, 9)


def test_digests_tell_pixels_and_not_files(tmp_path, pixels):
    for name, kind in (("a", "PNG"), ("b", "BMP")):
        (tmp_path / name).write_bytes(encoded(pixels, kind))
    (tmp_path / "c").write_bytes(encoded(255 - pixels, "PNG"))
    (tmp_path / "d").write_bytes(b"no picture")
    files = [tmp_path / name for name in "abcd"]
    digests, broken = pixel_digests(files)
    assert broken.tolist() == [False, False, False, True]
    assert digests[0] == digests[1] != digests[2]
    assert "d is no whole picture" in digests[3]
    with pytest.raises(InputError, match=r"d is no whole picture .*nor can any other"):
        pixel_digests([tmp_path / "d"])


def test_digests_tell_shapes_apart(tmp_path):
    for name, shape in (("a", (2, 8)), ("b", (4, 4))):
        (tmp_path / name).write_bytes(encoded(np.zeros((*shape, 3), np.uint8), "PNG"))
    first, second = pixel_digests([tmp_path / "a", tmp_path / "b"])[0]
    assert first != second


def test_a_picture_is_found_however_its_accents_are_spelt(tmp_path):
    apart, composed = "cafe\u0301", "caf\u00e9"
    file = tmp_path / apart / f"{apart}.v2.jpg"
    file.parent.mkdir()
    file.write_bytes(b"")
    assert on_disk(tmp_path / composed / f"{composed}.v2.jpg") == file
    found = find_pictures(tmp_path, [f"{composed}/{composed}.v2", f"{composed}/{composed}"])
    assert found == [file, None]


def test_the_state_of_a_picture_is_its_size_and_time(tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "x").write_bytes(b"123")
    found = states(root, ["a/x", "a/none", "a"])
    assert found[0] == (3, (root / "a" / "x").stat().st_mtime_ns)
    assert found[1:] == [None, None]
    (root / "within").symlink_to(root / "a")
    assert states(root, ["within/x"]) == found[:1]
    (tmp_path / "secret").mkdir()
    (root / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="leads out of"):
        states(root, ["a/x", "out/x"])


# Squares show the middle of the picture, whatever its shape.


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


def test_pictures_may_stay_as_they_are_stored(tmp_path, monkeypatch):
    """Counted and in the provenance, so that the two are never taken for one another."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    upright = np.zeros((30, 20, 3), np.uint8)
    upright[:10] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for number in range(8):
        image = Image.fromarray(upright + np.uint8(number)).transpose(Image.Transpose.ROTATE_90)
        image.save(tmp_path / f"p{number}.png", exif=exif)
    rows = [f"p{i}.png,p{i + 1}.png,red,{'test' if i else 'train'}" for i in range(0, 8, 2)]
    (tmp_path / "t.csv").write_text("\n".join(["source,target,text,split", *rows]) + "\n")
    given = {"csv": tmp_path / "t.csv", "images": tmp_path, "size": 16}
    monkeypatch.setenv("CMIR_EXIF", "stored")
    assert load_picture(tmp_path / "p0.png").shape == (20, 30, 3)
    data = own_folder.prepare(name="stored", **given)
    assert data.info["pictures"] == {STORED: 8}
    assert own_folder.prepare(name="stored", **given).info == data.info
    monkeypatch.setenv("CMIR_EXIF", "")
    assert load_picture(tmp_path / "p0.png").shape == (30, 20, 3)
    with pytest.raises(InputError, match="exif 'pictures as stored'"):
        own_folder.prepare(name="stored", **given)
    monkeypatch.setenv("CMIR_EXIF", "sideways")
    with pytest.raises(InputError, match="CMIR_EXIF 'sideways'"):
        load_picture(tmp_path / "p0.png")
