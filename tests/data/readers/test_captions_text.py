"""Text-file layouts of image <-> sentence data, made small, and what is wrong with them."""

import gzip

import pytest
import tiny_captions as tiny

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import captions_text
from cmir_repro.data.readers.captions_text import csv_column, multi30k


@pytest.fixture
def root(tmp_path):
    return tiny.multi30k(tmp_path / "multi30k")


def test_multi30k_flat_and_as_in_its_repository(root):
    found = multi30k(root)
    tiny.check_flickr(found)
    assert len(found.files) == 18
    (root / "raw").mkdir()
    for file in root.glob("*.gz"):
        file.rename(root / "raw" / file.name)
    tiny.check_flickr(multi30k(root))


def test_only_line_feeds_end_a_line(root):
    lines = [text + "\x85 \u2028 more\x0b" for text in ("a", "b", "c")]
    (root / "train.1.en.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    found = multi30k(root)  # with no feed at the end, too
    assert [tiny.texts(found, image)[0] for image in tiny.ids("train")] == [
        "a more",
        "b more",
        "c more",
    ]


def test_a_sentence_too_few_is_noticed(root):
    file = root / "val.3.en.gz"
    file.write_bytes(gzip.compress(b"only one\n"))
    with pytest.raises(InputError, match=r"val.3.en.gz has 1 lines, image_splits/val_images.txt 2"):
        multi30k(root)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("val.2.en.gz", None, "does not exist"),
        ("val.2.en.gz", b"plain", "is no whole text file"),
        ("val.2.en.gz", gzip.compress(b"one\ntwo\n")[:-9], "is no whole text file"),
        ("val.2.en.gz", gzip.compress(b"\xff\n\xfe\n"), "is no whole text file"),
        ("image_splits/val_images.txt", b"../2000.jpg\n2001.jpg\n", "is no path inside"),
        ("image_splits/val_images.txt", b"2000.jpg\n2000.jpg\n", "'2000' is listed twice"),
        ("image_splits/val_images.txt", b"1000.jpg\n2001.jpg\n", "'1000' is listed twice"),
    ],
)
def test_bad_files_of_multi30k(root, name, data, message):
    (root / name).unlink() if data is None else (root / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        multi30k(root)


def test_a_small_file_that_unpacks_to_much_is_refused(root, monkeypatch):
    monkeypatch.setattr(captions_text, "MAX_TEXT", 1000)
    (root / "val.2.en.gz").write_bytes(gzip.compress(b"a" * 1001))
    with pytest.raises(InputError, match="over 1,000 bytes"):
        multi30k(root)


CSV = 'id,colour,name\n10,red,A red shirt\n11,blue,\n12,red," Shirt, \n red"\n13,blue,-\n'


def test_a_column_of_texts(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text(CSV)
    found = csv_column(file, "id", "name", ".jpg")
    assert found.images["image"].tolist() == found.images["path"].tolist() == ["10", "12"]
    assert found.sentences["text"].tolist() == ["A red shirt", "Shirt, red"]
    assert set(found.images["split"]) == {captions_text.UNSPLIT}
    assert found.left_out == ["captions without a word: 2", "images without a caption: 2"]


def test_ids_are_names_with_or_without_an_ending(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("id,name\na.b,first\nc.jpg,second\n")
    assert csv_column(file, "id", "name", ".png").images["path"].tolist() == ["a.b", "c.jpg"]
    assert csv_column(file, "id", "name").images["path"].tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,name\n1,a\n1,b\n", "image '1' is listed twice"),
        ("id,name\n../1,a\n", "row 1: '../1.jpg' is no path inside"),
        ("id,name\n,a\n", "row 1: '.jpg' is no file name"),
        ("id,title\n1,a\n", "column 'name' is unknown; allowed: id, title"),
        ("id,name\n1,a,b\n", "rows have more fields than the first line"),
        ("id,name\n", "has no rows"),
        ("id,name\n1,-\n", "there is no image with a caption"),
        ("", "is no readable CSV"),
    ],
)
def test_bad_csv_files(tmp_path, content, message):
    file = tmp_path / "m.csv"
    file.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        csv_column(file, "id", "name", ".jpg")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"none.csv is no readable CSV"):
        csv_column(tmp_path / "none.csv", "id", "name")


def test_all_of_multi30k(real_data):
    found = multi30k(real_data("flickr30k_text"))
    assert found.images.groupby("split").size().to_dict() == {
        "train": 29_000,
        "val": 1_014,
        "test": 1_000,
    }
    assert len(found.sentences) == 155_070
    assert found.left_out[0] == "captions without a word: 0"


def test_names_of_all_product_photographs(real_data):
    found = csv_column(real_data("product_photos") / "metadata.csv", "id", "name", ".jpg")
    assert len(found.images) == len(found.sentences) == 8008
