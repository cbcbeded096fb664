"""Re-ranking against a full matrix sorted in Python, ties included, and what the matcher sees."""

import dataclasses
import itertools

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import image_text
from cmir_repro.evaluation.image_text import summary
from cmir_repro.evaluation.rerank import _top, rerank

OWN = preset("own/image-sentence")


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def place(cosines, matches, own, k, mode, ties):
    """Rank of the first own item of one query, by sorting everything there is."""
    cosines = [round(float(c), 6) for c in cosines]
    by_cosine = sorted(range(len(cosines)), key=lambda j: (-cosines[j], j))
    candidates = set(by_cosine[:k])
    keys = []
    for j, cosine in enumerate(cosines):
        score = round(float(matches[j]) + (cosine if mode == "itc+itm" else 0.0), 6)
        keys.append((1, score) if j in candidates else (0, cosine))
    best = max(key for key, good in zip(keys, own, strict=True) if good)
    tied = [good for key, good in zip(keys, own, strict=True) if key == best]
    r, t = sum(tied), len(tied) - sum(tied)
    above = sum(key > best for key in keys)
    return 1 + above + {"best": 0, "worst": t, "mean": t / (r + 1)}[ties]


def by_hand(images, sentences, image_of, matrix, k, mode, protocol):
    sims = unit(images) @ unit(sentences).T
    G, size = len(images), protocol.fold or len(images)
    i2t, t2i = {}, {}
    for start in range(0, size * (protocol.folds or 1), size):
        inside = [i for i in range(start, min(start + size, G))]
        told = [s for s in range(len(sentences)) if image_of[s] in inside]
        rule = k, mode, protocol.ties
        for i in inside:
            own = [image_of[s] == i for s in told]
            i2t[i] = place(sims[i, told], matrix[i, told], own, *rule)
        for s in told:
            own = [image_of[s] == i for i in inside]
            t2i[s] = place(sims[inside, s], matrix[inside, s], own, *rule)
    return [i2t[i] for i in sorted(i2t)], [t2i[s] for s in sorted(t2i)]


def case(seed, G=9, whole=False):
    """Whole numbers give equal cosines at every edge, and equal scores of the matcher."""
    r = np.random.default_rng(seed)
    image_of = r.permutation(np.repeat(np.arange(G), r.integers(1, 4, G)))
    S = len(image_of)
    if whole:
        rows = np.array([v for v in itertools.product((-1, 0, 1), repeat=2) if any(v)], "f4")
        matrix = r.integers(-1, 2, (G, S)).astype("f4")
        return rows[r.integers(8, size=G)], rows[r.integers(8, size=S)], image_of, matrix
    images = r.normal(size=(G, 5))
    sentences = images[image_of] + 1.5 * r.normal(size=(S, 5))
    return images, sentences, image_of, r.normal(size=(G, S)).astype("f4")


def looked_up(matrix):
    """A matcher that knows the score of every pair."""
    return lambda i, s: matrix[i, s]


@pytest.mark.parametrize("mode", ["itm", "itc+itm"])
@pytest.mark.parametrize("k", [1, 4, 1000])
@pytest.mark.parametrize("ties", ["mean", "best", "worst"])
def test_ranks_are_those_of_a_sorted_matrix(mode, k, ties):
    outside = 0
    for fold, folds in ((None, None), (4, 2)):
        protocol = dataclasses.replace(OWN, ties=ties, fold=fold, folds=folds)
        for seed, whole in itertools.product(range(8), (True, False)):
            images, sentences, image_of, matrix = case(seed, whole=whole)
            found = rerank(
                images, sentences, image_of, looked_up(matrix), protocol, k, mode, chunk=7
            )
            expected = by_hand(images, sentences, image_of, matrix, k, mode, protocol)
            np.testing.assert_allclose(found.image_to_sentence.expected, expected[0])
            np.testing.assert_allclose(found.sentence_to_image.expected, expected[1])
            outside += (found.sentence_to_image.expected > k).sum()
    assert (outside > 0) == (k < 1000)


def test_a_matcher_that_says_the_cosine_changes_nothing():
    images, sentences, image_of, _ = case(0, G=40)
    sims = (unit(images) @ unit(sentences).T).astype("f4")
    plain = image_text.ranks(images, sentences, image_of, OWN)
    for k, mode in itertools.product((1, 5, 40, 500), ("itm", "itc+itm")):
        found = rerank(images, sentences, image_of, looked_up(sims), OWN, k, mode)
        np.testing.assert_array_equal(
            found.image_to_sentence.expected, plain.image_to_sentence.expected
        )
        np.testing.assert_array_equal(
            found.sentence_to_image.expected, plain.sentence_to_image.expected
        )


def test_mode_itc_is_the_plain_ranking_and_asks_no_matcher():
    images, sentences, image_of, _ = case(1)
    found = rerank(images, sentences, image_of, None, OWN, 3, "itc")
    plain = image_text.ranks(images, sentences, image_of, OWN)
    np.testing.assert_array_equal(
        found.image_to_sentence.expected, plain.image_to_sentence.expected
    )
    assert found.scoring == "itc"
    assert summary(found, OWN, 0)["scoring"] == "itc"


def test_recall_within_k_is_that_of_albefs_floor():
    """All that is no candidate at -100, as ALBEF has it: recall at K <= k is the same."""
    images, sentences, image_of, matrix = case(2, G=60)
    k = 10
    found = rerank(images, sentences, image_of, looked_up(matrix), OWN, k)
    sims = unit(images) @ unit(sentences).T
    floor = np.full_like(sims, -100.0)
    for i, row in enumerate(sims):
        top = np.argsort(-row)[:k]
        floor[i, top] = matrix[i, top]
    for K in (1, 5, 10):
        top = np.argsort(-floor, axis=1)[:, :K]
        hits = [
            any(floor[i, s] > -100 and image_of[s] == i for s in row) for i, row in enumerate(top)
        ]
        np.testing.assert_array_equal(found.image_to_sentence.expected <= K, hits)


def test_a_perfect_matcher_is_stopped_only_by_the_candidates():
    images, sentences, image_of, _ = case(3, G=50)
    plain = image_text.ranks(images, sentences, image_of, OWN)
    found = rerank(images, sentences, image_of, lambda i, s: image_of[s] == i, OWN, 5)
    for name in ("image_to_sentence", "sentence_to_image"):
        before = getattr(plain, name).expected
        inside = before <= 5
        assert 0 < inside.sum() < len(inside)
        expected = np.where(inside, 1, before)  # outside nothing moves
        np.testing.assert_array_equal(getattr(found, name).expected, expected)


def test_each_pair_is_scored_once_in_bounded_chunks_image_by_image():
    images, sentences, image_of, matrix = case(4, G=30)
    seen = []

    def match(i, s):
        assert i.shape == s.shape
        assert len(i) <= 17
        seen.extend(zip(i.tolist(), s.tolist(), strict=True))
        return matrix[i, s]

    k = 6
    rerank(images, sentences, image_of, match, OWN, k, chunk=17)
    sims = unit(images) @ unit(sentences).T
    wanted = {(i, s) for i, row in enumerate(sims) for s in np.argsort(-row)[:k].tolist()}
    both = len(wanted)
    wanted |= {(i, s) for s, row in enumerate(sims.T) for i in np.argsort(-row)[:k].tolist()}
    assert len(wanted) < both + k * len(sentences)  # some are candidates both ways
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted
    assert [i for i, _ in seen] == sorted(i for i, _ in seen)


def test_rows_are_the_callers_within_folds_too():
    images, sentences, image_of, matrix = case(5, G=10)
    protocol = dataclasses.replace(OWN, fold=4, folds=2)
    seen = set()

    def match(i, s):
        seen.update(zip(i.tolist(), s.tolist(), strict=True))
        return matrix[i, s]

    rerank(images, sentences, image_of, match, protocol, 100)
    same = {(i, s) for i in range(8) for s in range(len(sentences)) if image_of[s] // 4 == i // 4}
    assert seen == same


def test_the_edge_does_not_hang_on_the_last_bits():
    r = np.random.default_rng(0)
    exact = r.integers(0, 4, (50, 30)).astype("f4") / 4
    noise = exact + r.uniform(-2e-7, 2e-7, exact.shape).astype("f4")
    for k in (1, 7, 29, 30):
        rows = [sorted(range(30), key=lambda j: (-line[j], j))[:k] for line in exact]
        for scores in (exact, noise):
            found = np.sort(_top(scores, k, 1e-6), axis=1)
            np.testing.assert_array_equal(found, np.sort(rows, axis=1))


def test_large_scores_tie_as_small_ones_do():
    images = np.eye(2)
    sentences = np.eye(2)[[0, 1]]
    # The wrong pair is above by less than float32 can be trusted with at this size.
    matrix = np.array([[100, 100.00003], [0, 100]], "f4")
    worst = dataclasses.replace(OWN, ties="worst")
    arguments = images, sentences, np.array([0, 1]), looked_up(matrix)
    assert rerank(*arguments, worst, 2).image_to_sentence.expected.tolist() == [2, 1]
    best = dataclasses.replace(OWN, ties="best")
    assert rerank(*arguments, best, 2).image_to_sentence.expected.tolist() == [1, 1]


def test_what_made_the_ranking_is_said():
    images, sentences, image_of, matrix = case(6)
    found = rerank(images, sentences, image_of, looked_up(matrix), OWN, 4, "itc+itm")
    result = summary(found, OWN, 0)
    assert result["scoring"] == "itc+itm among the first 4 by itc"
    assert result["protocol"] == OWN.as_dict()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"mode": "sum"}, r"mode 'sum' is unknown; allowed: itc, itm, itc\+itm"),
        ({"match": lambda i, s: np.zeros(3)}, r"scores of shape \(3,\) for 8 pairs"),
        ({"match": lambda i, s: np.zeros((len(i), 2))}, r"shape \(8, 2\)"),
        (
            {"match": lambda i, s: np.where((i == 1) & (s == 2), np.nan, 0)},
            "image row 1 and sentence row 2 is not finite",
        ),
        ({"image_of": np.array([0, 0, 0, 0])}, "have no sentence"),
        ({"images": np.ones((2, 3))}, "images have 3 dimensions, sentences 2"),
        ({"protocol": preset("coco-5k")}, "got 2"),
        ({"protocol": preset("tirg/css")}, "not scored by `cmir score-images-sentences`"),
    ],
)
def test_bad_input_is_refused(edit, message):
    good = {
        "images": np.eye(2),
        "sentences": np.ones((4, 2)),
        "image_of": np.array([0, 0, 1, 1]),
        "match": lambda i, s: np.zeros(len(i)),
        "protocol": OWN,
        "k": 4,
    }
    rerank(**good)
    with pytest.raises(InputError, match=message) as caught:
        rerank(**{**good, **edit})
    assert "\n" not in str(caught.value)
