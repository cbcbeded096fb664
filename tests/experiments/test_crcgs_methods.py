"""Every method of label-based retrieval runs, and what cannot be run is refused."""

import numpy as np
import pytest
import tiny_labels
from tiny_label_runs import SCORINGS, configured, go, make_tiny, never

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import crcgs
from cmir_repro.experiments.presets.crcgs import METHODS, REFERENCE, configure
from cmir_repro.report import tables


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    make_tiny(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def shared_runs(tmp_path_factory):
    """A folder in which methods find the teachers of others."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("method", METHODS)
def test_every_student_runs(method, shared_runs, monkeypatch):
    monkeypatch.setenv("CMIR_RUNS", str(shared_runs))
    run = go(configured(method))
    assert all(
        np.isfinite(values).all()
        for values in (*run.features.images.values(), *run.features.texts.values())
    )
    assert list(run.record.result["by_scoring"]) == SCORINGS


def test_baselines_run_and_stand_in_one_table_with_students():
    for method in ("CCA, ITQ", "DCMH", REFERENCE):
        go(configured(method))
    found = tables.finished("crcgs", "tiny-labels", "mini", "labels")
    assert list(found) == ["CCA, ITQ", "DCMH", REFERENCE]
    table = tables.means(found)
    assert set(table[table["method"] == "DCMH"]["scoring"]) == {"hamming-4", "hamming-12"}
    fitted = table[table["method"] == "CCA, ITQ"]
    assert fitted["scoring"].unique().tolist() == SCORINGS  # from short to long


def test_what_is_fitted_has_no_steps_and_an_empty_log():
    run = go(configured("CCA, ITQ"))
    assert (run.record.steps, run.record.parameters, len(run.log)) == (0, 0, 0)
    assert list(run.record.result["by_scoring"]) == SCORINGS


def test_dcmh_is_selected_by_its_longest_code():
    run = go(configured("DCMH"))
    validations = run.log[run.log["val selection"].notna()]
    assert validations["step"].tolist() == [2, 4]
    assert run.record.validation["val selection"] == validations["val selection"].max()


def test_pictures_of_scenes_are_read_by_a_net(tiny_css, monkeypatch):
    config = configured(dataset="css", image_encoder="convnet")
    run = go(config)
    assert len(run.task.pictures) == len(run.features.images["cosine"])
    assert run.record.data["kind"] == "rendered"
    assert not same_features(run, go(configured(dataset="css")))


def same_features(one, other):
    return np.allclose(one.features.images["cosine"], other.features.images["cosine"])


# Refusals


def test_a_data_set_without_validation_images_trains_to_the_last_step():
    splits = ["train" if split == "val" else split for split in tiny_labels.SPLITS]
    tiny_labels.write(paths.data(), splits)
    run = go(configured(training={"selection": "last"}))
    assert run.record.selection == crcgs.LabelExperiment.selections["last"]
    assert "val selection" not in run.log
    assert run.record.result["gallery"] == 58


def test_what_cannot_be_run_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(crcgs, "train", never)
    monkeypatch.setattr("cmir_repro.experiments.job.train", never)
    for config, message in (
        (configure("tiny-labels", "3d-colour"), "task of tiny-labels"),
        (configured(dataset="tiny-lables"), "not prepared yet"),
        (configured(REFERENCE, image_encoder="convnet"), "prepared without pictures"),
    ):
        with pytest.raises(InputError, match=message):
            go(config)
