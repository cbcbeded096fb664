"""CIRR through its script: from the raw layout, made small here, to the prepared one."""

import command_line
import numpy as np
import pytest
from tiny_releases import cirr, draw, picture

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashioniq_cirr as annotations
from cmir_repro.evaluation import fashioniq_cirr
from cmir_repro.experiments import run as experiments
from cmir_repro.experiments.dim import official_scores
from cmir_repro.experiments.presets.dim import configure
from data_scripts import cirr as script


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    return cirr(tmp_path / "raw", train_captions=False)


@pytest.fixture
def photos(root, tmp_path):
    return draw(tmp_path / "photos", annotations.cirr(root).images["path"].tolist())


CONFIG = configure(
    "cirr",
    method="TIRG",
    model={"image_encoder": "convnet", "image_weights": "none", "embed_dim": 16},
    training={"steps": 3, "batch": 3, "evaluate_every": 3},
)


def run(root, *more) -> Prepared:
    command_line.run(script.prepare, "--root", str(root), "--partial", *more)
    return Prepared(paths.data() / "cirr")


def test_the_release_comes_into_the_prepared_layout(root, photos, capsys):
    data = run(root, "--images", photos, "--size", 16)
    out = capsys.readouterr().out
    assert "absent: captions/cap.rc2.train.json" in out
    assert "nothing can train on this: there are no captions of train (captions/cap.rc2.t" in out
    assert data.info["counts"]["test"] == {"images": 8, "queries": 2}  # val as released
    assert data.info["counts"]["train"] == {"images": 0, "queries": 0}
    assert data.info["protocol"] == "cirr/val-all"
    lines = data.info["left_out"]
    assert "queries without a target: 2" in lines
    assert "images of train that no query needs: 8" in lines
    assert "captions/cap.rc2.train.json: not in this copy of the release" in lines
    for row in range(len(data.images)):
        name = data.images["image"][row]
        assert (data.take("photo", np.array([row])) == picture(name)[0, 0]).all()
    with pytest.raises(InputError, match="cirr has 0 examples to train on, and at least 4"):
        experiments.run(CONFIG, progress=False)


def test_nothing_left_is_refused_and_an_empty_split_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = cirr(tmp_path / "raw", train_triplets=8)
    (tmp_path / "empty").mkdir()
    given = ("--images", tmp_path / "empty", "--allow-missing", "--size", 8)
    with pytest.raises(InputError, match="none is there"):
        run(root, *given)
    images = annotations.cirr(root).images
    photos = draw(tmp_path / "empty", images.loc[images["split"] == "train", "path"].tolist())
    data = run(root, *given)
    assert data.info["counts"]["test"] == {"images": 0, "queries": 0}
    assert "nothing is left of test/all: all 8 pictures are missing" in capsys.readouterr().out
    (data.folder / "dataset.json").unlink()
    for file in sorted(photos.rglob("*.png"))[1:]:  # one picture, which no query can do with
        file.unlink()
    with pytest.raises(InputError, match="no query is left"):
        run(root, *given)


def test_it_trains_and_is_scored_with_subset_recall(tmp_path, monkeypatch):
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    root = cirr(tmp_path / "raw", train_triplets=8)
    photos = draw(tmp_path / "photos", annotations.cirr(root).images["path"].tolist())
    data = run(root, "--images", photos, "--size", 32)
    assert data.info["counts"]["val"]["queries"] == 1
    assert data.info["counts"]["train"]["queries"] >= 3
    trained = experiments.run(CONFIG, progress=False)
    protocol = trained.record.result["protocol"]
    assert protocol["name"] == "cirr/val-all"
    assert "subset_cutoffs" not in protocol  # nothing that was not measured
    (result,) = official_scores(trained).values()
    assert result["protocol"]["name"] == "cirr/official"
    # Over the whole split both rules are one.
    assert result["categories"]["all"]["ranks"] == trained.queries["rank"].tolist()
    assert result["metrics"]["R_s@3"]["chance"] == pytest.approx(100 * 3 / 5)


def test_subset_recall_from_the_prepared_tables(root):
    t = fashioniq_cirr.of_prepared(run(root, "--annotations-only"))
    assert [len(m) for m in t.members] == [6, 6]
    images = np.eye(8)
    target = [t.images.tolist().index(name) for name in t.target]
    right = fashioniq_cirr.score(t, images, lambda _: images[target], preset("cirr/official"))
    assert right["metrics"]["R_s@1"]["value"] == 100
    assert right["metrics"]["R@1"]["value"] == 100


def test_a_missing_member_leaves_the_subset_and_is_recorded(root, photos):
    (photos / "dev" / "dev-5-0-img1.png").unlink()
    with pytest.raises(InputError, match=r"test/all 1 of 8 images, which 0 of its 2 queries"):
        run(root, "--images", photos)
    data = run(root, "--images", photos, "--size", 8, "--allow-missing")
    t = fashioniq_cirr.of_prepared(data)
    assert [len(m) for m in t.members] == [5, 5]
    assert t.missing == 1


def test_train_captions_are_taken_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    data = run(cirr(tmp_path / "raw"), "--annotations-only")
    assert data.info["counts"]["train"]["queries"] == 2
    assert data.info["provenance"]["absent"] == []


def test_the_audit_refuses_other_counts(root):
    with pytest.raises(InputError, match=r"first images, train: 8, expected 16939"):
        command_line.run(script.prepare, "--root", str(root), "--annotations-only")
    assert not (paths.data() / "cirr").exists()


def test_the_real_release_has_the_known_counts(real_data):
    counts = script.facts(annotations.cirr(real_data("cirr")))
    assert {key: counts[key] for key in script.EXPECTED} == script.EXPECTED
