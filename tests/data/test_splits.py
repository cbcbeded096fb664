"""Splits that no picture crosses, worked out by loops over the queries."""

import numpy as np
import pandas as pd
import pytest
from tiny_releases import fashioniq

from cmir_repro.core.errors import InputError
from cmir_repro.data import splits
from cmir_repro.data.prepared import check_tables
from cmir_repro.data.readers import fashioniq_cirr


def test_held_images_are_in_the_test_and_the_shares_are_kept():
    held = np.arange(50) % 10 == 0
    for test, expected in ((0.4, 20), (0.02, 5)):  # held ones go there even if they are too many
        found = splits.at_random(held, 0.1, test, np.random.default_rng(0))
        assert (found[held] == "test").all()
        assert (found == "test").sum() == expected
        assert (found == "val").sum() == 5
    other = splits.at_random(held, 0.1, 0.02, np.random.default_rng(1))
    assert (found != other).any()


def test_queries_that_share_an_image_stay_together():
    rng = np.random.default_rng(0)
    names = np.array([f"i{number}" for number in range(60)])
    source, target = (pd.Series(rng.choice(names[part::2], 25)) for part in (0, 1))
    found = splits.connected(source, target, 0.2, 0.3, rng)
    for i in range(25):
        for j in range(25):
            if {source[i], target[i]} & {source[j], target[j]}:
                assert found[i] == found[j]
    assert set(found) == {"train", "val", "test"}


def test_what_hangs_together_cannot_be_split():
    source, target = pd.Series(["a"] * 9), pd.Series([f"b{i}" for i in range(9)])
    with pytest.raises(InputError, match="9 rows are too few, or too many are connected"):
        splits.connected(source, target, 0.1, 0.4, np.random.default_rng(0))


def check(found: fashioniq_cirr.Annotations, share: float) -> fashioniq_cirr.Annotations:
    """What holds for every release; returns what was made of it."""
    made, left_out = splits.for_training(found, share, seed=0)
    images, queries = made.images, made.queries
    check_tables(images.assign(part="x", row=0), queries, "a release")
    assert not images.duplicated(["split", "label"]).any()
    assert set(queries["split"]) == {"train", "val", "test"}
    of = {split: set(part["label"]) for split, part in images.groupby("split")}
    released = {split: set(part["label"]) for split, part in found.images.groupby("split")}
    assert of["test"] == released["val"]
    assert not of["train"] & of["val"]
    assert of["train"] | of["val"] <= released["train"]
    sources = {split: set(part["source"]) for split, part in queries.groupby("split")}
    assert not sources["train"] & sources["val"]
    # Nothing is lost without being counted.
    targeted = found.queries[(found.queries["target"] != "") & (found.queries["split"] != "test")]
    counts = {
        line.rpartition(": ")[0]: int(line.rpartition(": ")[2].replace(",", ""))
        for line in left_out
    }
    assert len(queries) == len(targeted) - counts["queries of train that need a picture of val"]
    assert counts["queries without a target"] == len(found.queries) - len(targeted)
    needed = queries[queries["split"] == "train"]
    assert set(images[images["split"] == "train"]["image"]) == {
        *needed["source"],
        *needed["target"],
    }
    label, before = (t.set_index("image")["label"] for t in (images, found.images))
    rows = found.queries.set_index("query")
    for query in queries.itertuples():
        assert label[query.source] == before[rows.loc[query.query, "source"]]
        assert label[query.target] == before[rows.loc[query.query, "target"]]
    return made


def test_a_release_is_split_for_training(tmp_path):
    found = fashioniq_cirr.fashioniq(fashioniq(tmp_path))
    made = check(found, 0.2)
    again, _ = splits.for_training(found, 0.2, seed=0)
    assert made.images.equals(again.images)
    assert made.queries.equals(again.queries)
    other = [set(splits.for_training(found, 0.2, seed)[0].queries["query"]) for seed in range(9)]
    assert any(queries != other[0] for queries in other)


def test_fashioniq_as_released(real_data):
    made = check(fashioniq_cirr.fashioniq(real_data("fashioniq")), 0.05)
    assert made.images["split"].value_counts().to_dict() == {
        "train": 23340, "test": 15415, "val": 1519,
    }  # fmt: skip
    assert made.queries["split"].value_counts().to_dict() == {
        "train": 16520, "test": 6016, "val": 913,
    }  # fmt: skip
    lists = made.images[made.images["split"] == "test"]["category"].str.split().explode()
    assert lists.value_counts().to_dict() == {"shirt": 6346, "toptee": 5373, "dress": 3817}


def test_cirr_without_captions_of_train_has_a_test_alone(real_data):
    made, left_out = splits.for_training(fashioniq_cirr.cirr(real_data("cirr")), 0.02, seed=0)
    assert set(made.queries["split"]) == set(made.images["split"]) == {"test"}
    assert (len(made.images), len(made.queries)) == (2297, 4181)
    assert "images of train that no query needs: 16,939" in left_out
    assert (made.queries["members"].str.split().str.len() == 6).all()
