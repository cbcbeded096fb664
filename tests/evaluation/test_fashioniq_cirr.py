"""Every preset against a literal re-statement of its rule, on six images that can be followed.

The oracles sort; the module counts. Features are random, so the rules give different numbers.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS, preset
from cmir_repro.data.readers import fashioniq_cirr as annotations
from cmir_repro.evaluation import fashioniq_cirr
from cmir_repro.evaluation.fashioniq_cirr import Triplets

D = 4
IMAGES = ["a", "b", "c", "d", "e", "f"]
FASHIONIQ = [name for name, p in PRESETS.items() if p.pool]  # not fashioniq/val-all
WORDS = ("1", "2", "1 and 2", "2 and 1", "category")


def six() -> Triplets:
    """dress lists a to d, shirt lists c to f: c and d are in both, a is in no triplet."""
    rows = [
        ("dress", "b", "c", "Is red", "longer"),
        ("dress", "c", "d", "is blue", ""),
        ("shirt", "c", "f", "has dots", "is short"),
    ]
    return Triplets(
        ids=np.array(["t0", "t1", "t2"]),
        category=np.array([row[0] for row in rows]),
        source=np.array([row[1] for row in rows]),
        target=np.array([row[2] for row in rows]),
        captions=np.array([row[3:] for row in rows]),
        galleries={"dress": np.array(list("abcd")), "shirt": np.array(list("cdef"))},
    )


def features(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, D)), {name: rng.normal(size=(3, D)) for name in WORDS}


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


# Each codebase's rule in its own words: the gallery, the image left out, the queries of a triplet.
def owners(t, i, q):
    return list(t.galleries[t.category[i]]), None, [q["1 and 2"][i]]


def val(t, i, q):
    same = [j for j in range(3) if t.category[j] == t.category[i]]
    used = {t.source[j] for j in same} | {t.target[j] for j in same}
    return sorted(used), t.source[i], [q["1"][i], q["2"][i]]


def artemis(t, i, q):
    return list(t.galleries[t.category[i]]), t.source[i], [q["1 and 2"][i], q["2 and 1"][i]]


def cosmo_val(t, i, q):
    return val(t, i, q)[0], t.source[i], artemis(t, i, q)[2]


def composeae(t, i, q):
    return list("abcdef"), None, [q["category"][i]]


def searle(t, i, q):
    mean = (unit(q["1 and 2"][i]) + unit(q["2 and 1"][i])) / 2
    return list(t.galleries[t.category[i]]), None, [mean]


RULES = {
    "fashioniq/original": owners,
    "fashioniq/clip4cir": owners,
    "fashioniq/magiclens": owners,
    "fashioniq/val-union": val,
    "fashioniq/cosmo": artemis,
    "fashioniq/artemis": artemis,
    "fashioniq/cosmo-val": cosmo_val,
    "fashioniq/composeae-union": composeae,
    "fashioniq/searle": searle,
}


def restated(rule, t: Triplets, images, queries, k: int) -> tuple[dict, float]:
    """Recall at k per category and their plain mean, by sorting names."""
    hits = {}
    for i in range(3):
        gallery, left_out, asked = rule(t, i, queries)
        for q in asked:
            scores = {
                name: float(unit(images[IMAGES.index(name)]) @ unit(q))
                for name in gallery
                if name != left_out
            }
            best = sorted(scores, key=scores.get, reverse=True)[:k]
            hits.setdefault(t.category[i], []).append(t.target[i] in best)
    by_category = {name: 100 * float(np.mean(found)) for name, found in hits.items()}
    return by_category, float(np.mean(list(by_category.values())))


def test_every_row_of_the_matrix_is_restated():
    assert {preset(name).name for name in RULES} == set(FASHIONIQ)


@pytest.mark.parametrize("name", RULES)
def test_a_preset_is_its_codebase(name):
    protocol = preset(name).changed(cutoffs=(1, 2))
    seen = set()
    for seed in range(20):
        images, queries = features(seed)
        found = fashioniq_cirr.score(six(), images, queries.__getitem__, protocol)
        for k in (1, 2):
            by_category, mean = restated(RULES[name], six(), images, queries, k)
            for category, value in by_category.items():
                metric = found["categories"][category]["metrics"][f"R@{k}"]
                assert metric["value"] == pytest.approx(value)
            assert found["metrics"][f"R@{k}"]["value"] == pytest.approx(mean)
            seen.add(mean)
    assert len(seen) > 2  # the oracle is put to work


@pytest.mark.parametrize(
    ("name", "sizes", "queries", "chance"),
    [
        ("fashioniq/original", (4, 4), 3, (25, 25)),
        ("fashioniq/val-union", (3, 2), 6, (50, 100)),  # the reference is left out
        ("fashioniq/composeae-union", (6, 6), 3, (100 / 6, 100 / 6)),
    ],
)
def test_galleries_and_chance(name, sizes, queries, chance):
    images, q = features(0)
    protocol = preset(name).changed(cutoffs=(1,))
    found = fashioniq_cirr.score(six(), images, q.__getitem__, protocol)
    parts = [found["categories"][category] for category in ("dress", "shirt")]
    assert tuple(part["gallery"] for part in parts) == sizes
    assert found["queries"] == queries
    assert [part["metrics"]["R@1"]["chance"] for part in parts] == pytest.approx(chance)
    assert found["metrics"]["R@1"]["chance"] == pytest.approx(np.mean(chance))


def test_only_what_a_protocol_needs_is_asked_for():
    images, queries = features(0)
    asked = []

    def give(name):
        asked.append(name)
        return queries[name]

    fashioniq_cirr.score(six(), images, give, preset("fashioniq/val-union"))
    assert asked == ["1", "2"]


def test_the_texts():
    found = {name: fashioniq_cirr.texts(six(), name) for name in WORDS}
    assert found["1 and 2"] == ["Is red and longer", "is blue and ", "has dots and is short"]
    assert found["2 and 1"][0] == "longer and Is red"
    assert found["category"][0] == "dress is red and it longer"
    assert found["2"] == ["longer", "", "is short"]


def cirr() -> Triplets:
    """Seven triplets among 8 images; each was made of 4 of them."""
    rng = np.random.default_rng(0)
    names = np.array([f"i{n}" for n in range(8)])
    members = [rng.choice(names, 4, replace=False) for _ in range(7)]
    return Triplets(
        ids=np.array([f"t{n}" for n in range(7)]),
        category=np.full(7, "all"),
        source=np.array([m[0] for m in members]),
        target=np.array([m[1] for m in members]),
        captions=np.full((7, 1), "another"),
        galleries={"all": names},
        members=[rng.permutation(m) for m in members],
    )


def test_cirr_leaves_the_reference_out_of_gallery_and_subset():
    t, official = cirr(), preset("cirr/official").changed(cutoffs=(1, 5))
    rng = np.random.default_rng(1)
    images, queries = rng.normal(size=(8, D)), rng.normal(size=(7, D))
    hits = {"R@1": [], "R@5": [], "R_s@1": [], "R_s@2": [], "R_s@3": []}
    for i in range(7):
        order = sorted(
            (name for name in t.images if name != t.source[i]),
            key=lambda name: -unit(images[list(t.images).index(name)]) @ unit(queries[i]),
        )
        few = [name for name in order if name in t.members[i]]
        assert len(few) == 3
        for key, found in hits.items():
            ranked = few if "_s" in key else order
            found.append(t.target[i] in ranked[: int(key[-1])])
    result = fashioniq_cirr.score(t, images, lambda _: queries, official)
    for key, found in hits.items():
        assert result["metrics"][key]["value"] == pytest.approx(100 * np.mean(found))
    chances = [result["metrics"][key]["chance"] for key in hits]
    assert chances == pytest.approx([100 / 7, 500 / 7, 100 / 3, 200 / 3, 100])


def test_ties_in_the_subset_count_as_the_protocol_says():
    t, queries = cirr(), np.ones((7, D))
    for ties, expected in (("best", 100.0), ("worst", 0.0), ("mean", 100 / 3)):
        protocol = preset("cirr/official").changed(ties=ties)
        found = fashioniq_cirr.score(t, np.ones((8, D)), lambda _: queries, protocol)
        assert found["metrics"]["R_s@1"]["value"] == pytest.approx(expected)


def many(T: int = 400) -> tuple[Triplets, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    names = np.array([f"i{n}" for n in range(60)])
    pairs = np.array([rng.choice(60, 2, replace=False) for _ in range(T)])
    t = Triplets(
        ids=np.array([f"t{n}" for n in range(T)]),
        category=np.array(["dress"] * (T - 100) + ["shirt"] * 100),
        source=names[pairs[:, 0]],
        target=names[pairs[:, 1]],
        captions=np.full((T, 2), "x"),
        galleries={"dress": names, "shirt": names},
    )
    images = rng.normal(size=(60, 16))
    return t, images, images[pairs[:, 1]] + 2.5 * rng.normal(size=(T, 16))


def test_an_interval_is_that_of_a_mean_of_two_category_means():
    t, images, queries = many()
    protocol = preset("fashioniq/original").changed(cutoffs=(10,))
    found = fashioniq_cirr.score(t, images, lambda _: queries, protocol)
    p = [found["categories"][c]["metrics"]["R@10"]["value"] / 100 for c in ("dress", "shirt")]
    n = [300, 100]
    sd = 100 * np.sqrt(sum(x * (1 - x) / m for x, m in zip(p, n, strict=True))) / 2
    m = found["metrics"]["R@10"]
    assert m["high"] - m["low"] == pytest.approx(2 * 1.96 * sd, rel=0.1)
    assert m["low"] < m["value"] < m["high"]


def test_two_queries_of_a_triplet_are_not_two_witnesses():
    """The same features for both captions: as many queries again, the same interval."""
    t, images, queries = many()
    once = fashioniq_cirr.score(t, images, lambda _: queries, preset("fashioniq/original"))
    kept = preset("fashioniq/artemis").changed(drop_source=False)
    twice = fashioniq_cirr.score(t, images, lambda _: queries, kept)
    assert twice["queries"] == 2 * once["queries"]
    assert twice["metrics"] == once["metrics"]


def test_the_table_averages_seeds_and_refuses_to_mix():
    t, images, queries = many()
    results = [
        fashioniq_cirr.score(t, images, lambda _, s=s: queries + s, preset("fashioniq/searle"), s)
        for s in (0, 1)
    ]
    table = fashioniq_cirr.table(results)
    assert list(table.index) == ["dress", "shirt", "mean"]
    values = [result["metrics"]["R@10"]["value"] for result in results]
    assert table.loc["mean", "R@10"] == pytest.approx(np.mean(values))
    assert table.loc["shirt", "queries"] == 100
    other = fashioniq_cirr.score(t, images, lambda _: queries, preset("fashioniq/original"))
    with pytest.raises(InputError, match="mix protocols that differ in name"):
        fashioniq_cirr.table([results[0], other])
    images_six, queries_six = features(0)
    six_images = fashioniq_cirr.score(
        six(), images_six, queries_six.__getitem__, preset("fashioniq/searle")
    )
    with pytest.raises(InputError, match="different data"):
        fashioniq_cirr.table([results[0], six_images])


def test_missing_images_change_the_name_of_the_protocol():
    images, queries = features(0)
    t = dataclasses.replace(six(), missing=14)
    found = fashioniq_cirr.score(t, images, queries.__getitem__, preset("fashioniq/original"))
    assert "14 images missing" in found["protocol"]["name"]
    whole = fashioniq_cirr.score(six(), images, queries.__getitem__, preset("fashioniq/original"))
    with pytest.raises(InputError, match="mix"):
        fashioniq_cirr.table([found, whole])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tirg/css", "not scored by `cmir score-triplets`"),
        ("cirr/official", "for 1 caption"),
    ],
)
def test_a_protocol_for_other_data_is_refused(name, message):
    images, queries = features(0)
    with pytest.raises(InputError, match=message):
        fashioniq_cirr.score(six(), images, queries.__getitem__, preset(name))


def test_cirr_is_not_scored_as_fashioniq():
    with pytest.raises(InputError, match=r"for 2 caption.* have 1"):
        fashioniq_cirr.score(
            cirr(), np.ones((8, D)), lambda _: np.ones((7, D)), preset(FASHIONIQ[0])
        )
    with pytest.raises(InputError, match="needs two captions"):
        fashioniq_cirr.texts(cirr(), "1 and 2")


def test_features_that_do_not_fit_are_refused():
    images, queries = features(0)
    protocol = preset("fashioniq/original")
    with pytest.raises(InputError, match="5 image features for 6 images"):
        fashioniq_cirr.score(six(), images[:5], queries.__getitem__, protocol)
    with pytest.raises(InputError, match=r"2 features of the text '1 and 2' for 3 triplets"):
        fashioniq_cirr.score(six(), images, lambda name: queries[name][:2], protocol)
    with pytest.raises(InputError, match="dimensions"):
        fashioniq_cirr.score(six(), images, lambda name: queries[name][:, :2], protocol)


def test_tables_without_targets_are_refused():
    images = pd.DataFrame({"image": ["a"], "split": "test", "label": "a"})
    queries = pd.DataFrame(
        {"query": ["q"], "split": "test", "source": "a", "target": "", "caption_1": "x"}
    )
    with pytest.raises(InputError, match="no query with a target"):
        fashioniq_cirr.of_tables(images, queries, "test")
    with pytest.raises(InputError, match="lack label"):
        fashioniq_cirr.of_tables(images.drop(columns="label"), queries, "test")


# Gallery sizes and chance at 10, counted by hand from the released files.
REAL = {
    "fashioniq/original": {
        "dress": (3817, 0.26), "shirt": (6346, 0.16), "toptee": (5373, 0.19)
    },
    "fashioniq/val-union": {
        "dress": (2628, 0.38), "shirt": (3089, 0.32), "toptee": (2902, 0.34)
    },
    "fashioniq/composeae-union": {
        "dress": (15415, 0.06), "shirt": (15415, 0.06), "toptee": (15415, 0.06)
    },
}  # fmt: skip


def test_the_real_fashioniq_has_the_known_galleries(real_data):
    found = annotations.fashioniq(real_data("fashioniq"))
    t = fashioniq_cirr.of_tables(found.images, found.queries, "val")
    rng = np.random.default_rng(0)
    images, queries = rng.normal(size=(len(t.images), 8)), rng.normal(size=(6016, 8))
    for name, expected in REAL.items():
        result = fashioniq_cirr.score(t, images, lambda _: queries, preset(name))
        for category, (size, chance) in expected.items():
            part = result["categories"][category]
            assert part["gallery"] == size
            assert part["metrics"]["R@10"]["chance"] == pytest.approx(chance, abs=0.006)
            # Features that know nothing are at chance, within five standard deviations.
            sd = 100 * np.sqrt(chance / 100 / part["queries"])
            assert abs(part["metrics"]["R@10"]["value"] - chance) < 5 * sd


def test_the_real_cirr_has_the_known_chance(real_data):
    found = annotations.cirr(real_data("cirr"))
    t = fashioniq_cirr.of_tables(found.images, found.queries, "val")
    rng = np.random.default_rng(0)
    images, queries = rng.normal(size=(2297, 8)), rng.normal(size=(4181, 8))
    result = fashioniq_cirr.score(t, images, lambda _: queries, preset("cirr/official"))
    assert (result["queries"], result["gallery"]) == (4181, 2297)
    for k in (1, 2, 3):
        metric = result["metrics"][f"R_s@{k}"]
        assert metric["chance"] == pytest.approx(20 * k)  # five images once the reference is out
        assert metric["value"] == pytest.approx(20 * k, abs=4)
    assert result["metrics"]["R@50"]["chance"] == pytest.approx(100 * 50 / 2296)


def test_an_image_may_be_in_the_lists_of_several_categories():
    """One row with both names, as data prepared for training have it, or a row each: the same."""
    columns = ["image", "split", "label", "category"]
    queries = pd.DataFrame(
        [("q", "val", "a", "b", "is red", "shirt")],
        columns=["query", "split", "source", "target", "caption_1", "category"],
    )
    rows = [("a", "val", "A", "shirt"), ("b", "val", "B", "shirt"), ("c", "val", "C", "toptee")]
    each = fashioniq_cirr.of_tables(
        pd.DataFrame([*rows, ("b2", "val", "B", "toptee")], columns=columns), queries, "val"
    )
    rows[1] = ("b", "val", "B", "shirt toptee")
    both = fashioniq_cirr.of_tables(pd.DataFrame(rows, columns=columns), queries, "val")
    for found in (each, both):
        assert {k: sorted(v) for k, v in found.galleries.items()} == {
            "shirt": ["A", "B"], "toptee": ["B", "C"],
        }  # fmt: skip
        assert sorted(found.images) == ["A", "B", "C"]
