"""Every layout through the script: from raw, made small here, to prepared."""

import command_line
import pytest
import tiny_captions as tiny
from PIL import Image
from tiny_releases import draw

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import sentences
from cmir_repro.data.prepared import Prepared
from data_scripts import captions as script


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


def run(name, *arguments) -> Prepared:
    command_line.run(script.prepare, *arguments)
    return Prepared(paths.data() / name)


def refused(message, *arguments) -> None:
    with pytest.raises(InputError, match=message) as caught:
        command_line.run(script.prepare, *arguments)
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def test_karpathy_with_pictures_in_folders(tmp_path):
    file = tiny.coco_karpathy(tmp_path / "dataset_coco.json")
    photos = draw(
        tmp_path / "photos",
        [f"{f}/COCO_{f}_{n:012d}" for n, f in ((11, "train2014"),)]
        + [f"val2014/COCO_val2014_{n:012d}" for n in (21, 22, 31, 41)],
    )
    data = run("coco", "--karpathy", file, "--images", photos, "--size", 8, "--partial")
    assert data.images["split"].tolist() == ["train"] * 3 + ["val", "test"]
    assert len(sentences.sentences(data)) == 25
    assert data.info["provenance"]["captions_per_image"] == 5
    assert "CC BY 4.0" in data.info["licence"]
    more = ("--captions", 0, "--partial", "--name", "six")
    data = run("six", "--karpathy", file, "--text-only", *more)
    assert len(sentences.sentences(data)) == 26


def test_albef_and_multi30k_give_the_same_sentences(tmp_path):
    lists = tiny.albef(tmp_path / "lists")
    one = run("one", "--albef", *lists, "--text-only", "--partial", "--name", "one")
    root = tiny.multi30k(tmp_path / "multi30k")
    two = run("flickr30k-text", "--multi30k", root, "--text-only", "--partial")
    assert sentences.sentences(one).equals(sentences.sentences(two))
    assert one.images.equals(two.images)
    assert one.info["provenance"]["files"] != two.info["provenance"]["files"]


def test_the_audit_refuses_other_counts(tmp_path, capsys):
    file = tiny.flickr30k(tmp_path / "dataset_flickr30k.json")
    refused(
        r"6 of 6 counts are not those of flickr30k with Karpathy's splits, first images, train: 3, "
        r"expected 29000.*--partial",
        *("--karpathy", file, "--text-only"),
    )
    assert "expected 145,000" in capsys.readouterr().out


def test_flickr8k_has_no_known_counts_and_any_protocol(tmp_path):
    file = tiny.flickr30k(tmp_path / "dataset_flickr8k.json")
    data = run("captions-text", "--karpathy", file, "--text-only")
    assert data.info["protocol"] == "own/image-sentence"
    refused_as = ("--karpathy", file, "--text-only", "--release", "flickr30k")
    with pytest.raises(InputError, match="6 of 6 counts"):
        command_line.run(script.prepare, *refused_as)


def test_cocos_file_is_all_test_or_split_by_a_seed(tmp_path):
    file = tiny.coco(tmp_path / "captions_val2017.json")
    photos = draw(tmp_path / "photos", [f"{n:012d}" for n in range(1, 9)])
    refused(
        r"000000000009 .* is missing.*test 2 of 10 images, with 10 of its 50 sentences",
        *("--coco", file, "--images", photos),
    )
    allowed = ("--coco", file, "--images", photos, "--size", 8, "--allow-missing")
    data = run("coco-captions", *allowed)
    assert data.images["split"].tolist() == ["test"] * 8
    assert "2 pictures missing" in data.info["protocol"]
    assert data.info["coverage"]["test/all"]["lost"] == 10
    data = run("drawn", *allowed, "--split-seed", 1, "--name", "drawn")
    assert data.images["split"].value_counts().sum() == 8
    assert set(data.images["split"]) >= {"train", "test"}
    assert data.info["provenance"]["splits"] == {"seed": 1, "val": 0.1, "test": 0.2}


def test_a_csv_of_named_photographs(tmp_path):
    names = [f"p{n:02d}" for n in range(10)]
    photos = draw(tmp_path / "photos", names)
    (photos / "p09.png").write_bytes((photos / "p03.png").read_bytes())  # a copy
    csv = tmp_path / "m.csv"
    csv.write_text("id,name\n" + "".join(f"{n},shirt number {n}\n" for n in names) + "p10,\n")
    columns = ("--csv", csv, "--id", "id", "--text", "name", "--suffix", ".png")
    data = run("shirts", *columns, "--images", photos, "--size", 8, "--name", "shirts")
    assert len(data.images) == 9
    table = sentences.sentences(data)
    assert len(table) == 10
    assert table.loc[table["image"] == "p03", "text"].tolist() == [
        "shirt number p03",
        "shirt number p09",
    ]
    assert "images without a caption: 1" in data.info["left_out"]
    assert data.info["provenance"]["kind"] == "photographs"
    assert data.images["split"].value_counts().to_dict() == {"train": 6, "test": 2, "val": 1}
    command_line.refused(script.prepare, "--csv needs --id and --text", "--csv", csv, "--text-only")


def test_a_csv_of_several_rows_an_image_with_its_own_splits(tmp_path):
    names = [f"{folder}/{folder}{n:02d}" for folder in ("a", "b") for n in range(6)]
    photos = draw(tmp_path / "photos", names)
    csv = tmp_path / "captions.txt"
    rows = [f"{name}.jpg,dog {k} of {name}" for name in names for k in range(5)]
    csv.write_text("image,caption\n" + "\n".join(rows) + "\n")
    data = run("captions", "--csv", csv, "--images", photos, "--size", 8)
    assert sorted(data.images["image"]) == names
    assert len(sentences.sentences(data)) == 60
    splits = [("train", "val", "test")[number % 3] for number in range(12) for k in range(5)]
    rows = [f"{row};{split}".replace(",", ";") for row, split in zip(rows, splits, strict=True)]
    csv.write_text("image;caption;split\n" + "\n".join(rows) + "\n")
    data = run("own", "--csv", csv, "--images", photos, "--size", 8, "--name", "own")
    assert data.images["split"].tolist() == splits[::5]
    assert data.info["provenance"]["splits"] == "column split"


def test_a_table_without_a_test_is_refused_before_anything_trains_on_it(tmp_path):
    photos = draw(tmp_path / "photos", ["a", "b"])
    csv = tmp_path / "m.csv"
    csv.write_text("image,caption,split\na,a dog,train\nb,a cat,train\n")
    message = r"m\.csv: no image is of the split test, .*could be scored; give some that split"
    refused(message, "--csv", csv, "--images", photos)
    refused(message, "--csv", csv, "--text-only")
    csv.write_text("image,caption,split\na,a dog,train\nc,a cat,test\n")
    refused(
        r"m\.csv: no image is of the split test, .*; get some of its 1 missing pictures",
        *("--csv", csv, "--images", photos, "--allow-missing"),
    )


def test_bad_input_is_one_line_that_names_the_file(tmp_path):
    file = tiny.flickr30k(tmp_path / "dataset_flickr30k.json")
    photos = draw(tmp_path / "photos", [f"{n}" for s in tiny.SPLITS for n in tiny.ids(s)])
    picture = photos / "1000.png"
    picture.write_bytes(picture.read_bytes()[:60])
    given = ("--karpathy", file, "--partial", "--images", photos)
    refused(r".*1000.png is no whole picture", *given)
    Image.new("RGB", (4, 4)).save(picture)
    refused("must be at least 0", *given, "--captions", -1)
    refused("cannot be used", *given, "--name", "../elsewhere")
    refused("dataset_x.json does not exist", "--karpathy", tmp_path / "dataset_x.json", *given[2:])


def test_pictures_or_none_and_one_layout_must_be_said():
    refused("give one of --images, --text-only", "--karpathy", "f.json")
    refused("give one of --karpathy, .* --csv$", "--text-only")
    refused("not --karpathy and --coco", *("--karpathy", "f", "--coco", "f", "--text-only"))


def test_real_pictures_of_coco(real_data):
    root = real_data("coco_captions")
    data = run(
        "coco-captions",
        *("--coco", root / "annotations" / "captions_val2017.json", "--size", 8),
        *("--images", root / "images" / "val2017", "--allow-missing"),
    )
    assert data.info["coverage"] == {
        "test/all": {"images": 5000, "missing": 4841, "sentences": 25000, "lost": 24205}
    }
    assert len(data.images) == 159
    found = sentences.pairs(data, sentences.sentences(data), "test")
    assert len(found.texts) == 5 * 159


def test_real_sentences_of_flickr30k(real_data, capsys):
    data = run("flickr30k-text", "--multi30k", real_data("flickr30k_text"), "--text-only")
    assert data.info["protocol"] == "flickr30k-1k"
    assert "expected" not in capsys.readouterr().out
    assert len(sentences.sentences(data)) == 155_070


def test_of_albefs_lists_the_test_alone_will_do(tmp_path, capsys):
    test = tiny.albef(tmp_path / "lists")[-1]
    data = run("one", "--albef", "-", "-", test, "--text-only", "--partial", "--name", "one")
    assert set(data.images["split"]) == {"test"}
    assert "so this can be scored, not trained on" in capsys.readouterr().out
