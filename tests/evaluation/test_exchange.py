"""The exchange rate of protocols: the same vectors under rules whose effect is known."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.data.prepared import Retrieval
from cmir_repro.evaluation import exchange, triplet_data


@pytest.fixture
def split() -> Retrieval:
    """Four images of three scenes; the query asks from image 0 for the scene of 2 and 3."""
    return Retrieval(
        gallery=np.arange(4),
        gallery_ids=np.array(["a", "b", "c", "d"]),
        gallery_labels=np.array(["x", "y", "z", "z"]),
        query_ids=np.array(["q"]),
        query_labels=np.array(["z"]),
        source=np.array([0]),
        target=np.array([2]),
        texts=["make it z"],
    )


def test_each_rule_changes_one_thing(split):
    """Nearest first: the source a, then d of the target's scene, then the target c."""
    gallery = np.array([[1.0, 0.1], [-1, 0], [0.5, 1], [0.8, 0.6]])
    found = exchange.of_one_gallery(split, {"one": (np.array([[1.0, 0]]), gallery)})
    assert found.loc["one"].to_dict() == {
        "tirg/css": 100,  # d shows the scene
        "source kept": 0,  # a comes first
        "the target alone": 0,  # d counts as wrong
    }


def test_rates_are_differences_over_kinds_of_vectors():
    table = pd.DataFrame({"x": [10.0, 50], "y": [12.0, 40], "z": [10.0, 50]}, index=["a", "b"])
    found = exchange.rates(table, "x")
    assert found.loc["y"].to_dict() == {"min": -10, "mean": -4, "max": 2, "apart": 12}
    assert found.loc["z"].to_dict() == dict.fromkeys(("min", "mean", "max", "apart"), 0)


def test_synthetic_vectors_are_those_of_their_seed_and_grow_with_what_they_know():
    triplets = triplet_data.made_up()
    kinds = {k: exchange.synthetic(triplets, 3, **how) for k, how in exchange.SYNTHETIC.items()}
    again = exchange.synthetic(triplets, 3)
    np.testing.assert_array_equal(kinds["as papers"][0], again[0])
    np.testing.assert_array_equal(kinds["as papers"][1]("2 and 1"), again[1]("2 and 1"))
    found = exchange.of_fashioniq(triplets, kinds)
    assert list(found.columns) == list(exchange.FASHIONIQ)
    order = ["random queries", "weak", "as papers", "strong"]
    assert found.loc[order, "fashioniq/original"].is_monotonic_increasing
    gallery = found["fashioniq/cosmo-val"] - found["fashioniq/artemis"]
    assert (gallery > 0).all()  # the same queries against fewer images
