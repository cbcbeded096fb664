"""Ranks against definitions written out item by item, on inputs full of ties."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS, Protocol, preset
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.features import Truth, save_features
from cmir_repro.evaluation.recall import chance_recall, pool, ranks, recall_at, score, summary
from cmir_repro.evaluation.tied_ranks import Ranks

CSS = preset("tirg/css")
KEEP = dataclasses.replace(CSS, name="keep", drop_source=False)


def cosines(queries, gallery):
    q = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    g = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    return (q.astype(np.float64) @ g.T.astype(np.float64)).round(9)  # rounding keeps exact ties


def rank_by_hand(scores, relevant, ties):
    """Rank under a tie policy by the average, best or worst order of the items."""
    ordered = sorted({s for s, good in zip(scores, relevant, strict=True) if good})
    best = ordered[-1]
    above = sum(s > best for s in scores)
    tied = [good for s, good in zip(scores, relevant, strict=True) if s == best]
    places = [order.index(True) for order in set(itertools.permutations(tied))]
    return 1 + above + {"best": min, "worst": max, "mean": lambda p: sum(p) / len(p)}[ties](places)


def random_case(seed, Q=13, G=9):
    """Small whole numbers: many equal rows, many equal cosines, repeated labels."""
    r = np.random.default_rng(seed)
    rows = np.array([v for v in itertools.product((-1, 0, 1), repeat=2) if any(v)], np.float32)
    queries, gallery = rows[r.integers(len(rows), size=Q)], rows[r.integers(len(rows), size=G)]
    gallery_labels = r.integers(0, 4, G)
    source = r.integers(-1, G, Q)
    query_labels = np.empty(Q, int)
    for i in range(Q):  # a label of which something is left
        query_labels[i] = r.choice(
            np.delete(gallery_labels, source[i]) if source[i] >= 0 else gallery_labels
        )
    return queries, gallery, query_labels, gallery_labels, source


@pytest.mark.parametrize("ties", ["mean", "best", "worst"])
@pytest.mark.parametrize("drop", [True, False])
def test_ranks_are_the_written_out_definition(ties, drop):
    protocol = dataclasses.replace(CSS, ties=ties, drop_source=drop)
    tied = 0
    for seed in range(25):
        q, g, ql, gl, source = random_case(seed)
        scores = cosines(q, g)
        expected = []
        for i in range(len(q)):
            keep = [j for j in range(len(g)) if not (drop and j == source[i])]
            relevant = [gl[j] == ql[i] for j in keep]
            expected.append(rank_by_hand([scores[i, j] for j in keep], relevant, ties))
            tied += len(set(scores[i, keep])) < len(keep)
        for chunk in (None, 1, 5):
            np.testing.assert_allclose(
                ranks(q, g, ql, gl, source, protocol, chunk).expected, expected
            )
    assert tied > 100


def test_mean_is_the_average_over_random_orders():
    # 2 relevant and 3 irrelevant items tie behind one better: 1 + 1 + 3 / (2 + 1).
    g = np.array([[2, 1], *[[1, 2]] * 5], np.float32)
    labels = [9, 7, 9, 7, 9, 9]
    assert ranks([[2, 1]], g, [7], labels, None, KEEP).expected == pytest.approx(3)


def tirg_hits(sims, source, captions, wanted, k):
    """TIRG's rule, restated: source at -1e11, sort, look for the caption among the first k."""
    sims = sims.copy()
    hits = 0
    for i in range(len(sims)):
        sims[i, source[i]] = -1e11
        nearest = np.argsort(-sims[i])
        hits += wanted[i] in [captions[j] for j in nearest[:k]]
    return hits / len(sims)


def test_six_images_under_tirgs_rule():
    # Angles in degrees; image 0 is everyone's source and looks like a perfect answer.
    angles = np.radians([0, 10, 25, 45, 70, 100])
    images = np.stack([np.cos(angles), np.sin(angles)], 1)
    captions = np.array(["red hat", "red hat", "blue hat", "red cap", "blue hat", "tie"])
    queries = 3 * images[[0, 0, 3, 5]] + 0.01
    wanted = np.array(["red hat", "blue hat", "blue hat", "blue hat"])
    source = np.array([0, 0, 3, 5])
    found = ranks(queries, images, wanted, captions, source, CSS)
    assert found.expected.tolist() == [1, 2, 1, 1]
    sims = images[[0, 0, 3, 5]] @ images.T
    for k in range(1, 6):
        assert recall_at(found, k) == tirg_hits(sims, source, captions, wanted, k)
    # With the source kept, the first query would find itself and the others be pushed back.
    assert ranks(queries, images, wanted, captions, source, KEEP).expected.tolist() == [1, 3, 2, 2]


def gaussian_case(Q=57, G=83, D=16, seed=0):
    r = np.random.default_rng(seed)
    q, g = r.normal(size=(Q, D)).astype("f4"), r.normal(size=(G, D)).astype("f4")
    gl = np.arange(G) % 29
    return q, g, gl[r.integers(G, size=Q)], gl, r.integers(0, G, Q)


def test_order_of_gallery_and_queries_does_not_matter():
    q, g, ql, gl, source = gaussian_case()
    g[40:] = g[:43]  # the same vector under several labels
    expected = ranks(q, g, ql, gl, source, CSS).expected
    r = np.random.default_rng(1)
    new, old = r.permutation(len(g)), r.permutation(len(q))
    place = np.argsort(new)
    found = ranks(q[old], g[new], ql[old], gl[new], place[source[old]], CSS, chunk=7).expected
    np.testing.assert_array_equal(found, expected[old])


def test_lengths_of_vectors_do_not_matter():
    q, g, ql, gl, source = gaussian_case()
    scale = np.float64(10) ** np.random.default_rng(2).integers(-30, 30, (len(g), 1))
    expected = ranks(q, g, ql, gl, source, CSS).expected
    np.testing.assert_array_equal(ranks(q, g * scale, ql, gl, source, CSS).expected, expected)
    np.testing.assert_array_equal(
        ranks(q * np.float32(1e-25), g, ql, gl, source, CSS).expected, expected
    )


def test_scores_within_the_tolerance_tie():
    g = np.array([[1, 0], [1, 1e-3], [1, 1e-2]])  # cosines with (1, 0): 1, 1 - 5e-7, 1 - 5e-5
    for tolerance, expected in ((1e-6, 2), (0.0, 2), (1e-4, 3)):
        worst = dataclasses.replace(KEEP, ties="worst", tie_tolerance=tolerance)
        assert ranks([[1, 0]], g, ["b"], ["a", "b", "c"], None, worst).expected == expected
        best = dataclasses.replace(worst, ties="best")
        assert ranks([[1, 0]], g, ["b"], ["a", "b", "c"], None, best).expected == (
            1 + (tolerance == 0)
        )


def test_strings_and_numbers_are_labels_alike():
    q, g, ql, gl, source = gaussian_case()
    words = np.array([f"label {i}" for i in range(29)])
    expected = ranks(q, g, ql, gl, source, CSS).expected
    for kind in (str, object):
        named = words.astype(kind)
        np.testing.assert_array_equal(
            ranks(q, g, named[ql], named[gl], source, CSS).expected, expected
        )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"query_labels": [1, 5, 5]}, r"2 of 3 queries .* first query 1 \(label 5\)"),
        # Query 0 wants label 1 and would drop the only image that has it.
        ({"source": [1, -1, -1]}, "1 of 3 queries have no relevant item left"),
        ({"source": None}, "leaves the source image out"),
        ({"source": [0, 4, 0]}, "source of query 1 is 4"),
        ({"source": [0, 0, -2]}, "source of query 2 is -2"),
        ({"source": [0.0, 1.0, 2.0]}, r"\(3,\) int"),
        ({"source": [0]}, r"\(3,\) int"),
        ({"query_labels": ["1", "1", "1"]}, "all strings, got int, str"),
        ({"query_labels": [1.0, 1.0, 1.0]}, "got float, int"),
        ({"query_labels": [[1, 1, 1]]}, "one per row"),
        ({"query_labels": [1, 1], "source": [-1, -1]}, "3 query features but 2 query labels"),
        ({"gallery_labels": [1, 1]}, "4 gallery features but 2 gallery labels"),
        ({"queries": np.ones((3, 3))}, "3 dimensions, the gallery 2"),
        ({"queries": np.ones(3)}, r"\(N, D\)"),
        ({"queries": np.array([[1, 1], [0, 0], [1, np.nan]])}, r"2 of 3 query .*row 1 \(zero\)"),
        ({"gallery": np.array([[1, 1]] * 3 + [[1, -np.inf]])}, r"row 3 \(not finite\)"),
        ({"gallery": np.array([["a", "b"]] * 4)}, "numbers"),
        ({"query_labels": []}, "nothing to score"),
        ({"chunk": 0}, "chunk"),
    ],
)
def test_bad_input_is_refused(edit, message):
    case = {
        "queries": np.eye(3, 2) + 1,
        "gallery": np.eye(4, 2) + 1,
        "query_labels": [1, 1, 1],
        "gallery_labels": [0, 1, 2, 3],
        "source": [-1, -1, 0],
        "protocol": CSS,
    }
    ranks(**case)
    with pytest.raises(InputError, match=message):
        ranks(**{**case, **edit})


def test_a_similarity_that_is_not_implemented_is_refused():
    hamming = dataclasses.replace(KEEP, similarity="hamming")
    with pytest.raises(InputError, match="hamming"):
        ranks([[1]], [[1]], [0], [0], None, hamming)


def test_chance_is_what_random_features_reach():
    r = np.random.default_rng(0)
    G, Q = 40, 4000
    gl = np.repeat(np.arange(4), [1, 4, 10, 25])
    ql, source = r.integers(1, 4, Q), r.integers(-1, G, Q)
    counts = pool(ql, gl, source, CSS)
    q, g = r.normal(size=(Q, 400)), r.normal(size=(G, 400))
    found = ranks(q, g, ql, gl, source, CSS)
    for k in (1, 2, 5, 20):
        spread = 3.5 * 0.5 / np.sqrt(Q)
        assert recall_at(found, k) == pytest.approx(chance_recall(counts, k), abs=spread)
    mean = summary(found, CSS, 0, counts)["metrics"]["mean rank"]
    assert mean["value"] == pytest.approx(mean["chance"], rel=0.06)


def test_chance_by_hand():
    # Query 0: 4 left, 1 relevant; queries 1 and 2: 5 left, 3 relevant.
    counts = pool([0, 1, 1], [0, 0, 1, 1, 1], np.array([0, -1, -1]), CSS)
    assert (counts.left.tolist(), counts.relevant.tolist()) == ([4, 5, 5], [1, 3, 3])
    assert chance_recall(counts, 1) == pytest.approx((1 / 4 + 2 * 3 / 5) / 3)
    assert chance_recall(counts, 2) == pytest.approx((1 / 2 + 2 * (1 - 2 / 5 * 1 / 4)) / 3)
    assert chance_recall(counts, 100) == 1
    metrics = summary(Ranks(*np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]])), CSS, 0, counts)[
        "metrics"
    ]
    assert metrics["R@1"]["chance"] == pytest.approx(100 * chance_recall(counts, 1))
    assert metrics["mean rank"]["chance"] == pytest.approx((5 / 2 + 2 * 6 / 4) / 3)


def test_summary_holds_the_protocol_and_every_cutoff():
    q, g, ql, gl, source = gaussian_case()
    protocol = Protocol.from_dict({**CSS.as_dict(), "cutoffs": [1, 20]})
    ranked, result = score(q, g, ql, gl, source, protocol, seed=3)
    found = ranked.expected
    assert json.loads(json.dumps(result)) == result
    assert Protocol.from_dict(result["protocol"]) == protocol
    assert (result["queries"], result["gallery"]) == (57, 83)
    assert list(result["metrics"]) == ["R@1", "R@20", "median rank", "mean rank"]
    for name, value in (
        ("R@20", 100 * np.mean(found <= 20)),
        ("median rank", np.median(found)),
        ("mean rank", found.mean()),
    ):
        metric = result["metrics"][name]
        assert metric["value"] == pytest.approx(value)
        assert metric["low"] < value < metric["high"]
    assert score(q, g, ql, gl, source, protocol, seed=3)[1] == result
    other = score(q, g, ql, gl, source, protocol, seed=4)[1]
    assert other["metrics"]["mean rank"]["low"] != result["metrics"]["mean rank"]["low"]


@pytest.mark.parametrize("name", [n for n, p in PRESETS.items() if p.scorer != "recall"])
def test_a_protocol_that_is_more_than_recall_names_its_command(name):
    q, g, ql, gl, source = gaussian_case()
    with pytest.raises(InputError, match=r"not scored by `cmir score`, .*; use `cmir score-"):
        score(q, g, ql, gl, source, preset(name))


def test_one_target_and_repeated_labels_do_not_go_together(tmp_path):
    names, labels = np.array(["a", "b", "c"]), np.array(["x", "x", "y"])
    save_features(tmp_path / "g.npz", names, np.eye(3), labels=labels)
    save_features(tmp_path / "q.npz", names, np.eye(3), labels=labels, source=names[[2, 2, 0]])
    files = tmp_path / "q.npz", tmp_path / "g.npz"
    with pytest.raises(InputError, match=r"2 images of .*g\.npz have the label 'x'"):
        recall.score_files(*files, preset("own/target"))
    assert recall.score_files(*files, preset("own/same-caption"))["queries"] == 3


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True])
def test_a_seed_out_of_bounds_is_refused(seed):
    with pytest.raises(InputError, match="must be a whole number from 0 to 4294967295"):
        score(*gaussian_case(), CSS, seed=seed)


def test_summary_refuses_what_does_not_belong_together():
    counts = pool([0], [0], None, KEEP)
    with pytest.raises(InputError, match="2 ranks"):
        summary(Ranks.empty(2), KEEP, 0, counts)
    with pytest.raises(InputError, match="5 folds"):
        summary(Ranks.empty(1), dataclasses.replace(KEEP, aggregate="mean of 5 folds"), 0, counts)


@pytest.fixture
def case_files(tmp_path):
    q, g, ql, gl, source = gaussian_case()
    names = np.array([f"image{i}" for i in range(len(g))])
    query_names = np.array([f"query{i}" for i in range(len(q))])
    save_features(tmp_path / "g.npz", names, g, labels=gl)
    save_features(tmp_path / "q.npz", query_names, q, labels=ql, source=names[source])
    return tmp_path, ranks(q, g, ql, gl, source, CSS).expected


def test_truth_from_elsewhere_puts_the_features_in_its_order(case_files):
    folder, expected = case_files
    q, g, ql, gl, source = gaussian_case()
    r = np.random.default_rng(0)
    old, new = r.permutation(len(q)), r.permutation(len(g))
    truth = Truth(
        query_ids=np.array([f"query{i}" for i in old]),
        query_labels=ql[old],
        gallery_ids=np.array([f"image{i}" for i in new]),
        gallery_labels=gl[new],
        source=np.array([f"image{i}" for i in source[old]]),
    )
    result = recall.score_files(folder / "q.npz", folder / "g.npz", CSS, truth=truth)
    assert result["query_ids"] == truth.query_ids.tolist()
    assert result["ranks"] == expected[old].tolist()


def test_files_are_scored_by_what_they_carry(case_files):
    folder, expected = case_files
    result = recall.score_files(folder / "q.npz", folder / "g.npz", CSS.changed(ties="worst"))
    assert result["ranks"] == expected.tolist()  # no ties among Gaussian features
    assert result["protocol"]["name"] == "tirg/css[ties=worst]"
    r5 = result["metrics"]["R@5"]
    shown = [f"{r5[key]:.2f}" for key in ("value", "low", "high", "chance")]
    lines = recall.table(result).splitlines()
    row = next(line for line in lines if line.startswith("R@5 "))
    assert row.replace(" - ", " ").split()[1:] == shown
    assert lines[1] == "57 queries, 83 gallery items"


def test_listed_answers_are_right_as_those_of_the_label_are():
    """Against `ranks` of one query at a time, whose right answers all carry its label."""
    for seed in range(10):
        q, g, ql, gl, source = random_case(seed)
        r = np.random.default_rng(seed)
        also = [r.choice(len(g), r.integers(0, 4), replace=False) for _ in q]
        found = ranks(q, g, ql, gl, source, CSS, also=also)
        counts = pool(ql, gl, source, CSS, also=also)
        for i, rows in enumerate(also):
            labels = gl.copy()
            labels[rows] = ql[i]
            one = q[i : i + 1], g, ql[i : i + 1], labels, source[i : i + 1], CSS
            assert found.expected[i] == ranks(*one).expected[0]
            assert counts.relevant[i] == pool(one[2], labels, one[4], CSS).relevant[0]


def test_rows_listed_outside_the_gallery_are_refused():
    q, g, ql, gl, source = random_case(0)
    for also, message in ([[[0]], "each of 13 queries"], [[[9]] * 13, "not in the gallery"]):
        with pytest.raises(InputError, match=message):
            ranks(q, g, ql, gl, source, CSS, also=also)


def test_files_may_list_further_right_answers(tmp_path):
    """Two targets of one query, no better than each other: both count, and chance says so."""
    ids = np.array(["a", "b", "c", "d"])
    save_features(tmp_path / "g.npz", ids, np.eye(4), labels=ids)
    more = {"labels": ids[:1], "source": ids[3:], "also": np.array([["b", ""]])}
    save_features(tmp_path / "q.npz", np.array(["q"]), np.eye(4)[1:2], **more)
    result = recall.score_files(tmp_path / "q.npz", tmp_path / "g.npz", preset("own/target"))
    assert result["ranks"] == [1]
    assert result["metrics"]["R@1"]["chance"] == pytest.approx(200 / 3)
    with pytest.raises(InputError, match=r"also must be \(N, K\)"):
        save_features(tmp_path / "q.npz", ids[:1], np.eye(4)[1:2], **more | {"also": ids[:1]})
