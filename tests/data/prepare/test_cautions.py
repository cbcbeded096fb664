"""What a data set's numbers would not show, in words, at preparation."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tiny_folder import ROWS, change, prepare, write_photos, write_rows

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.cautions import cautions
from cmir_repro.data.prepare.labels import related
from cmir_repro.data.prepare.own import Settings


@pytest.fixture
def photos(tmp_path, monkeypatch):
    return write_photos(tmp_path, monkeypatch)


@pytest.fixture
def rows(tmp_path, monkeypatch):
    return write_rows(tmp_path, monkeypatch)


@pytest.mark.parametrize("columns", [("colour",), ("colour", "constant")])
def test_one_attribute_is_solved_by_the_sentence(photos, columns, capsys):
    change(photos, "photos.csv", lambda table: table.assign(constant="shoe"))
    settings = Settings(suffix=".jpg", size=8, attributes=columns)
    said = cautions(prepare(photos, settings, "photos.csv"))
    assert len(said) == 1
    assert said[0].startswith("each sentence of the test leads to one label")
    assert said[0] in capsys.readouterr().out


def test_two_attributes_need_both_inputs(photos):
    settings = Settings(suffix=".jpg", size=8, attributes=("colour", "type"))
    assert cautions(prepare(photos, settings, "photos.csv")) == []


def test_sentences_that_come_once_each_tell_nothing(rows):
    assert cautions(prepare(rows, ROWS, "rows.csv")) == []


def test_a_source_that_always_leads_to_one_target_is_told(rows):
    def again(table):
        test = table[table["split"] == "test"]
        return pd.concat([table, test.assign(text="make it " + test["text"])])

    change(rows, "rows.csv", again)
    said = cautions(prepare(rows, ROWS, "rows.csv"))
    assert len(said) == 1
    assert "the source image alone solves it" in said[0]


def test_queries_of_a_release_with_several_targets_are_counted():
    splits = ["train"] * 2 + ["val"] + ["test"] * 4
    images = pd.DataFrame({"image": list("abcdefg"), "split": splits, "label": list("abcdefg")})
    rows = [
        ("test", "d", "Is red ", "e"),
        ("test", "d", "is red", "f"),
        ("test", "d", "is red", "f"),
        ("test", "e", "is red", "g"),
        ("train", "a", "is red", "b"),
        ("train", "a", "is red", "a"),
    ]
    queries = pd.DataFrame(rows, columns=["split", "source", "text", "target"])
    release = SimpleNamespace(images=images, queries=queries, has_ready=lambda name: False)
    assert cautions(release) == [
        "3 of 4 queries of validation and test have the source image and the words of another "
        "query and a different target, which counts as wrong here"
    ]
    release.images = images.assign(label="a dress")  # whatever has the label is right
    assert "different target" not in " ".join(cautions(release))


@pytest.mark.parametrize(
    ("split", "message"),
    [("test", "no image is for training"), ("train", "no image is for validation")],
)
def test_one_split_alone_is_told(rows, split, message):
    change(rows, "rows.csv", lambda table: table.assign(split=split))
    assert cautions(prepare(rows, ROWS, "rows.csv"))[0].startswith(message)


def test_categories_without_anything_relevant_are_refused():
    some = np.eye(4, dtype=np.uint8)
    with pytest.raises(InputError, match="none of 2 queries of the test shares a category"):
        related(some[:2], some[2:])
    with pytest.raises(InputError, match="0 queries of the test"):
        related(some[:0], some)
