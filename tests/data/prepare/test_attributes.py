"""Pairs of values that only the test has, and the queries that are drawn."""

import itertools

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.attributes import draw_queries, hold_out_pairs, is_unseen

RULE = {"rule": "attributes", "columns": ["colour", "type"]}


def test_every_value_keeps_a_pair_that_is_not_held_out():
    grid = pd.DataFrame(itertools.product("abcd", "xyz"), columns=["colour", "type"])
    lonely = pd.DataFrame({"colour": ["e"], "type": ["w"]})  # the only pair of both its values
    values = pd.concat([grid, grid, lonely], ignore_index=True)
    for seed in range(20):
        held = hold_out_pairs(values, 0.4, np.random.default_rng(seed))
        assert len(values[held].drop_duplicates()) == round(0.4 * 13)
        assert not held[-1]
        np.testing.assert_array_equal(held[:12], held[12:24])  # all images of a pair
        for name in values:
            assert set(values.loc[~held, name]) == set(values[name])


def test_a_pair_of_a_value_that_training_lacks_is_not_called_unseen():
    train = pd.DataFrame({"colour": ["red", "blue"], "type": ["top", "hat"]})
    wanted = pd.DataFrame({"colour": ["red", "red", "pink"], "type": ["top", "hat", "hat"]})
    assert is_unseen(wanted, train).tolist() == [False, True, False]


@pytest.fixture
def images():
    """Each colour and type, once a split."""
    values = list(itertools.product(("red", "blue"), ("top", "hat", "bag")))
    tables = [
        pd.DataFrame(values, columns=["colour", "type"]).assign(
            image=[f"{split}{i}" for i in range(len(values))], split=split
        )
        for split in ("train", "val", "test")
    ]
    return pd.concat(tables, ignore_index=True)


def test_queries_stay_in_their_split_and_replace_one_value(images):
    found = draw_queries(images, RULE, seed=0, each=2, unseen=("colour", "type"))
    of = images.set_index("image")
    assert set(found["split"]) == {"val", "test"}
    for query in found.itertuples():
        source, target = of.loc[query.source], of.loc[query.target]
        assert source["split"] == target["split"] == query.split
        assert [c for c in RULE["columns"] if source[c] != target[c]] == [query.form]
        assert query.text == f"replace {source[query.form]} with {target[query.form]}"
    assert not found["unseen"].any()  # training has every pair
    assert not found.duplicated(["source", "text"]).any()
    assert found.equals(draw_queries(images, RULE, 0, 2, ("colour", "type")))
    assert not found.equals(draw_queries(images, RULE, 1, 2, ("colour", "type")))


def test_a_split_may_be_absent_but_not_without_siblings(images):
    found = draw_queries(images[images["split"] != "val"], RULE, seed=0)
    assert set(found["split"]) == {"test"}
    assert "unseen" not in found
    lonely = images[(images["split"] != "test") | (images["image"] == "test0")]
    with pytest.raises(InputError, match=r"^test: none of the 1 images"):
        draw_queries(lonely, RULE, seed=0)
