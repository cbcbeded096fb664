"""Scores of whole databases against a naive sort, intervals and chance, and files."""

import json

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import Protocol, hashed, preset
from cmir_repro.core.scorers import names
from cmir_repro.evaluation.features import save_features
from cmir_repro.evaluation.intervals import paired_bootstrap
from cmir_repro.evaluation.labels import score, score_files, table

ALL, CODES = preset("map-all"), preset("map-all/hamming")


def case(Q=20, N=300, C=6, D=12, seed=0):
    """Features that say something of the categories; the first query has none."""
    r = np.random.default_rng(seed)
    ql, dl = (r.random((n, C)) < 0.25 for n in (Q, N))
    ql[1:, 0] |= ~ql[1:].any(1)
    ql[0] = False
    ways = r.normal(size=(C, D))
    q, d = (x @ ways + r.normal(size=(len(x), D)) for x in (ql, dl))
    return q, d, ql, dl


def by_sorting(scores, relevant, depth):
    """What a naive evaluation does, one query after the other."""
    found = []
    for row, good in zip(scores, relevant, strict=True):
        order = np.argsort(-row, kind="stable")[:depth]
        hits = [k + 1 for k, item in enumerate(order) if good[item]]
        found.append(np.mean([(i + 1) / k for i, k in enumerate(hits)]) if hits else 0.0)
    return np.array(found)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_cosines_without_ties_are_a_sort():
    q, d, ql, dl = case()
    relevant = ql.astype(int) @ dl.T.astype(int) > 0
    ap, result = score(q, d, ql, dl, ALL, seed=1)
    scores = unit(q) @ unit(d).T
    assert list(ap) == ["all", "queries"]
    assert result["depths"] == {"all": 300, "queries": 20}
    for name, depth in result["depths"].items():
        wanted = by_sorting(scores, relevant, depth)
        np.testing.assert_allclose(ap[name][1:], wanted[1:])
        assert np.isnan(ap[name][0])
        value = result["metrics"][f"MAP@{name}"]["value"]
        assert value == pytest.approx(100 * wanted[1:].mean())
    top = np.take_along_axis(relevant, np.argsort(-scores, axis=1), 1)
    assert result["metrics"]["P@10"]["value"] == pytest.approx(100 * top[1:, :10].mean())
    # A thousand places are more than there are items.
    assert result["metrics"]["P@1000"]["value"] == pytest.approx(100 * top[1:].mean())
    assert (result["queries"], result["gallery"], result["without_relevant"]) == (20, 300, 1)


def test_ties_of_codes_are_the_mean_over_sorts_of_shuffled_databases():
    q, d, ql, dl = case(Q=6, N=60)
    q, d = q[:, :4] > 0, d[:, :4] > 0
    relevant = ql.astype(int) @ dl.T.astype(int) > 0
    ap, result = score(q, d, ql, dl, CODES)
    scores = -(q[:, None] != d).sum(2)
    r = np.random.default_rng(0)
    for name, depth in result["depths"].items():
        shuffled = []
        for _ in range(500):
            order = r.permutation(60)
            shuffled.append(by_sorting(scores[:, order], relevant[:, order], depth))
        error = np.std(shuffled, axis=0) / np.sqrt(500)
        assert (np.abs(ap[name] - np.mean(shuffled, axis=0))[1:] <= 4.5 * error[1:] + 1e-9).all()
        assert np.std(shuffled, axis=0).max() > 0.01  # what a sort would leave to luck
    worst = score(q, d, ql, dl, CODES.changed(ties="worst"))[1]["metrics"]
    best = score(q, d, ql, dl, CODES.changed(ties="best"))[1]["metrics"]
    middle = result["metrics"]
    assert worst["MAP@all"]["value"] < middle["MAP@all"]["value"] < best["MAP@all"]["value"]
    # Chance has no ties policy: a random order is random.
    assert worst["MAP@all"]["chance"] == middle["MAP@all"]["chance"]


def test_codes_and_their_signs_as_features_are_one_ranking():
    """The cosine of signs is 1 - 2 distance / L: the same groups, by either path."""
    q, d, ql, dl = case()
    q, d = q > 0, d > 0
    by_distance = score(q, d, ql, dl, CODES)
    by_cosine = score(2.0 * q - 1, 2.0 * d - 1, ql, dl, ALL)
    for name in by_distance[0]:
        np.testing.assert_allclose(by_distance[0][name], by_cosine[0][name])
    for name, metric in by_distance[1]["metrics"].items():
        assert metric == pytest.approx(by_cosine[1]["metrics"][name])
    assert by_distance[1]["curves"]["precision"] == by_cosine[1]["curves"]["precision"]
    assert "radius" not in by_cosine[1]["curves"]


def test_random_features_are_at_the_level_of_chance():
    r = np.random.default_rng(3)
    ql, dl = r.random((400, 5)) < 0.2, r.random((500, 5)) < 0.2
    result = score(r.normal(size=(400, 8)), r.normal(size=(500, 8)), ql, dl, ALL)[1]
    for metric in result["metrics"].values():
        assert metric["low"] - 1 < metric["chance"] < metric["high"] + 1
        assert metric["value"] == pytest.approx(metric["chance"], abs=2)
    constant = score(np.ones((400, 1)), np.ones((500, 1)), ql, dl, ALL)[1]["metrics"]
    for metric in constant.values():  # all tied: exactly a random order
        assert metric["value"] == pytest.approx(metric["chance"])


def test_perfect_codes_are_perfect():
    labels = np.eye(4, dtype=bool)
    ql, dl = labels[np.arange(8) % 4], labels[np.arange(80) % 4]
    ap, result = score(ql, dl, ql, dl, CODES)
    assert result["metrics"]["MAP@all"]["value"] == pytest.approx(100)
    assert result["metrics"]["P@10"]["value"] == pytest.approx(100)
    assert result["metrics"]["P@100"]["value"] == pytest.approx(25)  # 20 of 80 items
    assert result["curves"]["precision"] == [100] * 101
    radius = result["curves"]["radius"]
    assert radius == {"recall": [100] * 5, "precision": [100, 100, 25, 25, 25]}
    np.testing.assert_allclose(ap["queries"], 1)


def test_depths_are_the_protocols():
    q, d, ql, dl = case()
    ap, result = score(q, d, ql, dl, ALL.changed(depths=("all", 50, 5000)))
    assert list(ap) == ["all", "50", "5000"]
    assert result["depths"] == {"all": 300, "50": 50, "5000": 300}
    np.testing.assert_allclose(ap["5000"], ap["all"])
    assert np.nanmean(ap["50"]) > np.nanmean(ap["all"])


def test_two_runs_pair_up():
    q, d, ql, dl = case(Q=200)
    good, _ = score(q, d, ql, dl, ALL)
    bad, _ = score(q[:, :2], d[:, :2], ql, dl, ALL)
    kept = ~np.isnan(good["all"])
    np.testing.assert_array_equal(kept, ~np.isnan(bad["all"]))
    generator = np.random.default_rng(0)
    found = paired_bootstrap(good["all"][kept], bad["all"][kept], generator=generator)
    assert found.low > 0


def test_results_repeat_and_survive_json():
    q, d, ql, dl = case()
    for protocol, queries, database in ((ALL, q, d), (CODES, q > 0, d > 0)):
        one = score(queries, database, ql, dl, protocol, seed=4)[1]
        assert json.loads(json.dumps(one)) == one
        assert one == score(queries, database, ql, dl, protocol, seed=4)[1]
        assert Protocol.from_dict(one["protocol"]) == protocol
        for metric in one["metrics"].values():
            assert metric["low"] <= metric["value"] <= metric["high"]
        shown = table(one)
        assert "MAP@queries" in shown
        assert "1 of them left out" in shown


def test_bad_input():
    q, d, ql, dl = case()
    with pytest.raises(
        InputError, match=r"tirg/css is not scored by `cmir score-labels`, .*; use `cmir score`$"
    ):
        score(q, d, ql, dl, preset("tirg/css"))
    with pytest.raises(InputError, match="none of 20 queries shares a category"):
        score(q, d, np.zeros_like(ql), dl, ALL)
    with pytest.raises(InputError, match="query code row 0 holds"):
        score(q, d, ql, dl, CODES)
    with pytest.raises(InputError, match="queries have 12 dimensions, the gallery 11"):
        score(q, d[:, :11], ql, dl, ALL)


def save(folder, name, features, labels):
    ids = np.array([f"{name}{i}" for i in range(len(features))])
    path = folder / f"{name}.npz"
    save_features(path, ids, features, categories=labels)
    return path


def test_files_are_scored_in_the_order_of_their_rows(tmp_path):
    q, d, ql, dl = case()
    queries, database = save(tmp_path, "q", q, ql), save(tmp_path, "d", d, dl.astype(np.uint8))
    found = score_files(queries, database, preset("map-at-queries"))
    ap, result = score(q, d, ql, dl, ALL)
    assert json.loads(json.dumps(found)) == found
    assert found["metrics"] == result["metrics"]
    assert found["average_precision"]["all"][0] is None
    assert found["average_precision"]["all"][1:] == ap["all"][1:].tolist()
    assert found["query_ids"][:2] == ["q0", "q1"]
    assert table(found) == table(result)
    with pytest.raises(InputError, match="query code row 0 holds"):
        score_files(queries, database, CODES)
    signs = save(tmp_path, "q", np.sign(q), ql), save(tmp_path, "d", np.sign(d), dl)
    name = "map-all/hamming[ties=worst]"
    assert name in table(score_files(*signs, CODES.changed(ties="worst")))


def test_bad_files(tmp_path):
    q, d, ql, dl = case()
    queries, database = save(tmp_path, "q", q, ql), save(tmp_path, "d", d, dl)
    none, objects = tmp_path / "none.npz", tmp_path / "objects.npz"
    save_features(none, np.array(["a"]), np.ones((1, 12)))
    np.savez(objects, ids=["a"], features=np.ones((1, 12)), categories=np.array([[{}]]))
    for other, protocol, message in (
        (queries, ALL, "holds 20 of the 20 queries too"),
        (none, ALL, r"none.npz has no key categories; add it.*, or labels, \(N,\), the one class"),
        (objects, ALL, "key categories of"),
        (tmp_path / "other.npz", ALL, "does not exist"),
        (database, preset("tirg/css"), "is not scored by `cmir score-labels`"),
    ):
        with pytest.raises(InputError, match=message) as error:
            score_files(queries, other, protocol)
        assert "\n" not in str(error.value)


def test_pairs_are_ranked_against_their_own_other_halves(tmp_path):
    """DSCMR's rule for Wikipedia: the text of a query's own pair is in the database, relevant."""
    r = np.random.default_rng(3)
    labels = np.eye(3, dtype=bool)[np.arange(12) % 3]
    images, texts = r.normal(size=(2, 12, 4))
    ids = np.array([f"pair{i}" for i in range(12)])
    for name, features in (("i", images), ("t", texts)):
        save_features(tmp_path / f"{name}.npz", ids, features, categories=labels)
    files, pairs = (tmp_path / "i.npz", tmp_path / "t.npz"), preset("map-pairs")
    found = score_files(*files, pairs)
    assert found["metrics"] == score(images, texts, labels, labels, pairs)[1]["metrics"]
    assert found["protocol"]["gallery"] == "the other modality of the queries' own pairs"
    with pytest.raises(InputError, match="score pairs against each other under map-pairs"):
        score_files(*files, ALL)
    save_features(tmp_path / "t.npz", ids[:11], texts[:11], categories=labels[:11])
    with pytest.raises(InputError, match=r"map-pairs .* 'pair11' is in only one of"):
        score_files(*files, pairs)


def test_precision_beyond_the_database_is_marked():
    q, d, ql, dl = case(N=60)
    _, found = score(q, d, ql, dl, ALL)
    assert found["beyond"] == [100, 1000]
    lines = table(found).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("  *")] == ["P@100", "P@1000"]
    assert lines[-1] == "* there are 60 items in the database: this is P@60"
    assert "beyond" not in score(*case(N=1000), ALL)[1]


def test_every_preset_has_its_codes():
    every = ["map-all", "map-all/hamming", "map-pairs", "map-pairs/hamming"]
    assert names("labels") == every
    assert hashed("map-all") == CODES
    assert hashed("map-at-queries") == CODES


def test_one_class_a_row_is_one_category_and_boolean_codes_are_codes(tmp_path):
    r = np.random.default_rng(4)
    codes, classes = r.random((30, 8)) < 0.5, r.choice(["cat", "dog", "owl"], 30)
    ids = np.array([f"item {n}" for n in range(30)])
    files = [tmp_path / "q.npz", tmp_path / "d.npz"]
    found = []
    for keys in ({"labels": classes}, {"categories": classes[:, None] == np.unique(classes)}):
        for of_codes in (codes, codes.astype(int), np.where(codes, 1.0, -1.0)):
            for file, part in zip(files, (slice(0, 10), slice(10, None)), strict=True):
                of_part = {key: values[part] for key, values in keys.items()}
                save_features(file, ids[part], of_codes[part], **of_part)
            found.append(score_files(*files, CODES)["metrics"])
    assert all(metrics == found[0] for metrics in found)


def test_two_files_have_one_kind_of_classes(tmp_path):
    one_hot = np.eye(3, dtype=int)
    q, d = tmp_path / "q.npz", tmp_path / "d.npz"
    save_features(q, np.array(["a", "b", "c"]), np.eye(3), labels=[0, 1, 2])
    for more, message in (
        ({"categories": one_hot}, r"d\.npz has categories and .*q\.npz labels"),
        ({"labels": ["0", "1", "2"]}, "labels are text in one of"),
    ):
        save_features(d, np.array(["d", "e", "f"]), np.eye(3), **more)
        with pytest.raises(InputError, match=message):
            score_files(q, d, ALL)
