"""MIRFLICKR-25K through the script: from raw, made small here in the exact layout, to prepared."""

import re

import command_line
import numpy as np
import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import Prepared
from data_scripts import mirflickr as script

LISTS = (
    "animals baby bird car clouds dog female flower food indoor lake male night people plant_life "
    "portrait river sea sky structures sunset transport tree water"
)
WITH_R1 = "baby bird car clouds dog female flower male night people portrait river sea tree"
CLASSES, RELEVANT = LISTS.split(), WITH_R1.split()
WORDS = ["sky", "water", "nikon", "2007", "café"]
IMAGES = 40
SIZES = ("--train", 12, "--val", 4, "--test", 6)


def told(number: int) -> list[str]:
    """Tags of a picture: every fifth has none at all, every seventh only rare ones."""
    if number % 5 == 0:
        return []
    return ["rare"] if number % 7 == 0 else [WORDS[number % 5], "rare", WORDS[number % 3]]


def belongs(number: int) -> list[str]:
    """Classes of a picture: every eighth has none."""
    if number % 8 == 0:
        return []
    return sorted({CLASSES[number % 24], CLASSES[number * 7 % 24], "sky"})


@pytest.fixture
def release(tmp_path):
    """mirflickr/ and mirflickr25k_annotations_v080/, lines ended as released, by CR and LF."""
    root, annotations = tmp_path / "mirflickr", tmp_path / "mirflickr25k_annotations_v080"
    for folder in (root / "meta" / "tags", root / "doc", annotations):
        folder.mkdir(parents=True)
    (root / "doc" / "common_tags.txt").write_text(
        "".join(f"{word} {50 - n}\n" for n, word in enumerate(WORDS)), encoding="utf-8"
    )
    for number in range(1, IMAGES + 1):
        text = "".join(f"{tag}\r\n" for tag in told(number))
        (root / "meta" / "tags" / f"tags{number}.txt").write_bytes(text.encode())
        Image.new("RGB", (12, 10), (number * 6, 0, 0)).save(root / f"im{number}.jpg", quality=95)
    for name in CLASSES:
        ids = [n for n in range(1, IMAGES + 1) if name in belongs(n)]
        write(annotations / f"{name}.txt", ids)
        if name in RELEVANT:
            write(annotations / f"{name}_r1.txt", ids[::2])
    (annotations / "README.txt").write_text("MIRFLICKR-25000 annotations\n")
    return root, annotations


def write(path, ids):
    path.write_bytes("".join(f"{n}\r\n" for n in ids).encode())


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


def run(name, release, *more, pictures=True) -> Prepared:
    images = ("--images", release[0]) if pictures else ("--annotations-only",)
    given = ("--root", release[0], "--labels", release[1], *images, "--partial", *SIZES, *more)
    command_line.run(script.prepare, *given)
    return Prepared(paths.data() / name)


def refused(message, release, *more, partial=True) -> None:
    given = ["--root", release[0], "--labels", release[1], "--annotations-only", *SIZES, *more]
    command_line.refused(script.prepare, message, *given, *(["--partial"] if partial else []))
    assert not list(paths.data().glob("*/dataset.json"))


def kept() -> list[int]:
    return [n for n in range(1, IMAGES + 1) if belongs(n) and set(told(n)) & set(WORDS)]


def test_layout_to_arrays_with_pictures(release):
    data = run("mirflickr", release, "--size", 8)
    found = labelled(data)
    assert found.ids.tolist() == [f"im{n}" for n in kept()]
    assert 0 < len(kept()) < IMAGES
    assert found.words == WORDS
    assert found.categories == CLASSES  # in alphabetical order
    for row, number in enumerate(kept()):
        assert [w for w, there in zip(WORDS, found.text[row], strict=True) if there] == [
            word for word in WORDS if word in told(number)
        ]
        has = [c for c, there in zip(CLASSES, found.labels[row], strict=True) if there]
        assert has == belongs(number)
        assert data.images["label"][row] == "; ".join(has)
    red = data.take("photo", found.images)[:, 4, 4, 0].astype(int)
    assert np.abs(red - [6 * n for n in kept()]).max() <= 3  # JPEG is not exact
    assert data.info["provenance"]["pixels"].startswith("8 x 8")
    assert "images without a category: 5" in data.info["left_out"]
    assert data.info["protocol"] == "map-all"


def test_splits_are_one_shuffle_and_the_rest_is_database(release):
    data = run("mirflickr-tags", release, pictures=False)
    found = labelled(data)
    order = np.random.Generator(np.random.Philox(key=0)).permutation(len(kept()))
    assert found.train.tolist() == sorted(order[:12])
    assert found.query.tolist() == sorted(order[12:18])
    assert found.val.tolist() == sorted(order[18:22])
    assert found.database.tolist() == sorted({*range(len(kept()))} - {*order[12:18]})
    assert data.info["coverage"]["database"] == {"images": len(kept()) - 22, "missing": 0}
    stated = data.info["provenance"]["splits"]
    assert {k: v for k, v in stated.items() if k != "rule"} == {
        "seed": 0, "train": 12, "val": 4, "test": 6
    }  # fmt: skip
    again = run("mirflickr-tags", release, pictures=False)
    assert again.manifest_hash == data.manifest_hash
    with pytest.raises(InputError, match="was prepared with"):
        run("mirflickr-tags", release, "--seed", 1, pictures=False)
    other = labelled(run("other", release, "--seed", 1, "--name", "other", pictures=False))
    assert other.query.tolist() != found.query.tolist()


def test_the_variant_with_relevant_lists_has_38_classes(release):
    found = labelled(run("mirflickr-38-tags", release, "--classes", 38, pictures=False))
    assert len(found.categories) == 38
    assert found.categories[1:3] == ["baby", "baby_r1"]
    less, all_ = (found.categories.index(name) for name in ("clouds_r1", "clouds"))
    assert (found.labels[:, less] <= found.labels[:, all_]).all()
    assert found.ids.tolist() == [f"im{n}" for n in kept()]


def test_the_audit_refuses_other_counts_and_takes_the_right_ones(release, capsys, monkeypatch):
    refused(
        r"counts are not those of mirflickr, first images: 40, expected 25000.*--partial",
        release,
        partial=False,
    )
    assert "expected 20,015" in capsys.readouterr().out
    counts = script.read(*release, False)[1]
    assert counts == {
        "images": IMAGES,
        "tags in the vocabulary": len(WORDS),
        "categories": 24,
        "labels": sum(len(belongs(n)) for n in range(1, IMAGES + 1)),
        "labels of images without a file of tags": 0,
        "tags of all images": sum(len(set(told(n)) & set(WORDS)) for n in range(1, IMAGES + 1)),
        "images with a category": sum(bool(belongs(n)) for n in range(1, IMAGES + 1)),
        "images with a category and a tag": len(kept()),
    }
    assert set(counts) == set(script.EXPECTED)
    assert set(script.WITH_RELEVANT) == set(counts) - {"labels"}
    monkeypatch.setattr(script, "EXPECTED", counts)
    where = ("--root", release[0], "--labels", release[1])
    command_line.run(script.prepare, *where, *SIZES, "--annotations-only")
    assert (paths.data() / "mirflickr-tags" / "dataset.json").exists()


def test_a_missing_picture_says_what_it_costs_and_moves_no_other(release):
    whole = labelled(run("whole", release, "--size", 8, "--name", "whole"))
    gone = whole.ids[whole.query[0]], whole.ids[whole.train[3]]
    for name in gone:
        (release[0] / f"{name}.jpg").unlink()
    with pytest.raises(
        InputError, match=r"is missing; missing are: train 1 of 12 images; test 1 of 6 images, each"
    ):
        run("mirflickr", release, "--size", 8)
    data = run("mirflickr", release, "--size", 8, "--allow-missing")
    found = labelled(data)
    assert set(found.ids) == set(whole.ids) - set(gone)
    for part in ("train", "val", "query"):
        before, after = whole.ids[getattr(whole, part)], found.ids[getattr(found, part)]
        assert after.tolist() == [name for name in before if name not in gone]
    place = {name: row for row, name in enumerate(whole.ids)}
    rows = [place[name] for name in found.ids]
    assert (found.text == whole.text[rows]).all()
    assert (found.labels == whole.labels[rows]).all()
    assert "2 pictures missing" in data.info["protocol"]
    assert data.info["coverage"]["test"] == {"images": 6, "missing": 1}
    for file in release[0].glob("im*.jpg"):
        file.unlink()
    with pytest.raises(InputError, match="none is there"):
        run("none", release, "--allow-missing", "--name", "none")


def test_part_of_the_images_is_counted(release, capsys):
    (release[0] / "meta" / "tags" / "tags1.txt").unlink()
    found = labelled(run("mirflickr-tags", release, pictures=False))
    assert found.ids.tolist() == [f"im{n}" for n in kept() if n != 1]
    shown = capsys.readouterr().out
    assert re.search(r"labels of images without a file of tags +3 +expected 0\n", shown)
    row = found.ids.tolist().index("im2")  # its labels are still its own
    assert [CLASSES[c] for c in np.flatnonzero(found.labels[row])] == belongs(2)


def test_bad_input_is_one_line_that_names_the_file(release):
    root, annotations = release
    file = annotations / "dog.txt"
    before = file.read_bytes()
    file.write_bytes(before + b"12x\r\n")
    refused(r"dog.txt, line \d+: '12x', expected the number of a picture", release)
    file.write_bytes(before)
    tags = root / "meta" / "tags" / "tags3.txt"
    tags.write_bytes(b"caf\xe9\n")
    refused("tags3.txt is no whole text file", release)
    tags.write_bytes(b"sky\n")
    refused("baby.txt and .* more: 24 images are too few for --train 900", release, "--train", 900)
    refused("has no CLASS.txt", (root, root))
    refused("cannot be used", release, "--name", "../elsewhere")
    refused("--size must be at least 1", release, "--size", 0)
    refused("common_tags.txt does not exist", (annotations, annotations))
    (root / "meta" / "tags").rename(root / "meta" / "other")
    refused("--root names the folder above meta/", release)
