"""Every data set is written whole or not at all, and opened if it is what is asked for."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data import prepared, sentences
from cmir_repro.data.prepare import writer
from cmir_repro.data.prepare.checks import tables_hash
from cmir_repro.data.prepare.writer import Content

INFO = {"sources": [], "licence": "MIT", "left_out": [], "protocol": "own/target", "tasks": {}}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    return tmp_path


def content(**changed) -> Content:
    images = pd.DataFrame(
        {
            "image": list("abc"),
            "split": ["train", "test", "test"],
            "part": ["x", "y", "x"],
            "row": [0, 0, 1],
            "label": list("abc"),
        }
    )
    queries = pd.DataFrame(
        {"query": ["q"], "split": "test", "source": "b", "target": "c", "text": "redder"}
    )
    return Content(**{"images": images, "queries": queries, "info": INFO, **changed})


def prepare(made=None, name="tiny", seed=0, **more):
    return writer.prepare(name, {"kind": "noise", "seed": seed}, lambda: made or content(), **more)


def test_a_data_set_without_images_is_refused(root):
    empty = content()
    with pytest.raises(InputError, match=r"nothing is left to prepare in .*tiny"):
        prepare(content(images=empty.images[:0], queries=empty.queries[:0]))
    assert not (root / "tiny" / "dataset.json").exists()


def test_tables_sentences_arrays_and_what_is_drawn_come_back(root):
    told = pd.DataFrame({"sentence": ["s"], "image": ["a"], "text": ["red"]})
    numbers = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)

    def draw(folder):
        assert not (folder / "dataset.json").exists()
        folder.mkdir()
        for part, count in (("x", 2), ("y", 1)):
            np.save(folder / f"pixels-photo-{part}.npy", np.zeros((count, 2, 2, 3), np.uint8))

    made = content(sentences=told, arrays={"image": numbers}, draw=draw)
    data = prepare(made)
    assert data.folder == root / "tiny"
    assert data.info["name"] == "tiny"
    assert data.info["provenance"] == {"kind": "noise", "seed": 0}
    assert data.info["tables_sha256"] == tables_hash(data.images, data.queries)
    assert sentences.sentences(data).equals(told)
    rows = np.arange(3)
    assert np.array_equal(data.gather(rows, lambda part: data.ready("image", part)), numbers)
    assert data.take("photo", rows).shape == (3, 2, 2, 3)


def test_what_is_there_is_opened_without_being_made_again():
    first = prepare()
    again = writer.prepare("tiny", {"kind": "noise", "seed": 0}, lambda: 1 / 0)
    assert again.manifest_hash == first.manifest_hash
    with pytest.raises(InputError, match="prepared with seed 0, now asked for 1; delete"):
        prepare(seed=1)
    with pytest.raises(InputError, match="prepared with licence 'MIT', now asked for 'CC0'"):
        prepare(same={"licence": "CC0"})


def test_another_folder_may_hold_it(root):
    assert prepare(name="Ours, of CSS", folder="css-released").folder == root / "css-released"
    with pytest.raises(InputError, match="prepared with name 'Ours, of CSS'"):
        prepare(name="theirs", folder="css-released")


@pytest.mark.parametrize(
    "name", ["", "../up", "A", "a b", "css", "css-mine", "con", "com1", "x" * 101]
)
def test_a_name_that_cannot_be_a_folder_is_refused(root, name):
    with pytest.raises(InputError, match="cannot be used"):
        prepare(name=name)
    assert not list(root.iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": content().images.assign(image="a")}, "images id 'a' occurs twice"),
        ({"queries": content().queries.assign(source="z")}, "source that is no image"),
        (
            {"sentences": pd.DataFrame({"sentence": ["s"], "image": ["z"], "text": ["red"]})},
            "images that are not there",
        ),
    ],
)
def test_unsound_tables_are_refused_before_anything_is_drawn(root, changed, message):
    with pytest.raises(InputError, match=message):
        prepare(content(**changed, draw=lambda folder: 1 / 0))
    assert not (root / "tiny").exists()


def test_a_broken_off_try_does_not_count(root, monkeypatch):
    def full(*_):
        raise InputError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write_json", full)
        with pytest.raises(InputError, match="no space"):
            prepare()
    assert not (root / "tiny" / "dataset.json").exists()
    assert prepare().info["name"] == "tiny"
