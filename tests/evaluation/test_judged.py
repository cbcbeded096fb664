"""Each benchmark's rule against that of its official code, restated as loops over sorted items."""

import json
import math

import numpy as np
import pytest
import tiny_benchmarks
import tiny_releases

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS, preset
from cmir_repro.core.scorers import SCORERS
from cmir_repro.data.judged import Judged
from cmir_repro.data.readers import benchmarks
from cmir_repro.evaluation import judged as scoring
from cmir_repro.evaluation.ranked_lists import RankedList

D = 6


def drawn(judged, seed=0):
    """Random features: of the queries, and of each image by name."""
    draw = np.random.default_rng(seed)
    queries = draw.normal(size=(len(judged.ids), D))
    images = draw.normal(size=(len(judged.images), D))
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, images)]
    return unit[0], dict(zip(judged.images.tolist(), unit[1], strict=True))


def scored(judged, protocol, seed=0, ties="mean"):
    queries, images = drawn(judged, seed)
    names = judged.images
    scores = scoring.of_features(queries, np.array([images[n] for n in names.tolist()]), names)
    rule = preset(protocol).changed(ties=ties)
    return scoring.summary(judged, scoring.of_scores(judged, scores, rule), rule)


def values(result):
    return {name: m["value"] for name, m in result["metrics"].items()}


def ranking(query, images, names):
    """Names by falling cosine, as argsort of the official codes."""
    return sorted(names, key=lambda name: -float(query @ images[name]))


def test_wanted_queries_get_the_lists_that_all_get(tmp_path):
    judged = benchmarks.circo(tiny_benchmarks.circo(tmp_path))
    queries, images = drawn(judged)
    scores = scoring.of_features(
        queries, np.array([images[n] for n in judged.images.tolist()]), judged.images
    )
    rule, some = preset("circo/official"), judged.ids.tolist()[::2]
    every, found = (scoring.top(judged, scores, rule, 5, only=x) for x in (None, some))
    assert list(found) == some
    for name in some:
        np.testing.assert_array_equal(found[name].items, every[name].items)
        np.testing.assert_array_equal(found[name].scores, every[name].scores)


def test_circo(tmp_path):
    judged = benchmarks.circo(tiny_benchmarks.circo(tmp_path))
    queries, images = drawn(judged)
    entries = json.loads((tmp_path / "annotations/val.json").read_text())
    maps, hits, aspects = ({k: [] for k in ks} for ks in ((5, 10, 25, 50), (5, 10, 25, 50),
                                                         tiny_benchmarks.ASPECTS))  # fmt: skip
    for query, entry in zip(queries, entries, strict=True):
        right = {str(i) for i in entry["gt_img_ids"]}
        order = ranking(query, images, images)[:50]
        found, precisions = 0, []
        for place, name in enumerate(order, start=1):
            found += name in right
            precisions.append(found / place if name in right else 0.0)
        for k in maps:
            maps[k].append(sum(precisions[:k]) / min(len(right), k))
            hits[k].append(str(entry["target_img_id"]) in order[:k])
        for aspect in entry["semantic_aspects"]:
            aspects[aspect].append(sum(precisions[:10]) / min(len(right), 10))
    result = scored(judged, "circo/official")
    for k in maps:
        assert values(result)[f"mAP@{k}"] == pytest.approx(100 * np.mean(maps[k]), abs=1e-6)
        assert values(result)[f"R@{k}"] == pytest.approx(100 * np.mean(hits[k]), abs=1e-6)
    for aspect, found in aspects.items():
        group = result["groups"][aspect]
        assert group["queries"] == len(found)
        assert group["metrics"]["mAP@10"]["value"] == pytest.approx(100 * np.mean(found), abs=1e-6)


def test_genecis(tmp_path):
    judged = benchmarks.genecis(tiny_benchmarks.genecis(tmp_path))
    queries, images = drawn(judged)
    hits = {}
    for query, name in zip(queries, judged.ids.tolist(), strict=True):
        task, number = name.split("/")
        entry = json.loads((tmp_path / f"genecis/{task}.json").read_text())[int(number)]

        def spelt(e):
            box = e.get("instance_bbox")
            return str(e["val_image_id"]) if box is None else f"{e['image_id']}:1,2,30,40"

        order = ranking(query, images, [spelt(e) for e in [entry["target"], *entry["gallery"]]])
        for k in (1, 2, 3):
            hits.setdefault((task, k), []).append(spelt(entry["target"]) in order[:k])
    result = scored(judged, "genecis/official")
    for k in (1, 2, 3):
        mean = np.mean([np.mean(hits[task, k]) for task in benchmarks.TASKS])
        assert values(result)[f"macro R@{k}"] == pytest.approx(100 * mean, abs=1e-6)
        for task in benchmarks.TASKS:
            found = result["groups"][task]["metrics"][f"R@{k}"]["value"]
            assert found == pytest.approx(100 * np.mean(hits[task, k]), abs=1e-6)
    chance = result["metrics"]["macro R@1"]["chance"]
    assert chance == pytest.approx(100 * (3 / 6 + 1 / 5) / 4)  # galleries of 6, and of 5
    assert result["notes"] == [
        "4 queries left out for a gallery of another size, as the release does"
    ]


def test_icir(tmp_path):
    judged = benchmarks.icir(tiny_benchmarks.icir(tmp_path))
    queries, images = drawn(judged)
    rows = (tmp_path / "database_files.csv").read_text().splitlines()
    database = [line.split(",") for line in rows]
    asked = [line.split(",") for line in (tmp_path / "query_files.csv").read_text().splitlines()]
    areas, instances, hard = [], {}, []
    for query, (_, text, instance) in zip(queries, asked, strict=True):
        rows = {path: said for path, said, where in database if where == instance}
        order = ranking(query, images, rows)
        places = [i for i, path in enumerate(order) if rows[path] == text]
        area = 0.0
        for j, place in enumerate(places):
            before = 1.0 if place == 0 else j / place
            area += (before + (j + 1) / (place + 1)) / (len(places) + 1e-5) / 2
        areas.append(area)
        instances.setdefault(instance, []).append(area)
        hard.append(sum("/hn/" in path for path in order[:10]) / 10)
    found = values(scored(judged, "icir/official"))
    assert found["mAP by trapezoids"] == pytest.approx(100 * np.mean(areas), abs=1e-6)
    macro = np.mean([np.mean(x) for x in instances.values()])
    assert found["macro mAP by trapezoids"] == pytest.approx(100 * macro, abs=1e-6)
    assert found["negatives@10"] == pytest.approx(100 * np.mean(hard), abs=1e-6)
    assert 0 < found["negatives@10"] < 100


@pytest.mark.parametrize(
    ("protocol", "make", "dropped"),
    [("lasco/val", tiny_benchmarks.lasco, False), ("shoes/artemis", tiny_benchmarks.shoes, True)],
)
def test_one_answer_in_one_gallery(tmp_path, protocol, make, dropped):
    judged = benchmarks.of_protocol(protocol)(make(tmp_path))
    queries, images = drawn(judged)
    hits = {k: [] for k in preset(protocol).cutoffs}
    for query, source, right in zip(queries, judged.source, judged.relevant, strict=True):
        names = [n for n in images if not (dropped and n == source)]
        order = ranking(query, images, names)
        for k in hits:
            hits[k].append(order.index(right[0]) < k)
    found = values(scored(judged, protocol))
    for k in hits:
        assert found[f"R@{k}"] == pytest.approx(100 * np.mean(hits[k]), abs=1e-6)


@pytest.mark.parametrize("name", ["fashioniq", "cirr"])
def test_the_leaderboard(tmp_path, name):
    """nDCG as trec_eval's ndcg_cut: gains 0 or 1, divided by the best ranking's."""
    make, read = getattr(tiny_releases, name), benchmarks.READERS[f"mteb/{name}"]
    judged = read(make(tmp_path))
    queries, images = drawn(judged)
    gains = []
    for query, right in zip(queries, judged.relevant, strict=True):
        order = ranking(query, images, images)[:10]
        gain = sum(1 / math.log2(i + 1) for i, n in enumerate(order, 1) if n in set(right))
        gains.append(gain / sum(1 / math.log2(i + 1) for i in range(1, min(10, len(right)) + 1)))
    found = values(scored(judged, f"mteb/{name}"))
    assert found["nDCG@10"] == pytest.approx(100 * np.mean(gains), abs=1e-6)


def test_vectors_that_are_all_the_same_score_chance(tmp_path):
    judged = benchmarks.circo(tiny_benchmarks.circo(tmp_path))
    rule = preset("circo/official")
    names = judged.images
    scores = scoring.of_features(np.ones((len(judged.ids), D)), np.ones((len(names), D)), names)
    result = scoring.summary(judged, scoring.of_scores(judged, scores, rule), rule)
    for name, m in result["metrics"].items():
        assert m["value"] == pytest.approx(m["chance"]), name


def one(relevant, images=("a", "b", "c", "d"), **more):
    """A single query."""
    return Judged(
        np.array(["q"]), [np.array(relevant, str)], np.array(["all"]), {"all": np.array(images)},
        **more,
    )  # fmt: skip


def test_lists_equal_scores_and_longer_ones_are_asked_for():
    judged, rule = one(["b", "d"]), preset("own/judged")
    names = np.array(["a", "b", "c", "d"])
    by_score = scoring.of_matrix(np.array([[0.4, 0.9, 0.5, 0.1]]), names)
    wanted = scoring.of_scores(judged, by_score, rule, tolerance=0.0)
    lists = {"q": RankedList(np.array(["b", "c", "a", "d"]))}
    found = scoring.of_lists(judged, lists, rule)
    assert scoring.summary(judged, found, rule) == scoring.summary(judged, wanted, rule)
    short = {"q": RankedList(np.array(["b", "c"]))}
    with pytest.raises(InputError, match=r"has 2 places, but nDCG@10 of own/judged looks at 4"):
        scoring.of_lists(judged, short, rule)


def test_equal_scores_in_a_list_tie():
    judged, rule = one(["b"]), preset("own/judged")
    lists = {"q": RankedList(np.array(["a", "b", "c", "d"]), np.array([3.0, 3.0, 2.0, 1.0]))}
    found = scoring.summary(judged, scoring.of_lists(judged, lists, rule), rule)
    assert found["metrics"]["R@1"]["value"] == 50
    assert found["metrics"]["MRR@10"]["value"] == 75
    assert found["ranks"] == [1.5]


def test_the_source_is_not_ranked_where_the_protocol_leaves_it_out():
    judged = one(["b"], source=np.array(["a"]))
    rule = preset("shoes/artemis")
    lists = {"q": RankedList(np.array(["a", "b", "c", "d"]))}
    assert (
        values(scoring.summary(judged, scoring.of_lists(judged, lists, rule), rule))["R@1"] == 100
    )
    kept = rule.changed(drop_source=False)
    assert values(scoring.summary(judged, scoring.of_lists(judged, lists, kept), kept))["R@1"] == 0


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("abb", "holds 'b' twice"),
        ("abz", "holds 'z', which is not in its gallery"),
    ],
)
def test_lists_that_cannot_be_used(items, message):
    with pytest.raises(InputError, match=message):
        scoring.of_lists(one(["b"]), {"q": RankedList(np.array(list(items)))}, preset("own/judged"))


def test_a_query_without_a_list_is_refused():
    rule = preset("own/judged")
    with pytest.raises(InputError, match=r"1 of 1 queries have no ranked list, first 'q'"):
        scoring.of_lists(one(["b"]), {}, rule)


def test_lists_of_other_queries_may_be_there():
    rule, whole = preset("own/judged"), RankedList(np.array(list("abcd")))
    alone, among = (
        scoring.summary(one(["b"]), scoring.of_lists(one(["b"]), lists, rule), rule)
        for lists in ({"q": whole}, {"q": whole, "p": whole})
    )
    assert alone == among


def test_scores_that_are_no_numbers_and_answers_that_are_not_there():
    rule, names = preset("own/judged"), np.array(list("abcd"))
    scores = scoring.of_matrix(np.array([[0.1, np.nan, 0.2, 0.3]]), names)
    with pytest.raises(InputError, match=r"scores of query 'q' are NaN or infinite"):
        scoring.of_scores(one(["b"]), scores, rule)
    scores = scoring.of_matrix(np.ones((1, 4)), names)
    with pytest.raises(InputError, match=r"'z' is an answer of query 'q', but is not ranked"):
        scoring.of_scores(one(["z"]), scores, rule)


def test_a_split_without_answers_is_not_scored(tmp_path):
    judged = benchmarks.circo(tiny_benchmarks.circo(tmp_path), "test")
    assert judged.target is None
    with pytest.raises(InputError, match="12 of 12 queries have no answers to score by, first '0'"):
        scored(judged, "circo/official")


@pytest.mark.parametrize("name", [n for n, p in PRESETS.items() if p.scorer != "judged"])
def test_other_protocols_are_refused_with_the_command_that_scores_them(name):
    judged, rule = one(["b"]), preset(name)
    found = scoring.of_scores(judged, scoring.of_matrix(np.ones((1, 4)), judged.images), rule, 0)
    with pytest.raises(InputError, match=f"use `{SCORERS[rule.scorer]}`"):
        scoring.summary(judged, found, rule)


def test_measures_need_what_the_data_lack():
    judged, rule = one(["b"]), preset("icir/official")
    found = scoring.of_scores(judged, scoring.of_matrix(np.ones((1, 4)), judged.images), rule)
    with pytest.raises(InputError, match=r"macro mAP by trapezoids of .* needs groups of queries"):
        scoring.summary(judged, found, rule)
    grouped = one(["b"], groups=[("x",)])
    with pytest.raises(InputError, match=r"negatives@10 of .* needs hard negatives"):
        scoring.summary(grouped, found, rule)


def test_given_scores_tie_where_they_are_equal_and_nowhere_else():
    """In float32 these would be one."""
    judged, rule = one(["b"]), preset("own/judged")
    close = np.array([[1.0, 1.0 + 1e-12, 1.0 - 1e-12, 1.0]])
    found = scoring.of_scores(judged, scoring.of_matrix(close, judged.images), rule, tolerance=0.0)
    assert scoring.summary(judged, found, rule)["ranks"] == [1.0]
    judged = one(["a"])
    found = scoring.of_scores(judged, scoring.of_matrix(close, judged.images), rule, tolerance=0.0)
    assert scoring.summary(judged, found, rule)["ranks"] == [2.5]
