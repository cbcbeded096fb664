"""The layouts of image <-> sentence data, made small, and what is wrong with them."""

import gzip

import pytest
import tiny_captions as tiny
from tiny_releases import change

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import captions, files
from cmir_repro.data.readers.captions import albef, coco, csv_column, karpathy, multi30k


def test_karpathys_flickr30k(tmp_path):
    found = karpathy(tiny.flickr30k(tmp_path / "dataset_flickr30k.json"))
    tiny.check_flickr(found)
    assert found.images["path"].tolist() == found.images["image"].tolist()
    assert list(found.files) == ["dataset_flickr30k.json"]
    assert found.sentences["sentence"][:2].tolist() == ["1000#0", "1000#1"]


def test_karpathys_coco_has_folders_restval_and_six_captions(tmp_path):
    path = tiny.coco_karpathy(tmp_path / "dataset_coco.json")
    found = karpathy(path)
    assert found.images["split"].tolist() == ["train", "train", "train", "val", "test"]
    assert found.images["path"][1] == "val2014/COCO_val2014_000000000021"
    assert found.images["image"][1] == "COCO_val2014_000000000021"
    assert (found.sentences.groupby("image").size() == 5).all()
    assert tiny.texts(found, found.images["image"][4]) == tiny.said("41")
    assert "captions of an image after the first 5: 1" in found.left_out
    all_of_them = karpathy(path, None)
    assert len(all_of_them.sentences) == 26
    assert not any("after the first" in line for line in all_of_them.left_out)


def test_tokens_stand_in_where_there_is_no_raw_text(tmp_path):
    path = tiny.flickr30k(tmp_path / "f.json")
    change(path, lambda v: v["images"][0]["sentences"][0].pop("raw"))
    assert tiny.texts(karpathy(path), "1000")[0] == "a dog number one of 1000"


def test_albefs_lists_with_and_without_image_id(tmp_path):
    paths = tiny.albef(tmp_path)
    found = albef(*paths)
    tiny.check_flickr(found)
    assert found.images["path"][0] == "flickr30k-images/1000"
    assert len(found.files) == 3
    change(paths[0], lambda v: [entry.pop("image_id") for entry in v])
    tiny.check_flickr(albef(*paths))


def test_cocos_own_file(tmp_path):
    found = coco(tiny.coco(tmp_path / "captions_val2017.json"))
    assert set(found.images["split"]) == {"test"}
    assert len(found.images) == 10
    for n in range(1, 11):
        assert tiny.texts(found, f"{n:012d}") == tiny.said(str(n))  # one line, no blanks around it
    assert "captions of an image after the first 5: 1" in found.left_out


def test_captions_and_images_without_words_are_counted(tmp_path):
    path = tiny.flickr30k(tmp_path / "f.json")

    def blank(value):
        value["images"][0]["sentences"][1]["raw"] = " \n"
        value["images"][0]["sentences"][2]["raw"] = "..."
        for sentence in value["images"][1]["sentences"]:
            sentence["raw"] = ""

    change(path, blank)
    found = karpathy(path)
    assert len(tiny.texts(found, "1000")) == 3
    assert "1001" not in set(found.images["image"])
    assert found.left_out[:2] == ["captions without a word: 7", "images without a caption: 1"]


@pytest.mark.parametrize("text", ["nan", "None", "NULL", "N/A", "\u200b", "\u2026", "-"])
def test_absent_captions_are_counted(tmp_path, text):
    path = tiny.flickr30k(tmp_path / "f.json")
    change(path, lambda v: v["images"][0]["sentences"][1].update(raw=text))
    found = karpathy(path)
    assert len(tiny.texts(found, "1000")) == 4
    assert found.left_out[0] == "captions without a word: 1"


def edit(**new):
    return lambda value: value["images"][1].update(new)


@pytest.mark.parametrize(
    ("change_it", "message"),
    [
        (edit(filename="../../etc/passwd"), r"f.json, image 1: '../../etc/passwd' is no path ins"),
        (edit(filename="/etc/passwd"), "image 1: '/etc/passwd' is no path inside"),
        (edit(filename="a\\b.jpg"), "image 1: .* is no path inside"),
        (edit(filepath="..", filename="a.jpg"), "image 1: '../a.jpg' is no path inside"),
        (edit(filename="a b\n.jpg"), r"image 1: 'a b\\n.jpg' is no file name"),
        (edit(filename=""), "image 1: '' is no file name"),
        (edit(filename="."), "image 1: '.' is no file name"),
        (edit(filename="1000.jpg"), "image '1000' is listed twice"),
        (edit(filename=7), "image 1: filename is 7, expected str"),
        (edit(split="dev"), "image 1: split 'dev' is unknown; allowed: train, restval, val, test"),
        (edit(sentences="a dog"), "image 1: sentences is 'a dog', expected list"),
        (edit(sentences=["a dog"]), "image 1 is no dictionary"),
        (edit(sentences=[{"raw": 3}]), "image 1: raw is 3, expected str"),
        (edit(sentences=[{"tokens": [1]}]), "image 1: caption 1 is no text"),
        (edit(sentences=[{"raw": "\ud800"}]), "f.json is not readable JSON"),
        (lambda v: v["images"].insert(1, []), "image 1 is no dictionary"),
        (lambda v: v.update(images={}), "f.json: images is {}, expected list"),
        (lambda v: v.pop("images"), "f.json: images is None, expected list"),
        (lambda v: v["images"].clear(), "there is no image with a caption"),
    ],
)
def test_bad_files_of_karpathy(tmp_path, change_it, message):
    path = tiny.flickr30k(tmp_path / "f.json")
    change(path, change_it)
    with pytest.raises(InputError, match=message) as caught:
        karpathy(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is not readable JSON"),
        (b'{"images": [', "is not readable JSON"),
        (b"\xff\xfe", "is not readable JSON"),
        (b"[" * 100_000, "is not readable JSON"),
        (b"[1]", "is no dict or empty; is it of another layout"),
        (b"{}", "is no dict or empty"),
    ],
)
def test_files_that_are_no_such_json(tmp_path, content, message):
    path = tmp_path / "f.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"f.json {message}"):
        karpathy(path)


@pytest.mark.parametrize(
    ("number", "change_it", "message"),
    [
        (
            2,
            lambda v: v[1].update(image="flickr30k-images/3000.jpg"),
            "entry 1: .*/3000' is l",
        ),
        (
            1,
            lambda v: v[0].update(image="flickr30k-images/1000.jpg"),
            "entry 0: .*/1000' is l",
        ),
        (0, lambda v: v[5].update(image="x/1000.jpg"), "train.json, entry 6: image_id 1 is no id"),
        (0, lambda v: v[5].update(image_id=0), "entry 5: image_id 0 is no id, or that of another"),
        (0, lambda v: v[0].update(image_id=[1]), r"entry 0: image_id \[1\] is no id"),
        (0, lambda v: v[0].update(caption=None), "entry 0: caption None is no text"),
        (1, lambda v: v[0].update(caption=[["a"]]), "val.json, entry 0: caption .* is no text"),
        (0, lambda v: v[0].pop("image"), "entry 0: image is None, expected str"),
        (0, lambda v: v[0].update(image="/data/1.jpg"), "entry 0: '/data/1.jpg' is no path inside"),
    ],
)
def test_bad_lists_of_albef(tmp_path, number, change_it, message):
    paths = tiny.albef(tmp_path)
    change(paths[number], change_it)
    with pytest.raises(InputError, match=message):
        albef(*paths)


@pytest.mark.parametrize(
    ("change_it", "message"),
    [
        (lambda v: v["images"][1].update(id=1), "image 1: id 1 is listed twice"),
        (lambda v: v["images"][1].update(id=True), "image 1: id is True, expected int"),
        (lambda v: v["images"][1].update(file_name="../a.jpg"), "is no path inside"),
        (lambda v: v["annotations"][3].update(image_id=99), "annotation 3: image_id 99 is not amo"),
        (lambda v: v["annotations"][3].update(caption=3), "annotation 3: caption 3 is no text"),
        (lambda v: v.pop("annotations"), "annotations is None, expected list"),
    ],
)
def test_bad_files_of_coco(tmp_path, change_it, message):
    path = tiny.coco(tmp_path / "c.json")
    change(path, change_it)
    with pytest.raises(InputError, match=message):
        coco(path)


def test_a_layout_is_not_taken_for_another(tmp_path):
    with pytest.raises(InputError, match="filename is None"):
        karpathy(tiny.coco(tmp_path / "c.json"))
    with pytest.raises(InputError, match="id is None"):
        coco(tiny.coco_karpathy(tmp_path / "k.json"))


def test_the_real_coco_file(real_data):
    path = real_data("coco_captions") / "annotations" / "captions_val2017.json"
    found = coco(path, None)
    assert (len(found.images), len(found.sentences)) == (5000, 25014)
    five = coco(path)
    assert (five.sentences.groupby("image").size() == captions.MOST).all()


# Text files


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
        ("val.2.en.gz", gzip.compress(b"one\ntwo\n", mtime=0)[:-9], "is no whole text file"),
        ("val.2.en.gz", gzip.compress(b"\xff\n\xfe\n", mtime=0), "is no whole text file"),
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
    monkeypatch.setattr(files, "MAX_TEXT", 1000)
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
    assert set(found.images["split"]) == {captions.UNSPLIT}
    assert found.left_out == ["captions without a word: 2", "images without a caption: 2"]


def test_ids_are_names_with_or_without_an_ending(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("id,name\na.b,first\nc.jpg,second\n")
    assert csv_column(file, "id", "name", ".png").images["path"].tolist() == ["a.b", "c.jpg"]
    assert csv_column(file, "id", "name").images["path"].tolist() == ["a.b", "c"]


def test_one_name_in_two_folders_is_two_images(tmp_path):
    path = tiny.flickr30k(tmp_path / "f.json")
    change(path, lambda v: [v["images"][n].update(filepath=f"cam_{n}") for n in (0, 1)])
    assert karpathy(path).images["image"].tolist()[:2] == ["1000", "1001"]
    change(path, lambda v: v["images"][1].update(filename="1000.jpg"))
    found = karpathy(path)
    assert found.images["image"].tolist()[:3] == ["cam_0/1000", "cam_1/1000", "1002"]
    assert found.sentences["sentence"][5] == "cam_1/1000#0"
    file = tmp_path / "m.csv"
    file.write_text("id,name\ncam_0/1.jpg,first\ncam_1/1.jpg,second\n")
    assert csv_column(file, "id", "name").images["image"].tolist() == ["cam_0/1", "cam_1/1"]


def test_accents_are_composed_in_ids_and_texts(tmp_path):
    path = tiny.flickr30k(tmp_path / "f.json")
    change(path, lambda v: v["images"][0].update(filename="e\u0301 (1).jpg"))
    change(path, lambda v: v["images"][0]["sentences"][0].update(raw="a cafe\u0301\u200b"))
    found = karpathy(path)
    assert found.images["image"][0] == "\u00e9 (1)"
    assert found.sentences["text"][0] == "a caf\u00e9"


def test_several_rows_an_image_and_a_column_of_splits(tmp_path):
    file = tmp_path / "captions.txt"
    rows = [f"p{n % 3}.jpg,sentence {n // 3} of {n % 3},{tiny_split(n)}" for n in range(18)]
    file.write_text("image,caption,split\n" + "\n".join(rows) + "\n")
    found = csv_column(file, most=5)
    assert found.images["image"].tolist() == ["p0", "p1", "p2"]
    assert found.images["split"].tolist() == ["train", "val", "test"]
    assert tiny.texts(found, "p1") == [f"sentence {n} of 1" for n in range(5)]
    assert "captions of an image after the first 5: 3" in found.left_out


def tiny_split(number: int) -> str:
    return ("train", "Val", "test")[number % 3]


def test_flickr30ks_own_table(tmp_path):
    """With its one row that lacks a separator."""
    file = tmp_path / "results.csv"
    file.write_text(
        "image_name| comment_number| comment\n"
        '1.jpg| 0| A man in a " blue " shirt, alone .\n'
        "1.jpg| 1| A man .\n"
        "2.jpg| 0| A dog .\n"
        "2.jpg| 4   A dog runs across the grass .\n"
    )
    found = csv_column(file)
    assert tiny.texts(found, "1") == ['A man in a " blue " shirt, alone .', "A man ."]
    assert tiny.texts(found, "2") == ["A dog ."]
    assert found.left_out[0] == "captions without a word: 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,name,split\n1,a,test\n1,b,val\n", "row 2: image '1' is in val, and before in test"),
        (
            "id,name,split\n1,a,later\n",
            "row 1: split 'later' is unknown; allowed: train, val, test",
        ),
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
    with pytest.raises(InputError, match=r"none\.csv does not exist"):
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


def test_names_that_differ_in_their_endings_alone_are_refused(tmp_path):
    csv = tmp_path / "c.csv"
    csv.write_text("image,caption\na.jpg,one\na.jpg,two\na.png,three\n")
    with pytest.raises(InputError, match=r"row 3: 'a.png' and 'a.jpg' before it differ"):
        csv_column(csv)
