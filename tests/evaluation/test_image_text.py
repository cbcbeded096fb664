"""Both directions against loops over every image and sentence, folds and resamples written out."""

import dataclasses
import json

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import Protocol, preset
from cmir_repro.evaluation import image_text, recall
from cmir_repro.evaluation.features import save_features
from cmir_repro.evaluation.image_text import BothRanks, ranks, score, summary, table
from cmir_repro.evaluation.tied_ranks import Ranks

OWN = preset("own/image-sentence")


def folded(fold, folds, **more):
    return dataclasses.replace(OWN, name="folded", fold=fold, folds=folds, **more)


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def places(scores, own, ties):
    """Rank of the first own item: the places it takes over all orders of equal scores."""
    scores = [round(float(s), 6) for s in scores]
    best = max(s for s, good in zip(scores, own, strict=True) if good)
    above = sum(s > best for s in scores)
    tied = [good for s, good in zip(scores, own, strict=True) if s == best]
    r, t = sum(tied), len(tied) - sum(tied)
    return 1 + above + {"best": 0, "worst": t, "mean": t / (r + 1)}[ties]


def ranks_by_hand(images, sentences, image_of, protocol):
    """Every fold, every query, every item, one by one."""
    G, S = len(images), len(sentences)
    sims = unit(images) @ unit(sentences).T
    size = protocol.fold or G
    i2t, t2i = {}, {}
    for f in range(protocol.folds or 1):
        inside = [i for i in range(G) if f * size <= i < (f + 1) * size]
        told = [s for s in range(S) if image_of[s] in inside]
        for i in inside:
            own = [image_of[s] == i for s in told]
            i2t[i] = places([sims[i, s] for s in told], own, protocol.ties)
        for s in told:
            own = [image_of[s] == i for i in inside]
            t2i[s] = places([sims[i, s] for i in inside], own, protocol.ties)
    return [i2t[i] for i in sorted(i2t)], [t2i[s] for s in sorted(t2i)]


def case(seed, G=8, whole=False):
    """Sentences in any order, one to four of each image; whole numbers make many ties."""
    r = np.random.default_rng(seed)
    image_of = r.permutation(np.repeat(np.arange(G), r.integers(1, 5, G)))
    if whole:
        rows = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y], np.float32)
        return rows[r.integers(8, size=G)], rows[r.integers(8, size=len(image_of))], image_of
    images = r.normal(size=(G, 6))
    return images, images[image_of] + r.normal(size=(len(image_of), 6)), image_of


@pytest.mark.parametrize("ties", ["mean", "best", "worst"])
@pytest.mark.parametrize("folds", [(None, None), (3, 2), (4, 1), (2, 4)])
def test_ranks_are_the_written_out_definition(ties, folds):
    protocol = folded(*folds, ties=ties)
    for seed in range(10):
        for whole in (True, False):
            images, sentences, image_of = case(seed, whole=whole)
            i2t, t2i = ranks_by_hand(images, sentences, image_of, protocol)
            for chunk in (None, 3):
                found = ranks(images, sentences, image_of, protocol, chunk)
                np.testing.assert_allclose(found.image_to_sentence.expected, i2t)
                np.testing.assert_allclose(found.sentence_to_image.expected, t2i)
            last = len(i2t)
            np.testing.assert_array_equal(found.image_of, image_of[image_of < last])
            assert found.scoring == "itc"


def test_an_image_has_the_rank_of_its_best_sentence():
    angles = np.radians([0, 90])
    images = np.stack([np.cos(angles), np.sin(angles)], 1)
    told = np.radians([80, 20, 10, 70])  # the first two are of image 0, the others of image 1
    sentences = np.stack([np.cos(told), np.sin(told)], 1)
    found = ranks(images, sentences, np.array([0, 0, 1, 1]), OWN)
    assert found.image_to_sentence.expected.tolist() == [2, 2]  # behind one of the other image's
    assert found.sentence_to_image.expected.tolist() == [2, 1, 2, 1]
    metrics = summary(found, OWN, 0)["metrics"]
    shown = [metrics[name]["value"] for name in ("i2t R@1", "i2t R@5", "t2i R@1", "t2i R@5")]
    assert shown == [0, 100, 50, 100]
    assert metrics["RSUM"]["value"] == 0 + 100 + 100 + 50 + 100 + 100


def test_folds_are_each_scored_alone_and_averaged():
    protocol = folded(4, 2)
    images, sentences, image_of = case(1)
    result = score(images, sentences, image_of, protocol)[1]["metrics"]
    for name in ("i2t R@1", "t2i R@1", "i2t mean rank", "t2i median rank", "RSUM"):
        alone = []
        for f in (0, 1):
            rows = (image_of >= 4 * f) & (image_of < 4 * f + 4)
            part = score(images[4 * f :][:4], sentences[rows], image_of[rows] - 4 * f, OWN)[1]
            alone.append(part["metrics"][name])
        for key in ("value", "chance"):
            if alone[0][key] is not None:
                assert result[name][key] == pytest.approx(np.mean([a[key] for a in alone]))


def five_each(G, seed=0, E=8, noise=2.0):
    r = np.random.default_rng(seed)
    image_of = np.repeat(np.arange(G), 5)
    images = r.normal(size=(G, E)).astype("f4")
    return images, images[image_of] + noise * r.normal(size=(5 * G, E)).astype("f4"), image_of


@pytest.mark.parametrize("name", ["flickr30k-1k", "coco-1k-5fold", "coco-1k-first-fold"])
def test_the_presets_of_a_thousand(name):
    images, sentences, image_of = five_each(preset(name).images, E=4)
    both, result = score(images, sentences, image_of, preset(name))
    assert Protocol.from_dict(result["protocol"]) == preset(name)
    groups = [1000] * (5 if name == "coco-1k-5fold" else 1)
    assert (result["images"], result["sentences"]) == (sum(groups), 5 * sum(groups))
    assert result["gallery"] == 6 * groups[0]
    r1 = []
    for f, size in enumerate(groups):
        part, told = images[f * size :][:size], sentences[5 * f * size :][: 5 * size]
        sims = unit(told) @ unit(part).T
        r1.append(100 * np.mean(sims.argmax(1) == np.arange(5 * size) // 5))
        hits = [row.argmax() // 5 == i for i, row in enumerate(sims.T)]
        here = both.image_to_sentence.expected[f * size :][:size] == 1
        assert np.mean(here == hits) > 0.999  # but for scores within the tolerance
    assert result["metrics"]["t2i R@1"]["value"] == pytest.approx(np.mean(r1), abs=0.02)
    assert result["metrics"]["t2i R@1"]["chance"] == pytest.approx(100 / groups[0])


def test_intervals_keep_the_sentences_of_an_image_together():
    """Ten images whose sentences all hit or all miss: the spread of 10 draws, not of 500."""
    hit = np.arange(10) % 2 == 0
    image_of = np.repeat(np.arange(10), 50)
    one = np.ones(10, np.int64)
    i2t, t2i = (Ranks(np.where(hit, 0, last), one, 0 * one) for last in (98, 8))
    both = BothRanks(i2t, t2i[image_of], image_of)
    metrics = summary(both, OWN, 0)["metrics"]
    for name in ("i2t R@1", "t2i R@1"):
        assert (metrics[name]["low"], metrics[name]["high"]) == (20, 80)  # binomial(10, 1/2)
    assert metrics["t2i median rank"]["low"] == 1
    assert metrics["t2i median rank"]["high"] == 9
    # The directions move together, so the spread of their sum is the sum of the spreads.
    assert metrics["RSUM"]["value"] == 4 * 50 + 50 + 100
    # At 5 i2t and t2i at 1 and 5 hit alike; R@10 of sentences is 100 throughout.
    assert metrics["RSUM"]["high"] - metrics["RSUM"]["low"] == 5 * 60
    assert "images with their sentences" in summary(both, OWN, 0)["interval"]["method"]


def test_resampled_values_are_those_of_resamples_written_out():
    protocol = folded(4, 2)
    images, sentences, image_of = case(3)
    both = ranks(images, sentences, image_of, protocol)
    found = summary(both, protocol, seed=5)["metrics"]
    generator = np.random.default_rng(5)
    drawn = {"t2i mean rank": [], "t2i median rank": [], "i2t median rank": []}
    for f in (0, 1):
        picks = generator.integers(4, size=(recall.RESAMPLES, 4)) + 4 * f
        t2i = [
            np.concatenate([both.sentence_to_image.expected[both.image_of == i] for i in row])
            for row in picks
        ]
        drawn["t2i mean rank"].append([x.mean() for x in t2i])
        drawn["t2i median rank"].append([np.median(x) for x in t2i])
        i2t = both.image_to_sentence.expected
        drawn["i2t median rank"].append([np.median(i2t[x]) for x in picks])
    for name, values in drawn.items():
        low, high = np.quantile(np.mean(values, axis=0), [0.025, 0.975])
        assert (found[name]["low"], found[name]["high"]) == pytest.approx((low, high))


def test_chance_is_what_random_features_reach():
    r = np.random.default_rng(0)
    G = 300
    image_of = np.repeat(np.arange(G), 5)
    images, sentences = r.normal(size=(G, 200)), r.normal(size=(5 * G, 200))
    metrics = score(images, sentences, image_of, OWN)[1]["metrics"]
    for name, metric in metrics.items():
        if " R@" in name:
            p = metric["chance"] / 100
            spread = 400 * np.sqrt(p * (1 - p) / G)  # four deviations of G independent hits
            assert metric["value"] == pytest.approx(metric["chance"], abs=spread)
        elif "mean" in name:
            assert metric["value"] == pytest.approx(metric["chance"], rel=0.1)
    assert metrics["t2i R@10"]["chance"] == pytest.approx(100 * 10 / G)
    assert metrics["i2t R@1"]["chance"] == pytest.approx(100 / G)
    parts = [m["chance"] for name, m in metrics.items() if " R@" in name]
    assert metrics["RSUM"]["chance"] == pytest.approx(sum(parts))


def test_summary_is_plain_repeatable_and_in_order():
    images, sentences, image_of = case(0, G=20)
    both, result = score(images, sentences, image_of, OWN, seed=3)
    assert json.loads(json.dumps(result)) == result
    assert list(result["metrics"]) == [
        "i2t R@1", "i2t R@5", "i2t R@10", "t2i R@1", "t2i R@5", "t2i R@10", "RSUM",
        "i2t median rank", "i2t mean rank", "t2i median rank", "t2i mean rank",
    ]  # fmt: skip
    assert result["queries"] == len(images) + len(sentences) == result["gallery"]
    for metric in result["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert summary(both, OWN, 3) == result
    assert summary(both, OWN, 4)["metrics"] != result["metrics"]
    lines = table(result).splitlines()
    assert "own/image-sentence" in lines[0]
    assert f"20 images and {len(sentences)} sentences are queries, scored by itc" in lines[1]
    rsum = result["metrics"]["RSUM"]
    row = next(line for line in lines if line.startswith("RSUM "))
    expected = [f"{rsum[key]:.2f}" for key in ("value", "low", "high", "chance")]
    assert row.replace(" - ", " ").split()[1:] == expected


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"image_of": [0, 0, 1]}, r"image_of must be \(4,\) int, got \(3,\)"),
        ({"image_of": [0.0, 0, 1, 1]}, r"got \(4,\) float64"),
        ({"image_of": [0, 0, 1, 2]}, "sentence 3 is 2, not a row of 2 images"),
        ({"image_of": [0, 0, 1, -1]}, "sentence 3 is -1"),
        ({"image_of": [0, 0, 0, 0]}, "1 of 2 images have no sentence, first row 1"),
        ({"images": np.ones((2, 3))}, "images have 3 dimensions, sentences 2"),
        ({"images": np.zeros((2, 2))}, "2 of 2 image features are zero"),
        ({"sentences": np.full((4, 2), np.nan)}, "4 of 4 sentence features"),
        ({"protocol": preset("tirg/css")}, "tirg/css is not scored by .*coco-5k"),
        ({"protocol": preset("flickr30k-1k")}, "a split of 1,000 images, got 2"),
        ({"protocol": preset("coco-1k-5fold")}, "a split of 5,000 images, got 2"),
        ({"protocol": folded(1, 3)}, "3 folds of 1 images need more than 2"),
        ({"protocol": folded(1, 1, sentences=5)}, "5 sentences of each image, but image row 0"),
        ({"chunk": 0}, "chunk"),
    ],
)
def test_bad_input_is_refused(edit, message):
    good = {
        "images": np.eye(2),
        "sentences": np.ones((4, 2)),
        "image_of": np.array([0, 0, 1, 1]),
        "protocol": OWN,
    }
    ranks(**good)
    edit = {k: np.asarray(v) if isinstance(v, list) else v for k, v in edit.items()}
    with pytest.raises(InputError, match=message) as caught:
        ranks(**{**good, **edit})
    assert "\n" not in str(caught.value)


def test_one_direction_alone_is_not_passed_off_as_both():
    found, counts = Ranks.empty(2), recall.pool([0, 1], [0, 1], None, OWN)
    with pytest.raises(InputError, match="each direction"):
        recall.summary(found, OWN, 0, counts)


@pytest.fixture
def folder(tmp_path):
    images, sentences, image_of = case(2)
    names = np.array([f"image{i}" for i in range(len(images))])
    told = np.array([f"sentence{i}" for i in range(len(sentences))])
    save_features(tmp_path / "i.npz", names, images)
    save_features(tmp_path / "s.npz", told, sentences, image=names[image_of])
    return tmp_path


def test_files_are_scored_in_both_directions(folder):
    protocol = OWN.changed(ties="worst")
    result = image_text.score_files(folder / "i.npz", folder / "s.npz", protocol)
    both = ranks(*case(2), OWN)
    assert result["image_ranks"] == both.image_to_sentence.expected.tolist()
    assert result["sentence_ranks"] == both.sentence_to_image.expected.tolist()
    assert result["image_ids"][3] == "image3"
    assert len(result["sentence_ids"]) == len(both.sentence_to_image)
    assert result["protocol"]["name"] == "own/image-sentence[ties=worst]"
    assert json.loads(json.dumps(result)) == result


def test_npy_takes_the_images_of_sentences_from_csv(folder):
    images, sentences, image_of = case(2)
    np.save(folder / "s.npy", sentences)
    rows = [f"sentence{s},image{i}" for s, i in enumerate(image_of)]
    (folder / "s.csv").write_text("\n".join(["id,image", *rows]) + "\n")
    files = folder / "i.npz", folder / "s.npy"
    result = image_text.score_files(*files, folded(3, 2), sentence_ids=folder / "s.csv")
    both = ranks(images, sentences, image_of, folded(3, 2))
    assert result["sentence_ranks"] == both.sentence_to_image.expected.tolist()
    assert result["image_ids"] == [f"image{i}" for i in range(6)]
    kept = [f"sentence{s}" for s in np.flatnonzero(image_of < 6)]
    assert result["sentence_ids"] == kept
