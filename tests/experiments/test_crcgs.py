"""A label-based run from configuration to record: its stages, found again, resumed, repeated."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import tiny_labels
import torch

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import LABELS
from cmir_repro.evaluation import labels as label_retrieval
from cmir_repro.experiments import crcgs, identity, ledger, versions
from cmir_repro.experiments.crcgs_task import LabelledBatches, LabelledTask
from cmir_repro.experiments.presets.crcgs import FULL, METHODS, REFERENCE, SCALES, configure
from cmir_repro.experiments.run import run
from cmir_repro.report import tables

TINY = {
    "model": {
        "hidden": 16,
        "embed_dim": 8,
        "discriminator_image": (8, 4),
        "discriminator_text": (8, 4),
        "discriminator_steps": 2,
        "memory": 20,
        "contrast": 0.1,
        "support": 0.1,
    },
    "teacher": {"codes": (12, 8), "text_back": 8, "image_back": 8, "steps": 4, "batch": 16},
    "hashing": {"bits": (4, 12), "hidden": 8, "steps": 4, "batch": 16},
    "baseline": {"hidden_image": 8, "hidden_text": 8, "dims": 4},
    "train": {
        "steps": 4,
        "batch": 16,
        "learning_rate": 1e-3,
        "evaluate_every": 2,
        "log_every": 1,
        "schedule": "constant",
        "clip": 0.0,
    },
    "train_of": {},
}
SCORINGS = ["cosine", "hamming-4", "hamming-12"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """Small sizes of everything, the data set "tiny-labels", and folders of our own."""
    monkeypatch.setitem(SCALES, "mini", TINY)
    monkeypatch.setattr(label_retrieval, "RESAMPLES", 20)  # the bootstrap is tested elsewhere
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    tiny_labels.write(tmp_path / "data")


def configured(method=FULL, seed=0, dataset="tiny-labels", training=None, **model):
    return configure(dataset, method=method, seed=seed, model=model, training=training)


def go(config):
    return run(config, progress=False, command="a test")


def opened(config, pixels=False):
    return LabelledTask(config.dataset, config.scale, config.task, pixels, "cpu", False)


def weights(run):
    return {name: value for name, value in run.system.state_dict().items()}


def same_weights(one, other):
    return all(torch.equal(weights(other)[name], value) for name, value in weights(one).items())


def without_seconds(log):
    """Rows as text, so that nan equals nan; floats come out in full."""
    return [str(row) for row in log.drop(columns="seconds").to_dict("records")]


def never(*_, **__):
    pytest.fail("trained again")


# The record


def test_a_run_leaves_record_and_precisions(tmp_path):
    config = configured()
    run = go(config)
    record = ledger.read(run.record.run)
    assert record == run.record
    assert record.config == json.loads(config.model_dump_json())
    assert record.result["protocol"]["name"] == "map-all"
    assert set(record.result["by_scoring"]) == set(SCORINGS)
    assert record.result["metrics"] == record.result["by_scoring"]["cosine"]
    assert (record.result["queries"], record.result["gallery"]) == (14, 58)
    assert {"i2t MAP@all", "t2i MAP@all", "i2t MAP@queries"} <= set(record.result["metrics"])
    assert set(record.result["curves"]["hamming-4"]["i2t"]) == {"precision", "radius"}
    assert record.steps == config.train.steps == 4
    trained = sum(p.numel() for p in run.system.parameters())
    assert record.parameters == trained
    assert identity.current(config)


def test_every_query_is_in_the_ledger_by_scoring_direction_and_depth():
    run = go(configured())
    keys = ["scoring", "direction", "depth", "query"]
    kept = ledger.queries(run.record.run).set_index(keys)["ap"]
    made = run.queries.set_index(keys)["ap"]
    queries = run.task.labelled.ids[run.task.labelled.query]
    cells = itertools.product(SCORINGS, ("i2t", "t2i"), ("all", "queries"), queries)
    assert kept.index.tolist() == made.index.tolist() == list(cells)
    np.testing.assert_allclose(kept, made, atol=5.1e-4)  # kept to a thousandth
    for (scoring, way, depth), mean in kept.groupby(keys[:3]).mean().items():
        metric = run.record.result["by_scoring"][scoring][f"{way} MAP@{depth}"]
        assert mean == pytest.approx(metric["value"], abs=1e-3)


def test_average_precision_by_hand():
    """One text looks for images in the whole database, training images included."""
    run = go(configured(REFERENCE))
    split, labels = run.task.labelled, run.task.labelled.labels
    place = 5
    q = split.query[place]
    t, images = run.features.texts["cosine"][q], run.features.images["cosine"][split.database]
    scores = images @ t / np.linalg.norm(images, axis=1)
    relevant = (labels[split.database] & labels[q]).any(1)[np.argsort(-scores)]
    found, total = 0, 0.0
    for rank, hit in enumerate(relevant, start=1):
        found += hit
        total += hit * found / rank
    wanted = 100 * total / found
    aps = run.queries.query("scoring == 'cosine' and direction == 't2i' and depth == 'all'")["ap"]
    assert aps.iloc[place] == pytest.approx(wanted, rel=1e-4)


def test_a_query_without_a_category_is_left_out_and_has_no_precision():
    labels = tiny_labels.arrays()[LABELS]
    labels[11] = 0
    tiny_labels.write(paths.data(), **{LABELS: labels})
    run = go(configured(REFERENCE))
    result = run.record.result
    assert (result["queries"], result["without_relevant"]) == (14, 1)
    values = ledger.queries(run.record.run).query(
        "scoring == 'hamming-4' and direction == 'i2t' and depth == 'all'"
    )["ap"]
    assert np.isnan(values.to_numpy()).tolist() == [False] * 11 + [True, False, False]
    assert len(tables.points([run.record], {0}, "MAP@all", "cosine")) == 13


def test_codes_are_the_signs_of_heads_on_the_students_features():
    run = go(configured())
    assert run.features.images["cosine"].shape == (tiny_labels.N, 8)
    for bits in (4, 12):
        assert run.features.images[f"hamming-{bits}"].shape == (tiny_labels.N, bits)
        assert run.features.texts[f"hamming-{bits}"].dtype == bool
    task = run.task
    with torch.no_grad():
        u = run.system.encode_images(task.images(np.arange(tiny_labels.N)))
    np.testing.assert_allclose(run.features.images["cosine"], u, atol=1e-6)


def test_the_log_tells_the_terms_and_the_validation():
    run = go(configured())
    log = run.log
    assert {"base", "distill", "adversary", "contrast", "support", "discriminator"} <= set(log)
    validations = log[log["val selection"].notna()]
    assert validations["step"].tolist() == [2, 4]
    mean = (validations["val i2t MAP"] + validations["val t2i MAP"]) / 2
    np.testing.assert_allclose(validations["val selection"], mean, atol=2e-3)
    assert "support" not in go(configured(REFERENCE)).log


def test_validation_looks_for_training_images_only():
    """No query of the test split may decide which step is kept."""
    config = configured(REFERENCE)
    experiment = crcgs.LabelExperiment(config, progress=False)
    asked = []

    def note(queries, database, query_labels, database_labels, protocol):
        asked.append((len(queries), len(database), len(query_labels), len(database_labels)))
        return {"all": np.ones(len(queries))}, {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_retrieval, "score", note)
        assert experiment.validate(experiment.build()) == {
            "i2t MAP": 100.0,
            "t2i MAP": 100.0,
            "selection": 100.0,
        }
    assert asked == [(10, 48, 10, 48)] * 2


# Found again, shared, repeated


@pytest.mark.parametrize("method", [FULL, "DCMH", "CCA, ITQ"])
def test_a_finished_run_is_found_again(method, monkeypatch):
    config = configured(method)
    first = go(config)
    monkeypatch.setattr("cmir_repro.experiments.job.train", never)
    real = crcgs.train

    def stage(system, batches, how, folder, **more):
        before = (folder / "last.json").read_bytes()
        real(system, batches, how, folder, **more)
        assert (folder / "last.json").read_bytes() == before  # read, not trained

    monkeypatch.setattr(crcgs, "train", stage)
    again = go(config)
    assert again.record == first.record
    for scoring, values in first.features.images.items():
        np.testing.assert_array_equal(again.features.images[scoring], values)
    pd.testing.assert_frame_equal(again.queries, first.queries)


def test_methods_of_a_seed_share_their_teachers_and_seeds_do_not(monkeypatch):
    go(configured())
    kept = {path.name: (path / "last.json").read_bytes() for path in taught()}
    assert len(kept) == 1
    go(configured("CRCGS without distillation"))
    go(configured(REFERENCE))
    assert {path.name: (path / "last.json").read_bytes() for path in taught()} == kept
    go(configured(seed=1))
    assert len(taught()) == 2
    go(configured("Released"))  # of another form
    assert len(taught()) == 3


def taught():
    return sorted(paths.runs().glob("[!.]*-teachers-*"))


def test_a_seed_repeats_exactly_and_another_differs(monkeypatch, tmp_path):
    first = go(configured())
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / "again" / name))
    again = go(configured())
    assert same_weights(first, again)
    assert without_seconds(first.log) == without_seconds(again.log)
    for scoring in SCORINGS:
        np.testing.assert_array_equal(first.features.texts[scoring], again.features.texts[scoring])
    assert again.record.checkpoint_sha256 == first.record.checkpoint_sha256
    other = go(configured(seed=1))
    assert not same_weights(first, other)
    assert other.record.run != first.record.run
    assert (other.features.images["cosine"] != first.features.images["cosine"]).all()


def test_a_run_broken_off_goes_on_as_if_nothing_had_happened(monkeypatch, tmp_path):
    """Discriminators and their optimiser, memory and the count of updates are kept."""
    config = configured()  # every step is saved here
    every = config.train.model_copy(update={"evaluate_every": 1, "log_every": 1})
    config = config.model_copy(update={"train": every})
    whole = go(config)
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / "again" / name))
    real = LabelledBatches.__call__

    def breaks(self, step, *rest):
        if step == 2 and self.more.keys() == {"f", "g"}:  # the student's, no other stage's
            raise KeyboardInterrupt
        return real(self, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(LabelledBatches, "__call__", breaks)
        with pytest.raises(KeyboardInterrupt):
            go(config)
    assert not ledger.exists(whole.record.run)
    resumed = go(config)
    assert same_weights(whole, resumed)
    assert without_seconds(whole.log) == without_seconds(resumed.log)
    assert resumed.record.result == whole.record.result


def test_what_is_broken_off_in_the_teachers_or_heads_goes_on_too(monkeypatch, tmp_path):
    whole = go(configured())
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / "again" / name))
    real = LabelledBatches.__call__
    for stage in (set(), {"u", "v"}):

        def breaks(self, step, *rest, stage=stage):
            if step == 2 and self.more.keys() == stage:
                raise KeyboardInterrupt
            return real(self, step, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(LabelledBatches, "__call__", breaks)
            with pytest.raises(KeyboardInterrupt):
                go(configured())
    resumed = go(configured())
    for scoring in SCORINGS:
        np.testing.assert_array_equal(
            whole.features.images[scoring], resumed.features.images[scoring]
        )


def test_the_untrained_student_is_the_one_training_began_with():
    config = configured(training={"learning_rate": 1e-12})
    done = go(config)
    start = done.experiment.encode(done.experiment.untrained())
    u, v = start.images["cosine"], start.texts["cosine"]
    np.testing.assert_allclose(done.features.images["cosine"], u, atol=1e-5)
    np.testing.assert_allclose(done.features.texts["cosine"], v, atol=1e-5)
    trained = go(configured(training={"learning_rate": 1e-2}))
    assert not np.allclose(trained.features.images["cosine"], u, atol=1e-2)


# Methods


@pytest.mark.parametrize("method", METHODS)
def test_every_student_runs(method):
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
    with pytest.raises(InputError):
        go(configured())


def test_what_cannot_be_run_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(crcgs, "train", never)
    monkeypatch.setattr("cmir_repro.experiments.job.train", never)
    for config, message in (
        (configure("tiny-labels", "3d-colour"), "task of tiny-labels"),
        (configured(dataset="tiny-lables"), "not prepared yet"),
        (configured(REFERENCE, training={"batch": 49}), "batch 49 is larger than the 48"),
        (configured(REFERENCE, image_encoder="convnet"), "pixels|views?"),
    ):
        with pytest.raises(InputError, match=message):
            go(config)


def test_records_of_another_version_are_not_current_and_neither_are_teachers(monkeypatch):
    config = configured()
    go(config)
    assert identity.current(config)
    monkeypatch.setitem(versions.VERSIONS, "crcgs", 2)
    assert not identity.current(config)
    go(config)
    assert identity.current(config)
    assert len(taught()) == 2
