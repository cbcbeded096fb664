"""COCO's instances and captions through the script, by both conventions."""

import json

import command_line
import numpy as np
import pytest
from PIL import Image
from tiny_releases import change, write

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import Prepared
from data_scripts import coco_categories as script

CATEGORIES = {1: "person", 3: "car", 18: "dog", 90: "toothbrush"}  # ids with gaps, as in COCO
PARTS = {"train2014": range(1, 9), "val2014": range(21, 25)}


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


def file_of(part, number):
    return f"COCO_{part}_{number:012d}.jpg"


@pytest.fixture
def root(tmp_path):
    """Twelve pictures; 8 has no instance, 7 a caption of stop words alone; 2 is grey, on disk."""
    for part, numbers in PARTS.items():
        images = [
            {"id": n, "file_name": file_of(part, n), "height": 4, "width": 6} for n in numbers
        ]
        instances = [
            {
                "id": 10 * n + k,
                "image_id": n,
                "category_id": category,
                "iscrowd": 0,
                "bbox": [0] * 4,
            }
            for n in numbers
            if n != 8
            for k, category in enumerate((1, 18 if n % 2 else 90, 1))
        ]
        kinds = [{"id": k, "name": v, "supercategory": "x"} for k, v in CATEGORIES.items()]
        write(
            tmp_path / f"instances_{part}.json",
            {"info": {}, "images": images, "annotations": instances, "categories": kinds},
        )
        told = [
            {"id": 10 * n + k, "image_id": n, "caption": text}
            for n in numbers
            for k, text in enumerate(
                ("A dog, and the man.", f"Two dogs on a  {'red' * (n == 1)} mat")
            )
            if n != 7
        ] + [{"id": 70, "image_id": n, "caption": "It is on the"} for n in numbers if n == 7]
        write(
            tmp_path / f"captions_{part}.json",
            {"info": {}, "images": images, "annotations": told},
        )
        (tmp_path / part).mkdir()
        for n in numbers:
            picture = Image.new("L" if n == 2 else "RGB", (6, 4), 90 if n == 2 else (n * 9, 40, 40))
            picture.save(tmp_path / part / file_of(part, n))
    return tmp_path


def arguments(root, convention, parts, *more) -> list[str]:
    given = ["--convention", convention, "--partial"]
    for part in parts:
        given += ["--instances", root / f"instances_{part}.json"]
        given += ["--captions", root / f"captions_{part}.json"]
    sizes = {"--train": 3, "--val": 1, "--test": 2}
    given += [x for pair in sizes.items() for x in pair]
    return [*map(str, (*given, "--size", 4, *more))]


def run(root, convention, parts, *more, name=None) -> Prepared:
    command_line.run(script.prepare, *arguments(root, convention, parts, *more))
    return Prepared(paths.data() / (name or f"coco-{convention}"))


def refused(message, given) -> None:
    with pytest.raises(InputError, match=message) as caught:
        command_line.run(script.prepare, *given)
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def test_both_parts_together_as_in_the_hashing_papers(root, capsys):
    data = run(root, "hashing", PARTS, "--images", root)
    found = labelled(data)
    assert found.categories == [*CATEGORIES.values()]
    # dog, man 11 times, two, dogs, mat 11 times, red once; equal counts are in order of letters
    assert found.words == ["dog", "dogs", "man", "mat", "two", "red"]
    numbers = [int(name[-12:]) for name in found.ids]
    assert numbers == [n for part in PARTS.values() for n in part if n not in (7, 8)]
    for row, number in enumerate(numbers):
        carried = {found.categories[c] for c in np.flatnonzero(found.labels[row])}
        assert carried == {"person", "dog" if number % 2 else "toothbrush"}
        assert found.text[row].tolist() == [1, 1, 1, 1, 1, int(number == 1)]
    sizes = [len(x) for x in (found.train, found.val, found.query, found.database)]
    assert sizes == [3, 1, 2, 8]
    pixels = data.take("photo", np.arange(len(numbers)))[:, 0, 0, 0].astype(int)
    wanted = np.array([90 if n == 2 else n * 9 for n in numbers])
    assert np.abs(pixels - wanted).max() < 12  # JPEG
    printed = capsys.readouterr().out
    assert "expected 122,218" in printed
    assert "pictures without a category: 1" in printed
    assert "other pictures without a word of the vocabulary: 1" in printed


def test_train_alone_with_marks_and_without_grey_as_in_daevr(root):
    data = run(root, "daevr", ["train2014"], "--images", root, "--train", 2)
    found = labelled(data)
    # Marks stay on words: "dog," and "man." are words.
    assert set(found.words) == {"dog,", "man.", "two", "dogs", "mat", "red"}
    assert [int(name[-12:]) for name in found.ids] == [1, 3, 4, 5, 6]
    assert "other pictures that are grey: 1" in data.info["left_out"]
    assert found.labels.shape[1] == len(CATEGORIES)


def test_a_shorter_vocabulary_is_of_the_most_frequent_words(root):
    given = ("--annotations-only", "--words", 2)
    found = labelled(run(root, "hashing", PARTS, *given, name="coco-hashing-tags"))
    assert found.words == ["dog", "dogs"]


def test_pictures_may_lie_in_one_folder(root):
    for file in (root / "val2014").iterdir():
        file.rename(root / "train2014" / file.name)
    (root / "val2014").rmdir()
    assert len(run(root, "hashing", PARTS, "--images", root / "train2014").images) == 10


def test_missing_pictures_are_said_or_left_out(root):
    (root / "val2014" / file_of("val2014", 22)).unlink()
    given = arguments(root, "hashing", PARTS, "--images", root)
    refused("val2014/COCO_val2014_000000000022 .* is missing; missing are: ", given)
    data = run(root, "hashing", PARTS, "--images", root, "--allow-missing")
    assert len(data.images) == 9
    assert "1 pictures missing" in data.info["protocol"]


def test_other_counts_are_refused(root):
    given = [x for x in arguments(root, "hashing", PARTS, "--annotations-only") if x != "--partial"]
    refused("4 of 4 counts are not those of coco-hashing, first pictures: 12", given)


def test_what_cannot_be_is_one_line(root):
    given = arguments(root, "hashing", PARTS, "--annotations-only")
    refused("--words must be at least 1", [*given, "--words", "0"])
    refused("10 images are too few for --train 900", [*given, "--train", "900"])
    path = root / "instances_val2014.json"
    whole = json.loads(path.read_text())
    for edit, message in (
        (
            lambda v: v["annotations"][0].update(category_id=2),
            "annotation 0: image 21 or category 2",
        ),
        (lambda v: v["annotations"][1].update(image_id=99), "annotation 1: image 99 or"),
        (lambda v: v["annotations"][1].update(image_id=True), "image_id is True, expected int"),
        (lambda v: v["categories"][0].update(name="dog"), "category 2: 18 'dog' is there twice"),
        (lambda v: v["categories"].reverse(), "has other categories than"),
        (lambda v: v["images"][1].update(id=21), "image 1: 'COCO_val.*is listed twice"),
        (lambda v: v["images"][1].update(file_name="../../x.jpg"), "is no path inside"),
        (lambda v: v.pop("images"), "images is None, expected list"),
    ):
        change(path, edit)
        refused(message, given)
        write(path, whole)
    path.write_text("{")
    refused("instances_val2014.json is not readable JSON", given)
    path.unlink()
    refused("instances_val2014.json does not exist", given)


def test_captions_of_other_pictures_are_refused(root):
    given = arguments(root, "hashing", ["train2014"], "--annotations-only")
    given[given.index(str(root / "captions_train2014.json"))] = str(root / "captions_val2014.json")
    refused("no picture of .*instances_train2014.json has a category, a word", given)


def test_real_annotations_and_pictures(real_data):
    root = real_data("coco_captions")
    annotations, parts = root / "annotations", ("train2017", "val2017")
    more = ("--images", root / "images", "--train", 100, "--val", 20, "--test", 30)
    data = run(annotations, "hashing", parts, *more)
    found = labelled(data)
    assert found.text.shape == (159, 2000)
    assert found.labels.shape == (159, 80)
    assert found.labels.sum() == 586
    assert found.categories[0] == "person"
    assert found.categories[79] == "toothbrush"
    dog, said = found.labels[:, found.categories.index("dog")], found.words.index("dog")
    assert dog.sum() == 10
    # Most pictures of a dog are described as such, and few others.
    assert found.text[dog, said].mean() >= 0.7
    assert found.text[~dog, said].mean() < 0.05
