"""Bags of words, splits, and a data set that is written once and opened after."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import labelled
from cmir_repro.data.labelled import LABELS, TEXT
from cmir_repro.data.prepare import labels as labelled_release

ROWS = [["red", "dog", "red"], [], ["dog"], ["cat", "blue"]]


def test_a_bag_of_words_by_a_loop():
    words = ["blue", "dog", "red", "never"]
    bag = labelled_release.bag_of_words(ROWS, words)
    assert bag.dtype == np.uint8
    assert bag.tolist() == [[int(word in row) for word in words] for row in ROWS]
    assert labelled_release.bag_of_words([[], []], words).tolist() == [[0] * 4] * 2


def test_a_word_counts_once_a_row():
    counted = labelled_release.rows_with(ROWS)
    assert counted.to_dict() == {"red": 1, "dog": 2, "cat": 1, "blue": 1}


def test_the_share_of_related_pairs_by_loops():
    rng = np.random.default_rng(0)
    query, database = rng.random((7, 5)) < 0.2, rng.random((11, 5)) < 0.2
    pairs = [(q & d).any() for q in query for d in database]
    assert 0 < np.mean(pairs) < 1
    found = labelled_release.related(query.astype(np.uint8), database.astype(np.uint8))
    assert found == pytest.approx(100 * np.mean(pairs))


def test_a_share_of_train_is_held_out_by_seed():
    split = np.array(["train"] * 40 + ["test"] * 10)
    one, again, other = (labelled_release.hold_out(split, 0.25, seed) for seed in (0, 0, 1))
    assert (one == again).all()
    assert (one != other).any()
    assert [(one == part).sum() for part in ("train", "val", "test")] == [30, 10, 10]
    assert (one[40:] == "test").all()
    assert (labelled_release.hold_out(split, 0, 0) == split).all()
    for val in (-0.1, 1, 0.99):
        with pytest.raises(InputError, match="--val"):
            labelled_release.hold_out(split, val, 0)


def test_slices_of_a_shuffle_share_no_row():
    sizes = {"train": 5, "val": 2, "test": 3}
    out = labelled_release.shuffled(np.zeros((12, 4)), sizes, 3)
    assert {part: len(rows) for part, rows in out.items()} == sizes
    every = np.concatenate([*out.values()])
    assert len(np.unique(every)) == 10
    assert every.max() < 12
    with pytest.raises(InputError, match="9 images are too few for --train 5 --val 2 --test 3"):
        labelled_release.shuffled(np.zeros((9, 4)), sizes, 3)


def finish(name="tiny", seed=0, words=("a", "b"), **changed):
    images = pd.DataFrame(
        {"image": ["p", "q", "r"], "split": ["train", "train", "test"], "label": ["1", "2", "1"]}
    ).assign(trains=[True, False, False])
    record = {
        "provenance": {"kind": "released", "seed": seed},
        "sources": [],
        "licence": "none",
        "left_out": [],
        "text": {"kind": "tags", "names": list(words)},
        "categories": ["c"],
    }
    arrays = {
        TEXT: np.eye(3, 2, dtype=np.uint8),
        LABELS: np.ones((3, 1), dtype=np.uint8),
        **changed,
    }
    return labelled_release.finish(name, record, images, arrays)


def test_written_once_and_opened_after(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    data = finish()
    found = labelled.labelled(data)
    assert found.database.tolist() == [0, 1]
    assert found.train.tolist() == [0]
    before = (data.folder / "dataset.json").stat().st_mtime_ns
    assert finish().manifest_hash == data.manifest_hash
    assert (data.folder / "dataset.json").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="was prepared with seed 0, now asked for 1"):
        finish(seed=1)
    with pytest.raises(InputError, match="other tables_sha256"):
        finish(words=("a", "z"))


def test_what_does_not_fit_leaves_no_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    for name in ("../up", "css-mine", "A", ""):
        with pytest.raises(InputError, match="cannot be used"):
            finish(name)
    with pytest.raises(InputError, match="does not fit 3 images"):
        finish(words=("a", "b", "c"))
    assert not list(paths.data().glob("*/dataset.json"))
