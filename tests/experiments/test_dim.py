"""A run from configuration to record: what a record says, what is kept, and what makes it anew."""

import dataclasses
import importlib
import json
import linecache
import signal
import sys

import numpy as np
import pytest
import tiny_photos
import torch

from cmir_repro.analysis import modality_gap
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data.prepared import Prepared
from cmir_repro.evaluation import recall as evaluate
from cmir_repro.experiments import dim as experiment
from cmir_repro.experiments import identity, job, ledger, versions
from cmir_repro.experiments.dim import gap, score
from cmir_repro.experiments.dim_embedding import embed
from cmir_repro.experiments.dim_task import QueryBatches, Task, tokeniser
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.experiments.run import run
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.systems.dim import Composed
from cmir_repro.training import checkpoint
from cmir_repro.training.loop import train

MODEL = {"embed_dim": 16}
TRAINING = {"steps": 6, "batch": 16, "evaluate_every": 3, "log_every": 1}
PHOTOS = {"dataset": "photos", "training": {"batch": 8}}
PIXELS = {"image_encoder": "convnet", "image_weights": "none"}


def configured(method="TIRG + DIM", training=None, model=None, dataset="css", **rest):
    model = MODEL | ({} if dataset == "css" else PIXELS) | (model or {})
    return configure(
        dataset, method=method, training=TRAINING | (training or {}), model=model, **rest
    )


def go(config):
    return run(config, progress=False, command="a test")


@pytest.fixture
def task(tiny_css):
    return Task(tiny_css, "3d-3d", "cpu")


@pytest.fixture
def photos(tiny_css, monkeypatch, tmp_path):
    """A data set whose pairs are drawn, under the name that the tables have for photographs."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    return tiny_photos.write(tmp_path / "data" / "photos")


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(job, "train", refuse)


def embedded(task, split):
    torch.manual_seed(0)
    config = configured("TIRG").model
    tokens = tokeniser(config, task)
    return embed(Composed(config, len(tokens)), task, tokens, split)


# Scores


def test_a_record_holds_the_modality_gap_of_its_pairs(task, monkeypatch):
    part, found = task.split("test"), embedded(task, "test")
    assert gap(found, task) == {}  # of so few pairs it would say nothing
    monkeypatch.setattr(experiment, "GAP_FEWEST", 2)
    measured = gap(found, task)["gap"]
    target = found.gallery[part.target]
    for name, vectors in (("text - target", found.texts), ("query - target", found.queries)):
        for key in ("alignment", "centroid_distance"):
            exact = getattr(modality_gap, key)(vectors, target)
            assert measured[name][key] == pytest.approx(exact)
    only_files = gap(dataclasses.replace(found, texts=None), task)["gap"]
    assert only_files == {"query - target": measured["query - target"]}


def test_a_score_is_the_sorted_one(task):
    part = task.split("test")
    found = embedded(task, "test")
    ranks, result = score(found, task.data, "test")
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (found.queries, found.gallery)]
    for q, row in enumerate(unit[0] @ unit[1].T):
        row[part.source[q]] = -np.inf
        order = np.argsort(-row)
        relevant = part.gallery_labels[order] == part.query_labels[q]
        assert ranks.expected[q] == pytest.approx(1 + np.argmax(relevant))
    within = np.mean(ranks.expected <= 10)
    assert result["metrics"]["R@10"]["value"] == pytest.approx(100 * within)
    assert result["protocol"] == preset("tirg/css").as_dict()
    assert "also" not in result


def test_a_data_set_may_ask_for_recall_by_other_labels_too(tmp_path):
    """MIT-States: an image of the wanted noun, whatever its adjective, and the other way round."""
    also = ["colour", "type"]
    data = tiny_photos.write(tmp_path / "photos", recall_also=also, protocol="tirg/mitstates")
    task = Task(data, "photo", "cpu")
    part, found = task.split("test"), embedded(task, "test")
    _, result = score(found, data, "test")
    assert list(result["also"]) == also
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (found.queries, found.gallery)]
    values = set()
    for column in also:
        labels = data.images[column].to_numpy()[part.gallery]
        hits = []
        for q, row in enumerate(unit[0] @ unit[1].T):
            row[part.source[q]] = -np.inf
            hits.append(labels[np.argmax(row)] == labels[part.target[q]])
        assert result["also"][column]["R@1"]["value"] == pytest.approx(100 * np.mean(hits))
        values.add(result["also"][column]["R@1"]["chance"])
    # An image of the colour alone is easier to hit than one of colour and type.
    assert min(values) > result["metrics"]["R@1"]["chance"]


# What decides a run


MINE = """
import torch
from cmir_repro.models.compositors import Compositor

class Mine(Compositor):
    '''Half of each.'''
    def __init__(self, channels, embed_dim):
        super().__init__()
        self.mix = torch.nn.Linear(2 * embed_dim, embed_dim)

    def forward(self, image, text, head):
        return self.mix(torch.cat([image.vector, text.vector], dim=1)) / 2
"""


@pytest.fixture
def own(monkeypatch, tmp_path):
    """own(text) makes the compositor "mine" of a file with that text."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMPOSITORS, "mine", None)  # taken out again afterwards

    def make(text):
        (tmp_path / "reader.py").write_text(text)
        sys.modules.pop("reader", None)
        importlib.invalidate_caches()
        linecache.clearcache()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        COMPOSITORS["mine"] = importlib.import_module("reader").Mine

    yield make
    sys.modules.pop("reader", None)


@pytest.mark.parametrize("dim", [None, {"units": 8}])
def test_an_own_compositor_trains_with_and_without_dim(tiny_css, own, dim):
    own(MINE)
    run = go(configured("mine", model={"compositor": "mine", "dim": dim}))
    assert type(run.system.compositor) is COMPOSITORS["mine"]
    assert run.record.method == "mine"
    assert ledger.read(run.record.run) == run.record
    assert ("bound A" in run.losses()) == (dim is not None)
    start = run.experiment.untrained()
    assert not torch.equal(start.compositor.mix.weight, run.system.compositor.mix.weight)


def test_a_changed_own_compositor_makes_its_run_anew(tiny_css, own, capsys):
    own(MINE)
    config = configured("mine", model={"compositor": "mine"}, training={"steps": 1})
    first = go(config)
    assert identity.current(config)
    own(MINE.replace("Half of each", "The sum, halved"))
    assert identity.current(config)
    own(MINE.replace("/ 2", "/ 3"))
    assert not identity.current(config)
    capsys.readouterr()
    assert go(config).record.code["own"] != first.record.code["own"]
    assert "is made anew: run.own is" in capsys.readouterr().out


def test_a_compositor_of_a_notebook_is_part_of_the_identity(own, monkeypatch):
    """Cells have no file; what they said is only to be had from the lines that Python keeps."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    own(MINE)
    digests = {identity.own_digest(configured("mine", model={"compositor": "mine"}))}
    for number, text in enumerate((MINE, MINE.replace("/ 2", "/ 3"), MINE)):
        name = f"<cell {number}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        cell = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), cell)
        COMPOSITORS["mine"] = cell["Mine"]
        digests.add(identity.own_digest(configured("mine", model={"compositor": "mine"})))
    assert len(digests) == 2  # the same class, wherever it stands, and the other one


def test_a_compositor_of_ours_has_a_version_and_no_digest():
    config = configured()
    assert identity.own_digest(config) == ""
    assert versions.used(config)["compositor tirg"] == 1


# Runs


def test_the_untrained_net_is_the_one_training_began_with(tiny_css):
    run = go(configured(training={"steps": 1, "learning_rate": 1e-12}, seed=4))
    start = run.experiment.untrained()
    assert not start.training
    for name, value in run.system.state_dict().items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(start.state_dict()[name], value)


def test_a_run_leaves_record_ranks_and_log_and_is_found_again(tiny_css, request, capsys):
    config = configured()
    first = go(config)
    name = first.record.run
    assert ledger.read(name) == first.record
    assert ledger.Record(**json.loads(json.dumps(first.record.model_dump()))) == first.record
    ids, ranks = (ledger.queries(name)[column].to_numpy() for column in ("query", "rank"))
    part = first.task.split("test")
    assert np.array_equal(ids, part.query_ids)
    assert np.array_equal(ranks, first.queries["rank"])
    facts = first.record
    assert facts.config == config.model_dump(mode="json")
    assert facts.data["manifest"] == tiny_css.manifest_hash
    assert facts.versions == versions.used(config)
    assert facts.code["sources"] == ledger.package_hash()
    assert identity.name(config) == name
    assert identity.current(config)
    assert facts.result["metrics"]["R@1"]["value"] == pytest.approx(100 * np.mean(ranks <= 1))
    assert facts.parameters == sum(p.numel() for p in first.system.parameters())
    assert (facts.steps, facts.command) == (6, "a test")
    assert facts.checkpoint_sha256 == checkpoint.load(paths.runs() / name, "best")[1]["sha256"]
    assert list(ledger.log(name)["step"]) == list(first.log["step"])
    assert list(first.losses()["step"]) == [1, 2, 3, 4, 5, 6]
    assert {"loss", "metric", "bound A", "bound B"} <= set(first.losses())
    assert list(first.validations()["step"]) == [3, 6]
    assert facts.validation["val R@1"] in list(first.validations()["recall"])

    request.getfixturevalue("no_training")
    (paths.results() / "records" / f"{name}.json").unlink()
    second = go(config)
    assert second.queries.equals(first.queries)
    assert second.record == first.record == ledger.read(name)  # and the ledger is mended
    assert second.log.equals(first.log)
    assert "anew" not in capsys.readouterr().out


@pytest.mark.parametrize("data", ["tiny_css", "photos"])
def test_an_interrupted_run_goes_on_to_the_same_ranks(request, tmp_path, monkeypatch, data):
    dataset = request.getfixturevalue(data).info["name"]
    # Dropout in the compositor, sampled triplets, positions drawn anew; pairs, where they are.
    model = {
        "compositor": "concatenation", "metric": "soft-triplet",
        "dim": {"units": 8, "positions": 3},
    }  # fmt: skip
    training = {"batch": 8, "steps": 5, "evaluate_every": 5}
    config = configured("mine", training, model, dataset)
    unbroken = go(config)
    assert unbroken.record.steps == 5
    monkeypatch.setenv("CMIR_RUNS", str(tmp_path / "other"))
    make = QueryBatches.__call__

    def stop(self, step, rank=0, processes=1):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return make(self, step, rank, processes)

    with monkeypatch.context() as patch:
        patch.setattr(QueryBatches, "__call__", stop)
        with pytest.raises(KeyboardInterrupt, match="after step 3"):
            go(config)
    resumed = go(config)
    assert resumed.queries.equals(unbroken.queries)
    assert (
        resumed.losses().drop(columns="seconds").equals(unbroken.losses().drop(columns="seconds"))
    )


def test_a_run_on_drawn_pairs_leaves_a_record(photos):
    run = go(configured(**PHOTOS))
    record = run.record
    assert (record.dataset, record.task, record.steps) == ("photos", "photo", 6)
    assert record.result["protocol"] == preset("own/same-caption").as_dict()
    assert record.data["manifest"] == photos.manifest_hash
    assert np.array_equal(ledger.queries(record.run)["query"], photos.retrieval("test").query_ids)
    assert {"replace", "with"} <= set(run.experiment.tokens.tokens)
    assert list(run.validations()["step"]) == [3, 6]
    assert identity.current(configured(**PHOTOS))


def test_a_record_holds_recall_by_other_labels(photos):
    photos = tiny_photos.write(photos.folder, recall_also=["type"])
    record = go(configured("Image only", {"batch": 8, "steps": 1}, dataset="photos")).record
    stored = ledger.read(record.run).result["also"]
    assert list(stored) == ["type"]
    assert stored["type"].keys() == record.result["metrics"].keys()
    assert Prepared(photos.folder).info["recall_also"] == ["type"]


@pytest.mark.parametrize("method", ["Attribute as operator", "Attribute as operator + DIM"])
def test_a_matrix_for_an_attribute_is_not_trained_on_sentences(tiny_css, no_training, method):
    with pytest.raises(InputError, match=r"'attribute-as-operator' .* css are sentences") as caught:
        go(configured(method))
    assert "\n" not in str(caught.value)
    assert not list(paths.runs().glob("*"))


def test_a_matrix_for_an_attribute_is_trained_where_texts_are_one(photos):
    tiny_photos.write(photos.folder, text="one attribute")
    training = {"batch": 8, "steps": 1}
    run = go(configured("Attribute as operator", training, dataset="photos"))
    assert run.record.steps == 1


@pytest.mark.parametrize("dataset", ["css", "photos"])
def test_a_task_of_another_data_set_is_refused(tiny_css, photos, monkeypatch, tiny_root, dataset):
    if dataset == "css":
        monkeypatch.setenv("CMIR_DATA", str(tiny_root))
    task = {"css": "photo", "photos": "3d-3d"}[dataset]
    with pytest.raises(InputError, match=f"task of {dataset} '{task}' is unknown; allowed: "):
        go(configured(dataset=dataset, task=task))


@pytest.mark.parametrize("changed", ["versions", "data"])
def test_a_run_of_other_versions_or_data_is_made_anew(tiny_css, monkeypatch, capsys, changed):
    config = configured("Text only", training={"steps": 2, "batch": 16})
    go(config)
    if changed == "versions":
        monkeypatch.setitem(versions.VERSIONS, "scoring", 7)
    else:
        monkeypatch.setattr(type(tiny_css), "manifest_hash", "other")
    trained = []
    monkeypatch.setattr(job, "train", lambda *a, **k: trained.append(1) or train(*a, **k))
    again = go(config)
    assert trained == [1]
    assert f"is made anew: run.{changed}" in capsys.readouterr().out
    record = again.record
    assert (record.versions["scoring"] == 7) == (changed == "versions")
    assert (record.data["manifest"] == "other") == (changed == "data")
    assert ledger.read(again.record.run) == again.record


def test_a_crash_before_the_ledger_is_written_is_made_good(tiny_css, monkeypatch, request):
    config = configured("Image only", training={"steps": 2})
    go(config)
    with monkeypatch.context() as patch:
        patch.setitem(versions.VERSIONS, "training", 2)
        patch.setattr(ledger, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(config)
        patch.undo()
    monkeypatch.setenv("CMIR_RUNS", str(paths.runs()))
    monkeypatch.setitem(versions.VERSIONS, "training", 2)
    assert go(config).record == ledger.read(go(config).record.run)
    assert identity.current(config)


@pytest.mark.parametrize(
    ("selection", "words", "on"),
    [("val", "held-out", "val"), ("test", "on test", "test"), ("last", "last step", None)],
)
def test_selection_decides_what_is_trained_on_and_validated_on(
    tiny_css, monkeypatch, selection, words, on
):
    seen = {"validated": set()}
    ranks = evaluate.ranks
    monkeypatch.setattr(
        evaluate, "ranks", lambda *a, **k: seen["validated"].add(len(a[0])) or ranks(*a, **k)
    )
    monkeypatch.setattr(
        job,
        "train",
        lambda s, b, *a, **k: seen.update(queries=set(b.ids)) or train(s, b, *a, **k),
    )
    run = go(configured("Image only", training={"selection": selection, "steps": 2}))
    assert words in run.record.selection
    split = tiny_css.queries.set_index("query")["split"]
    assert set(split[list(seen["queries"])]) == (
        {"train", "val"} if selection == "test" else {"train"}
    )
    expected = {len(tiny_css.queries.query("split == @on"))} if on else set()
    assert seen["validated"] - {len(run.queries)} == expected - {len(run.queries)}
    assert len(run.validations()) == (0 if on is None else 1)
    assert run.record.steps == 2
