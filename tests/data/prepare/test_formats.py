"""Every listed format is read, whatever its ending; any other content is refused by name."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import pictures
from cmir_repro.data.prepare.formats import LISTED, READ, SUFFIXES
from cmir_repro.data.prepare.on_disk import find_pictures
from cmir_repro.data.prepare.pictures import (
    is_gray,
    load_picture,
    turned,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str, **settings) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **settings)
    return out.getvalue()


def test_the_lists_name_the_same_formats():
    assert sorted(SUFFIXES) == sorted(ending for endings in READ.values() for ending in endings)
    assert sorted(re.split(", | AND ", LISTED.upper())) == sorted(READ)


@pytest.mark.parametrize("kind", READ)
def test_a_listed_format_is_found_and_read_under_any_ending(tmp_path, kind):
    for ending in {*READ[kind], READ[kind][0].upper(), ".jpg"}:
        folder = tmp_path / ending
        folder.mkdir()
        (folder / f"a{ending}").write_bytes(encoded(PIXELS, kind))
        (file,) = find_pictures(folder, ["a"])
        assert load_picture(file).shape == PIXELS.shape
    (tmp_path / "lossless").write_bytes(encoded(PIXELS, "WEBP", lossless=True))
    np.testing.assert_array_equal(load_picture(tmp_path / "lossless"), PIXELS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "nothing"),
        (b"\0" * 3_000, "nothing but zeros"),
        (b"hello", "text"),
        (b"\n<!DOCTYPE html><p>404", "an HTML page"),
        (b'<?xml version="1.0"?><svg xmlns=', "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"%PDF-1.4", "PDF"),
        (b"PK\x03\x04" + bytes(40), "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\x93\xa1\xff\x00abc", r"bytes of no known format \(93 a1 ff 00 ...\)"),
        (encoded(PIXELS, "PPM"), "PNM"),
        (encoded(PIXELS, "JPEG2000"), "JPEG 2000"),
        (encoded(PIXELS, "ICO"), "ICO"),
        (encoded(PIXELS, "PNG")[:7], "a damaged PNG"),
    ],
)
def test_other_content_is_named_in_one_line(tmp_path, content, said):
    (tmp_path / "a.jpg").write_bytes(content)
    wanted = rf"a\.jpg is no whole picture .* it holds {said}"
    with pytest.raises(InputError, match=wanted) as found:
        load_picture(tmp_path / "a.jpg")
    assert LISTED in str(found.value)
    assert not re.search("\n|BytesIO|again", str(found.value))


def test_bytes_behind_the_end_of_a_png_do_no_harm(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(PIXELS, "PNG") + bytes(2_000))
    np.testing.assert_array_equal(load_picture(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_the_upper_eight(tmp_path, kind):
    file = tmp_path / "x-ray"
    gray = np.arange(256, dtype=np.uint16).reshape(8, 32)
    for wide in (gray * 256, gray * 257, gray * 256 + 255):  # the usual ways to widen 8 bits
        file.write_bytes(encoded(wide, kind))
        shown = np.repeat(gray[..., None], 3, axis=2)
        np.testing.assert_array_equal(load_picture(file), shown)
    assert load_picture(file).dtype == np.uint8
    assert is_gray(file)


@pytest.mark.parametrize(("dtype", "said"), [("float32", "floats"), ("int32", "32-bit integers")])
def test_pixels_without_a_fixed_white_are_refused(tmp_path, dtype, said):
    file = Path(tmp_path / "depth.tif")
    file.write_bytes(encoded(np.ones((4, 4), dtype), "TIFF"))
    with pytest.raises(InputError, match=rf"depth\.tif has pixels of {said} \(mode [FI]\)"):
        load_picture(file)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_upright_as_viewers_show_them(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    file = tmp_path / "phone"
    file.write_bytes(encoded(PIXELS, kind, exif=exif))
    shown = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    np.testing.assert_array_equal(load_picture(file), np.asarray(shown))
    assert load_picture(file).shape == ((6, 9, 3) if orientation < 5 else (9, 6, 3))
    assert turned([file]) == (orientation > 1)


def test_damaged_exif_leaves_a_picture_as_it_is(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    whole = encoded(PIXELS, "JPEG", exif=exif)
    place = whole.index(b"Exif\0\0") + 6
    (tmp_path / "a.jpg").write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
    assert load_picture(tmp_path / "a.jpg").shape == PIXELS.shape
    assert turned([tmp_path / "a.jpg"]) == 0


def test_pictures_are_opened_in_one_place():
    root = Path(pictures.__file__).parents[3]
    folders = root / "cmir_repro", root / "data_scripts"
    files = [file for folder in folders for file in folder.rglob("*.py")]
    found = [file.name for file in files if "Image.open(" in file.read_text(encoding="utf-8")]
    assert found == ["pictures.py"]
