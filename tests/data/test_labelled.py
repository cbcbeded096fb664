"""Labelled data: what is written comes back, splits mean what they say, and damage is refused."""

import numpy as np
import pandas as pd
import pytest
import tiny_labels
import tiny_photos

from cmir_repro.core.errors import InputError
from cmir_repro.data import labelled, prepared
from cmir_repro.data.labelled import IMAGE, LABELS, TEXT
from cmir_repro.data.prepare import labels as label_data
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.sentences import no_queries

WORDS, CATEGORIES = ["a", "b", "c"], ["x", "y"]
SPLITS = ["test", "train", "val", "train", "test", "train"]


def table(splits=SPLITS, **more):
    names = [f"p{i}" for i in range(len(splits))]
    return pd.DataFrame({"image": names, "split": splits, "label": "", **more})


def assemble(images=None, rows=None, text=None, labels=None, words=WORDS, categories=CATEGORIES):
    images = table() if images is None else images
    rows = np.arange(len(images)) if rows is None else rows
    text = np.ones((len(rows), 3), dtype=np.uint8) if text is None else text
    labels = np.ones((len(rows), 2), dtype=np.uint8) if labels is None else labels
    return labelled.assemble(images, rows, text, labels, words, categories)


def test_the_database_is_everything_but_the_queries():
    found = assemble()
    assert found.query.tolist() == [0, 4]
    assert found.train.tolist() == [1, 3, 5]
    assert found.val.tolist() == [2]
    assert found.database.tolist() == [1, 2, 3, 5]


def test_only_what_trains_is_trained_on_and_the_rest_stays_in_the_database():
    trains = [True, False, True, True, False, False]  # of test and val it says nothing
    found = assemble(table(trains=trains))
    assert found.train.tolist() == [3]
    assert found.val.tolist() == [2]
    assert found.database.tolist() == [1, 2, 3, 5]


def test_positions_are_among_the_rows_used_and_not_in_the_image_table():
    rows = np.array([4, 5, 3])
    text = np.arange(9, dtype=np.uint8).reshape(3, 3)
    found = assemble(rows=rows, text=text)
    assert found.images.tolist() == [4, 5, 3]
    assert found.ids.tolist() == ["p4", "p5", "p3"]
    assert (found.query.tolist(), found.train.tolist(), found.val.tolist()) == ([0], [1, 2], [])
    assert np.array_equal(found.text, text)
    assert found.labels.dtype == bool


def test_a_data_set_without_validation_images_is_one_too():
    assert len(assemble(table(["train", "test"])).val) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": np.ones((6, 4))}, r"text \(6, 4\) does not fit 6 images and 3 names"),
        ({"labels": np.ones((5, 2))}, r"labels \(5, 2\) does not fit 6 images and 2 names"),
        ({"words": ["a", "b", "a"]}, "text: the name 'a' occurs twice"),
        ({"categories": ["x", "x"]}, "labels: the name 'x' occurs twice"),
        ({"text": np.where(np.eye(6, 3, k=-2), np.nan, 1.0)}, "text of image 'p2'"),
        ({"text": np.where(np.eye(6, 3, k=-3), np.inf, 1.0)}, "text of image 'p3'"),
        ({"labels": np.eye(6, 2, k=-4, dtype=int) * 2}, "labels of image 'p4'"),
        ({"labels": np.where(np.eye(6, 2, k=-1), np.nan, 1.0)}, "labels of image 'p1'"),
        ({"images": table(["train", "val"])}, "no image is for query"),
        ({"images": table(["test", "val"])}, "no image is for train"),
        ({"images": table(["test", "train"], trains=False)}, "no image is for train"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        assemble(**changes)


@pytest.mark.parametrize("kind", labelled.KINDS)
def test_what_is_written_comes_back(tmp_path, kind):
    given = tiny_labels.arrays()
    if kind == "features":
        given[TEXT] = np.random.default_rng(1).normal(size=given[TEXT].shape).astype(np.float32)
    data = tiny_labels.write(tmp_path, kind=kind, **given)
    found = labelled.labelled(Prepared(data.folder))
    assert (found.text.dtype, found.labels.dtype) == (given[TEXT].dtype, bool)
    np.testing.assert_array_equal(found.text, given[TEXT])
    np.testing.assert_array_equal(found.labels, given[LABELS] == 1)
    np.testing.assert_array_equal(data.ready(IMAGE, "all"), given[IMAGE])
    assert found.ids[[0, 71]].tolist() == ["p00", "p71"]
    assert (found.words[2], found.categories[3]) == ("word 2", "kind 3")
    assert [len(x) for x in (found.train, found.val, found.query)] == [48, 10, 14]
    assert data.info["text"]["kind"] == kind
    assert len(data.queries) == 0


def test_a_text_too_large_for_memory_may_be_on_disk_already(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    arrays = tiny_labels.arrays()
    text = arrays.pop(TEXT)

    def finish(draw):
        text = {"kind": "tags", "names": [*map(str, range(tiny_labels.D))]}
        info = {**tiny_labels.INFO, "text": text, "categories": list("abcd")}
        return label_data.finish("tiny", info, table(list(tiny_labels.SPLITS)), arrays, draw)

    with pytest.raises(InputError, match=r"text \(72, 7\) does not fit"):
        finish(lambda folder: labelled.save_array(folder, TEXT, text[:, 1:]))
    assert not (tmp_path / "tiny" / "dataset.json").exists()
    data = finish(lambda folder: labelled.save_array(folder, TEXT, text))
    assert np.array_equal(labelled.labelled(data).text, text)


def test_labels_are_taken_part_by_part_and_row_by_row(tmp_path):
    """A data set may keep its images in several files, in another order than its table."""
    images = table(["train", "test", "train"]).assign(part=["b", "a", "b"], row=[1, 0, 0])
    for part, text, labels in (("a", [[7, 8]], [[0]]), ("b", [[1, 2], [3, 4]], [[1], [0]])):
        np.save(tmp_path / f"ready-text-{part}.npy", np.array(text, dtype=np.uint8))
        np.save(tmp_path / f"ready-labels-{part}.npy", np.array(labels, dtype=np.uint8))
    more = {"text": {"kind": "features", "names": ["a", "b"]}, "categories": ["x"]}
    prepared.write(tmp_path, {**tiny_labels.INFO, **more}, images, no_queries())
    found = labelled.labelled(Prepared(tmp_path))
    assert found.text.tolist() == [[3, 4], [7, 8], [1, 2]]
    assert found.labels.tolist() == [[False], [False], [True]]


def test_a_data_set_that_is_refused_does_not_count_as_prepared(tmp_path):
    labels = tiny_labels.arrays()[LABELS]
    labels[5] = 3
    with pytest.raises(InputError, match="labels of image 'p05' are not all 0 or 1"):
        tiny_labels.write(tmp_path, **{LABELS: labels})
    assert not list(tmp_path.glob("*/dataset.json"))
    with pytest.raises(InputError, match="text kind"):
        tiny_labels.write(tmp_path, kind="bags")


def test_a_data_set_of_another_kind_is_told_what_it_lacks(tmp_path):
    photos = tiny_photos.write(tmp_path / "photos")
    with pytest.raises(InputError, match="'photos' has no text for label-based retrieval"):
        labelled.labelled(photos)
