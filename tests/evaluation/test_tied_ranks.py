"""Recall of ties: every order of the tied items written out, and features that say nothing."""

import itertools

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import fashioniq_cirr, image_text, recall, rerank
from cmir_repro.evaluation.fashioniq_cirr import Triplets
from cmir_repro.evaluation.tied_ranks import Ranks

OWN = preset("own/image-sentence")


def orders(above: int, relevant: int, irrelevant: int) -> list[int]:
    """The place of the first relevant item in each order of the tied ones."""
    tied = [True] * relevant + [False] * irrelevant
    return [above + 1 + order.index(True) for order in itertools.permutations(tied)]


@pytest.mark.parametrize("above", [0, 2])
@pytest.mark.parametrize("relevant", [1, 2, 3])
@pytest.mark.parametrize("irrelevant", [0, 1, 3])
def test_a_tie_is_the_mean_over_its_orders(above, relevant, irrelevant):
    places = np.array(orders(above, relevant, irrelevant))
    counts = [above], [relevant], [irrelevant]
    found = Ranks.counted(*counts, "mean")
    assert found.expected == pytest.approx([places.mean()])
    for k in range(1, 8):
        assert found.hits(k) == pytest.approx([(places <= k).mean()])
        assert Ranks.counted(*counts, "best").hits(k) == [places.min() <= k]
        assert Ranks.counted(*counts, "worst").hits(k) == [places.max() <= k]


def test_an_expected_rank_is_no_hit():
    """What is counted is the share of orders with a hit, not whether the mean place is a hit."""
    found = Ranks.counted([0, 0], [1, 1], [1, 3], "mean")
    assert found.expected.tolist() == [1.5, 2.5]
    assert found.hits(1).tolist() == [0.5, 0.25]
    assert found.hits(2).tolist() == [1, 0.5]


def test_an_exact_copy_of_each_target_halves_the_first_place():
    vectors = np.random.default_rng(0).normal(size=(100, 16))
    gallery, labels = np.concatenate([vectors, vectors]), np.arange(200)
    rules = preset("own/target").changed(drop_source=False)
    _, result = recall.score(vectors, gallery, labels[:100], labels, None, rules)
    assert result["metrics"]["R@1"]["value"] == 50
    assert result["metrics"]["R@5"]["value"] == 100


def assert_chance(metrics: dict) -> None:
    for name, metric in metrics.items():
        if "median" not in name:
            assert metric["value"] == pytest.approx(metric["chance"], rel=1e-12), name


def test_features_that_are_all_the_same_score_exactly_chance():
    generator = np.random.default_rng(1)
    gallery_labels = np.arange(40) % 7
    labels, source = generator.integers(7, size=30), generator.integers(40, size=30)
    same = np.ones((30, 4)), np.ones((40, 4))
    _, result = recall.score(*same, labels, gallery_labels, source, preset("tirg/css"))
    assert_chance(result["metrics"])

    image_of = np.repeat(np.arange(12), 1 + np.arange(12) % 4)
    same = np.ones((12, 4)), np.ones((len(image_of), 4))
    _, result = image_text.score(*same, image_of, OWN)
    assert_chance(result["metrics"])
    # A matcher that says nothing about candidates that nothing chose either.
    both = rerank.rerank(*same, image_of, lambda i, s: np.zeros(len(i)), OWN, k=10**6)
    assert_chance(image_text.summary(both, OWN, 0)["metrics"])


def test_subsets_of_the_same_vector_score_exactly_chance():
    names = np.array([f"i{n}" for n in range(9)])
    members = np.array([names[[i, *((i + 1 + np.arange(5)) % 9)]] for i in range(4)])
    t = Triplets(
        ids=np.array(list("abcd")),
        category=np.full(4, "all"),
        source=names[:4],
        target=names[1:5],
        captions=np.full((4, 1), "x"),
        galleries={"all": names},
        members=members,
    )
    rules = preset("cirr/official")
    result = fashioniq_cirr.score(t, np.ones((9, 3)), lambda _: np.ones((4, 3)), rules)
    assert {"R@1", "R_s@1", "R_s@3"} <= result["metrics"].keys()
    assert_chance(result["metrics"])


def test_two_pictures_of_one_sentence_share_its_first_place():
    """An image with the vector of a sentence that another image has too is a hit by half."""
    vectors = np.random.default_rng(2).normal(size=(3, 8))
    images, sentences = vectors[[0, 1, 2, 2]], vectors[[0, 1, 2, 2]]
    metrics = image_text.score(images, sentences, np.arange(4), OWN)[1]["metrics"]
    for side in ("i2t", "t2i"):
        assert metrics[f"{side} R@1"]["value"] == pytest.approx(100 * (1 + 1 + 0.5 + 0.5) / 4)


def test_a_table_keeps_what_hits_are_made_of():
    found = Ranks.counted([0, 3, 6], [2, 1, 1], [5, 0, 3], "mean")
    back = Ranks.of_table(pd.DataFrame({"query": list("abc"), **found.columns()}))
    for k in range(1, 12):
        assert back.hits(k).tolist() == found.hits(k).tolist()
    assert back.expected == pytest.approx(found.expected)
    # As written: a thousandth of a place is all that is kept.
    rounded = pd.DataFrame({**found.columns()}).assign(rank=np.round(found.expected, 3))
    assert Ranks.of_table(rounded).above.tolist() == [0, 3, 6]


def test_a_table_without_ties_counts_as_it_did():
    older = Ranks.of_table(pd.DataFrame({"query": list("abc"), "rank": [1.0, 1.5, 7.0]}))
    assert older.hits(1).tolist() == [1, 0, 0]
    assert older.hits(2).tolist() == [1, 1, 0]
