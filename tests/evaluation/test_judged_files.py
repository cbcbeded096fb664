"""The same predictions score the same, whatever form they are given in."""

import numpy as np
import pytest
import tiny_benchmarks
import tiny_releases

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data.readers import benchmarks
from cmir_repro.evaluation import judged as scoring
from cmir_repro.evaluation import ranked_lists
from cmir_repro.evaluation.features import save_features
from cmir_repro.evaluation.judged_files import score_files

D = 5
RULE = preset("circo/official")


@pytest.fixture
def circo(tmp_path):
    """A release, a folder of features, and the cosines of these."""
    root = tiny_benchmarks.circo(tmp_path / "circo")
    judged = benchmarks.circo(root)
    draw = np.random.default_rng(0)
    queries, images = (draw.normal(size=(len(x), D)) for x in (judged.ids, judged.images))
    folder = tmp_path / "features"
    folder.mkdir()
    save_features(folder / "queries.npz", judged.ids[::-1], queries[::-1])
    save_features(folder / "images.npz", judged.images, images)
    scores = scoring.of_features(queries, images, judged.images)
    return root, folder, judged, scores(np.arange(len(queries)), judged.images)


def without_given(result):
    return {key: value for key, value in result.items() if key != "given"}


def test_every_form_scores_the_same(circo, tmp_path):
    root, folder, judged, cosines = circo
    wanted = score_files(folder, root, RULE, lists=tmp_path / "run.trec")
    assert wanted["given"] == "features"
    forms = {"scores": cosines[:, ::-1], "distances": 1 - cosines[:, ::-1].astype(np.float64)}
    for kind, matrix in forms.items():
        path = tmp_path / f"{kind}.npz"
        names = {"queries": judged.ids, "images": judged.images[::-1]}
        np.savez(path, **names, **{kind: matrix})
        found = score_files(path, root, RULE)
        assert found["given"] == kind
        assert without_given(found) == without_given(wanted)
    for path in (tmp_path / "run.trec", tmp_path / "run.parquet"):
        if path.suffix == ".parquet":
            ranked_lists.write(path, ranked_lists.read(tmp_path / "run.trec"))
        found = score_files(path, root, RULE)
        assert found["given"] == "ranked lists"
        assert found["metrics"] == wanted["metrics"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("queries", r"features: 1 of 12 query features are zero .* first that of '2' \(zero\)"),
        ("images", r"features: 1 of 60 image features are zero .* first that of '1014' \(zero\)"),
    ],
)
def test_a_zero_vector_is_named(file, message, circo):
    root, folder, judged, _ = circo
    ids = judged.ids if file == "queries" else judged.images
    features = np.ones((len(ids), D))
    features[2] = 0
    save_features(folder / f"{file}.npz", ids, features)
    with pytest.raises(InputError, match=message):
        score_files(folder, root, RULE)


def test_faults_of_lists_and_of_annotations_name_them(circo, tmp_path):
    root, folder, _, _ = circo
    score_files(folder, root, RULE, lists=tmp_path / "run.parquet")
    lists = ranked_lists.read(tmp_path / "run.parquet")
    ranked_lists.write(tmp_path / "run.parquet", {k: v for k, v in lists.items() if k != "3"})
    with pytest.raises(InputError, match=r"run.parquet: 1 of 12 queries have no ranked list"):
        score_files(tmp_path / "run.parquet", root, RULE)
    with pytest.raises(InputError, match=f"^{root}: 12 of 12 queries have no answers"):
        score_files(folder, root, RULE, "test")


@pytest.mark.parametrize("name", ["run.trec", "run.parquet"])
def test_what_ties_among_features_ties_in_their_lists(name, tmp_path):
    """Cosines closer than 1e-6, and chains of them: their order is nobody's choice."""
    root = tiny_benchmarks.circo(tmp_path / "circo")
    judged = benchmarks.circo(root)
    draw = np.random.default_rng(0)
    angle = draw.integers(0, 6, len(judged.images)) / 6 + draw.random(len(judged.images)) * 4e-6
    images = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    save_features(tmp_path / "images.npz", judged.images, images)
    save_features(tmp_path / "queries.npz", judged.ids, draw.normal(size=(len(judged.ids), 2)))
    wanted = score_files(tmp_path, root, RULE, lists=tmp_path / name)
    assert score_files(tmp_path / name, root, RULE)["metrics"] == wanted["metrics"]
    exact = scoring.of_features(
        *(np.load(tmp_path / f"{x}.npz")["features"] for x in ("queries", "images")), judged.images
    )
    untied = scoring.of_scores(judged, exact, RULE, 0.0)
    assert scoring.summary(judged, untied, RULE)["metrics"] != wanted["metrics"]


def test_lists_and_judgements_score_as_the_benchmark_without_it(circo, tmp_path):
    root, folder, _, _ = circo
    score_files(folder, root, RULE, lists=tmp_path / "run.trec", depth=50)
    own = preset("own/judged")
    found = score_files(tmp_path / "run.trec", tmp_path / "run.trec.qrels", own)
    benchmark = score_files(folder, root, RULE)
    assert found["metrics"]["mAP@10"] != benchmark["metrics"]["mAP@10"]  # chance differs
    for name in ("mAP@10",):
        value = found["metrics"][name]["value"]
        assert value == pytest.approx(benchmark["metrics"][name]["value"])
    again = score_files(folder, tmp_path / "run.trec.qrels", own)
    assert again["metrics"]["nDCG@10"]["value"] == found["metrics"]["nDCG@10"]["value"]


def test_an_answer_that_no_list_holds_counts_as_not_found(tmp_path):
    # Of query 2 nothing is judged: as trec_eval, it does not count.
    (tmp_path / "run.trec").write_text("1 Q0 a 1 2 t\n1 Q0 b 2 1 t\n2 Q0 a 1 2 t\n")
    (tmp_path / "qrels").write_text("1 0 b 1\n1 0 z 1\n")
    found = score_files(tmp_path / "run.trec", tmp_path / "qrels", preset("own/judged"))
    assert found["metrics"]["mAP@10"]["value"] == pytest.approx(100 * (1 / 2) / 2)
    assert found["metrics"]["MRR@10"]["value"] == 50


def test_queries_that_the_leaderboard_merged_may_be_in_the_file(tmp_path):
    root = tiny_releases.cirr(tmp_path / "cirr")

    def edit(entries):
        entries[1].update(entries[0], pairid=101)

    tiny_releases.change(root / "captions/cap.rc2.val.json", edit)
    judged = benchmarks.mteb_cirr(root)
    draw = np.random.default_rng(0)
    save_features(tmp_path / "images.npz", judged.images, draw.normal(size=(24, D)))
    save_features(tmp_path / "queries.npz", np.array(["100", "101"]), draw.normal(size=(2, D)))
    assert score_files(tmp_path, root, preset("mteb/cirr"))["queries"] == 1


def test_one_file_of_images_serves_every_rule_of_a_benchmark(tmp_path):
    """The gallery is what the annotations say, and what else a file holds is not ranked."""
    root = tiny_releases.cirr(tmp_path / "cirr")
    every, val = benchmarks.mteb_cirr(root), benchmarks.cirr(root)
    assert len(every.images) > len(val.images)
    draw = np.random.default_rng(0)
    images = draw.normal(size=(len(every.images), D))
    save_features(tmp_path / "queries.npz", val.ids, draw.normal(size=(len(val.ids), D)))
    found = []
    for kept in (np.isin(every.images, val.images), np.ones(len(images), bool)):
        save_features(tmp_path / "images.npz", every.images[kept], images[kept])
        found.append(score_files(tmp_path, root, preset("cirr/recall")))
    assert found[0] == found[1]
    assert found[0]["gallery"] == len(val.images)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"scores": None}, "must have one of the keys scores and distances"),
        ({"distances": np.ones((2, 2))}, "must have one of the keys scores and distances"),
        ({"scores": np.ones((3, 3))}, r"scores must be 12x60 numbers, .* got 3x3 float64"),
        ({"scores": np.ones((12, 60), bool)}, r"scores must be 12x60 numbers, .* got 12x60 bool"),
        ({"scores": np.full((12, 60), np.nan)}, r"a.npz: scores of 12 of 12 queries are NaN"),
        ({"queries": None}, "has no key queries"),
        ({"queries": np.arange(12)}, "queries must be text"),
        ({"queries": np.array([f"x{i}" for i in range(12)])}, "queries lack 12 of 12"),
    ],
)
def test_matrices_that_cannot_be_used(arrays, message, circo, tmp_path):
    root, _, judged, cosines = circo
    whole = {"queries": judged.ids, "images": judged.images, "scores": cosines} | arrays
    np.savez(tmp_path / "a.npz", **{k: v for k, v in whole.items() if v is not None})
    with pytest.raises(InputError, match=message) as caught:
        score_files(tmp_path / "a.npz", root, RULE)
    assert "\n" not in str(caught.value)


def test_other_protocols_and_depths_are_refused(circo, tmp_path):
    root, folder, _, _ = circo
    with pytest.raises(InputError, match="use `cmir score-triplets`"):
        score_files(folder, root, preset("cirr/official"))
    with pytest.raises(InputError, match="depth must be at least 1"):
        score_files(folder, root, RULE, lists=tmp_path / "a.trec", depth=0)
    with pytest.raises(InputError, match=r"a.csv must end in .parquet"):  # before anything is read
        score_files(tmp_path / "nowhere", root, RULE, lists=tmp_path / "a.csv")
    for name in ("no.trec", "no.npz", "nowhere"):
        with pytest.raises(InputError, match=r"does not exist; give a folder with images.npz"):
            score_files(tmp_path / name, root, RULE)
    (folder / "queries.npz").unlink()
    with pytest.raises(InputError, match=r"queries.npz does not exist"):
        score_files(folder, root, RULE)
