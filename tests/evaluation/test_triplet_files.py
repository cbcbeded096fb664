"""FashionIQ and CIRR from anyone's files and the released annotations, by one rule."""

import json

import numpy as np
import pytest
import tiny_releases

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS, preset
from cmir_repro.data.readers import fashioniq_cirr as releases
from cmir_repro.evaluation import fashioniq_cirr, triplet_files
from cmir_repro.evaluation.features import save_features
from cmir_repro.evaluation.triplet_files import score_files, table

D = 5


@pytest.fixture
def cirr(tmp_path):
    """A release, its triplets and a folder of features whose ids are the release's."""
    root = tiny_releases.cirr(tmp_path / "cirr")
    found = releases.cirr(root)
    triplets = fashioniq_cirr.of_tables(found.images, found.queries, "val")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(len(triplets.images), D))
    queries = rng.normal(size=(len(triplets.ids), D))
    save_features(tmp_path / "images.npz", triplets.images[::-1], images[::-1])
    return root, triplets, tmp_path, images, queries


def test_queries_of_cirr_are_called_by_their_pairid(cirr):
    root, triplets, folder, images, queries = cirr
    pairs = json.loads((root / "captions/cap.rc2.val.json").read_text())
    ids = np.array([str(entry["pairid"]) for entry in pairs])
    save_features(folder / "queries-1.npz", ids[::-1], queries[::-1])
    rule = preset("cirr/official")
    found = score_files(folder, root, rule)
    assert found == fashioniq_cirr.score(triplets, images, lambda _: queries, rule)
    # Ids as the prepared data set has them are as good.
    save_features(folder / "queries-1.npz", triplets.ids, queries)
    assert score_files(folder, root, rule) == found
    assert "mean of R@5 and R_s@1" in table(found)


def test_queries_of_fashioniq_are_called_by_category_and_place(tmp_path):
    root = tiny_releases.fashioniq(tmp_path / "fashioniq")
    found = releases.fashioniq(root)
    triplets = fashioniq_cirr.of_tables(found.images, found.queries, "val")
    rng = np.random.default_rng(1)
    images = rng.normal(size=(len(triplets.images), D))
    queries = {text: rng.normal(size=(len(triplets.ids), D)) for text in ("1", "2")}
    save_features(tmp_path / "images.npz", triplets.images, images)
    ids = np.array([f"{c}/{i}" for c in ("dress", "shirt", "toptee") for i in range(2)])
    for text, features in queries.items():
        save_features(tmp_path / f"queries-{text}.npz", ids, features)
    rule = preset("fashioniq/val-union")
    scored = score_files(tmp_path, root, rule)
    assert scored == fashioniq_cirr.score(triplets, images, queries.__getitem__, rule)
    shown = table(scored)
    for part in ("dress: ", "shirt: ", "toptee: ", "mean of R@10 and R@50"):
        assert part in shown


def test_the_printed_averages_are_means_of_their_recalls(cirr):
    _, triplets, _, images, queries = cirr
    found = fashioniq_cirr.score(triplets, images, lambda _: queries, preset("cirr/official"))
    metrics = found["metrics"]
    for key in ("value", "chance"):
        mean = (metrics["R@5"][key] + metrics["R_s@1"][key]) / 2
        assert metrics["mean of R@5 and R_s@1"][key] == pytest.approx(mean)
    assert "mean of R@10 and R@50" in metrics  # CIRR has both cut-offs


def test_averages_leave_the_intervals_of_recalls_alone(cirr, monkeypatch):
    _, triplets, _, images, queries = cirr
    arguments = triplets, images, lambda _: queries, preset("cirr/official")
    found = fashioniq_cirr.score(*arguments)["metrics"]
    monkeypatch.setattr(fashioniq_cirr, "AVERAGES", ())
    without = fashioniq_cirr.score(*arguments)["metrics"]
    assert without == {name: found[name] for name in without}
    assert len(without) == len(found) - 2


def test_what_does_not_fit_is_refused_in_one_line(cirr):
    root, triplets, folder, _, queries = cirr
    rule = preset("cirr/official")
    with pytest.raises(InputError, match=r"queries-1\.npz does not exist; cirr/official needs"):
        score_files(folder, root, rule)
    save_features(folder / "queries-1.npz", np.array(["a", "b"]), queries)
    with pytest.raises(InputError, match="lacks 2 of 2 expected ids"):
        score_files(folder, root, rule)
    save_features(folder / "queries-1.npz", triplets.ids, queries)
    with pytest.raises(InputError, match="has folders captions and image_splits"):
        score_files(folder, folder, rule)
    with pytest.raises(InputError, match="no query with a target"):
        score_files(folder, root, rule, split="test")


@pytest.mark.parametrize("name", [n for n, p in PRESETS.items() if p.scorer != "fashioniq_cirr"])
def test_rules_of_other_data_name_their_command(cirr, name):
    root, _, folder, _, _ = cirr
    with pytest.raises(InputError, match=r"use `cmir score[a-z-]*`$"):
        triplet_files.score_files(folder, root, preset(name))
