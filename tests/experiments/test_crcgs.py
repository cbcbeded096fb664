"""A label-based run from configuration to record: its stages, found again, resumed, repeated."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import tiny_labels
import torch
from tiny_label_runs import SCORINGS, configured, go, make_tiny, never

from cmir_repro.core import paths
from cmir_repro.data.labelled import LABELS
from cmir_repro.evaluation import labels as label_retrieval
from cmir_repro.experiments import crcgs, identity, ledger, versions
from cmir_repro.experiments.crcgs_task import LabelledBatches
from cmir_repro.experiments.presets.crcgs import FULL, REFERENCE
from cmir_repro.report import tables


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    make_tiny(monkeypatch, tmp_path)


def weights(run):
    return {name: value for name, value in run.system.state_dict().items()}


def same_weights(one, other):
    return all(torch.equal(weights(other)[name], value) for name, value in weights(one).items())


def without_seconds(log):
    """Rows as text, so that nan equals nan; floats come out in full."""
    return [str(row) for row in log.drop(columns="seconds").to_dict("records")]


# The record


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the whole method, and where its ledger is."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("finished")
        make_tiny(patch, root)
        return go(configured()), root / "results"


@pytest.fixture
def kept(finished, monkeypatch):
    """That run, its ledger in place; only to be read."""
    monkeypatch.setenv("CMIR_RESULTS", str(finished[1]))
    return finished[0]


def test_a_run_leaves_record_and_precisions(kept):
    config, run = configured(), kept
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


def test_every_query_is_in_the_ledger_by_scoring_direction_and_depth(kept):
    run = kept
    keys = ["scoring", "direction", "depth", "query"]
    stored = ledger.queries(run.record.run).set_index(keys)["ap"]
    made = run.queries.set_index(keys)["ap"]
    queries = run.task.labelled.ids[run.task.labelled.query]
    cells = itertools.product(SCORINGS, ("i2t", "t2i"), ("all", "queries"), queries)
    assert stored.index.tolist() == made.index.tolist() == list(cells)
    np.testing.assert_allclose(stored, made, atol=5.1e-4)  # kept to a thousandth
    for (scoring, way, depth), mean in stored.groupby(keys[:3]).mean().items():
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


def test_codes_are_the_signs_of_heads_on_the_students_features(kept):
    run = kept
    assert run.features.images["cosine"].shape == (tiny_labels.N, 8)
    for bits in (4, 12):
        assert run.features.images[f"hamming-{bits}"].shape == (tiny_labels.N, bits)
        assert run.features.texts[f"hamming-{bits}"].dtype == bool
    task = run.task
    with torch.no_grad():
        u = run.system.encode_images(task.images(np.arange(tiny_labels.N)))
    np.testing.assert_allclose(run.features.images["cosine"], u, atol=1e-6)


def test_the_log_tells_the_terms_and_the_validation(kept):
    log = kept.log
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


def test_records_of_another_version_are_not_current_and_neither_are_teachers(monkeypatch):
    config = configured()
    go(config)
    assert identity.current(config)
    monkeypatch.setitem(versions.VERSIONS, "crcgs", 2)
    assert not identity.current(config)
    go(config)
    assert identity.current(config)
    assert len(taught()) == 2
