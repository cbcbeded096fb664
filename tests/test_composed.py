"""A run from configuration to record: what is in a batch, a vector, a record, and what is kept."""

import json
import signal

import numpy as np
import pytest
import torch

from cmir_repro import checkpoint, composed, evaluate, ledger, paths
from cmir_repro.data.tokens import Vocabulary
from cmir_repro.embedding import bounds, embed
from cmir_repro.errors import InputError
from cmir_repro.methods import METHODS, SCALES, configure
from cmir_repro.protocol import preset
from cmir_repro.systems.dim import Composed
from cmir_repro.tasks import QueryBatches, Task, open_data
from cmir_repro.train import TrainConfig, train

MODEL = {"embed_dim": 16}
TRAINING = {"steps": 6, "batch": 16, "evaluate_every": 3, "log_every": 1}


def configured(method="TIRG + DIM", training=None, model=None, **rest):
    return configure(
        method=method, training=TRAINING | (training or {}), model=MODEL | (model or {}), **rest
    )


def go(config):
    return composed.run(config, progress=False, command="a test")


def batches(task, splits=("train",), shuffle_text=False, **changes):
    tokens = Vocabulary.of(task.split("train").texts)
    config = TrainConfig.make(**{"batch": 16} | changes)
    return QueryBatches(task, tokens, config, splits, shuffle_text), tokens


@pytest.fixture
def task(tiny_css):
    return Task(tiny_css, "3d-3d", "cpu")


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(composed, "train", refuse)


def untrained(task, **model):
    tokens = Vocabulary.of(task.split("train").texts)
    torch.manual_seed(0)
    config = configure(model=MODEL | model).model
    return Composed(config, len(tokens)).eval(), tokens


# Configuration


def test_every_method_of_the_tables_configures_at_every_scale():
    for scale, settings in SCALES.items():
        for method, changes in METHODS.items():
            found = configure(scale=scale, method=method, seed=7)
            assert found.model.compositor == changes["compositor"]
            assert found.model.embed_dim == settings["model"]["embed_dim"]
            assert (found.train.steps, found.train.seed) == (settings["train"]["steps"], 7)
            parts = found.model.dim.parts if found.model.dim else None
            assert parts == changes.get("dim", {}).get("parts")


def test_settings_of_scale_method_and_reader_are_merged():
    dim = configure(
        scale="paper", method="TIRG + DIM A", model={"dim": {"weight_a": 0.5}}
    ).model.dim
    assert (dim.units, dim.parts, dim.weight_a) == (512, "A", 0.5)
    assert configure(method="TIRG + DIM", model={"dim": None}).model.dim is None
    own = configure(method="mine", model={"compositor": "concatenation", "dim": {}})
    assert (own.method, own.model.compositor, own.model.dim.parts) == (
        "mine",
        "concatenation",
        "AB",
    )


def test_another_recipe_brings_its_own_steps():
    assert configure(recipe_name="tirg/css").train.steps == 160_000
    assert configure(recipe_name="tirg/css", training={"steps": 9}).train.steps == 9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": "huge"}, "scale 'huge' is unknown; allowed: mini, paper"),
        ({"task": "2d-4d"}, "task = '2d-4d' is not allowed.*'2d-3d'"),
        ({"dataset": "cs"}, "dataset = 'cs' is not allowed.*'css'"),
        ({"recipe_name": "slow"}, "recipe 'slow' is unknown.*fast"),
        ({"model": {"width": 3}}, "unknown key 'width'; allowed: image_encoder"),
        ({"model": {"dim": {"wait": 3}}}, "unknown key 'dim.wait'; allowed: parts"),
        ({"model": {"dim": "AB"}}, "dim = 'AB' is not allowed"),
        ({"training": {"step": 3}}, "unknown key 'step'; allowed: steps"),
        ({"method": "Image only", "model": {"dim": {}}}, "'image-only' has none"),
    ],
)
def test_what_is_unknown_or_impossible_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        configure(**values)


def test_data_that_must_be_fetched_says_how(tiny_css):
    with pytest.raises(InputError, match=r"python data_scripts/css\.py --root"):
        open_data("css-released", "mini")


# Batches


@pytest.mark.parametrize("name", ["3d-3d", "2d-3d"])
@pytest.mark.parametrize("splits", [("train",), ("train", "val")])
def test_a_batch_holds_the_pictures_and_words_of_its_queries(tiny_css, name, splits):
    task = Task(tiny_css, name, "cpu")
    made, tokens = batches(task, splits, seed=3)
    batch = made(2)
    images = tiny_css.images.set_index("image")
    queries = tiny_css.queries.set_index("query")
    ids = made.ids[made._rows(2)]
    assert len(ids) == len(set(ids)) == 16
    for i, query in enumerate(queries.loc[ids].itertuples()):
        for end, view in zip(("source", "target"), name.split("-"), strict=True):
            image = images.loc[getattr(query, end)]
            assert image["split"] in splits
            pixels = tiny_css.pixels(view, image["part"])[image["row"]]
            assert np.array_equal(batch[end][i].numpy(), pixels)
        number, length = tokens.encode([query.text])
        assert batch["lengths"][i] == length[0]
        assert np.array_equal(batch["tokens"][i, : length[0]].numpy(), number[0])
    for key, values in (
        ("sentence", queries.loc[ids, "text"]),
        ("target_label", images.loc[queries.loc[ids, "target"], "label"]),
        ("source_label", images.loc[queries.loc[ids, "source"], "label"]),
    ):
        same = values.to_numpy()[:, None] == values.to_numpy()
        assert np.array_equal((batch[key][:, None] == batch[key]).numpy(), same)
    assert all(query in made.describe(2) for query in ids[:4])


def test_an_epoch_of_both_splits_sees_every_query(task):
    made, _ = batches(task, ("train", "val"), batch=12)
    steps = len(made.ids) // 12
    seen = np.concatenate([made._rows(step) for step in range(steps)])
    assert len(set(seen)) == steps * 12
    held_out = set(task.data.queries.query("split == 'val'")["query"])
    assert held_out & set(made.ids[seen])
    assert not held_out & set(batches(task)[0].ids)


def test_the_shares_of_processes_make_up_the_batch(task):
    made, _ = batches(task)
    whole, parts = made(1), [made(1, rank, 4) for rank in range(4)]
    for name, value in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)
    with pytest.raises(InputError, match="batch 16 cannot be shared by 3 processes"):
        made(1, 0, 3)


def test_a_batch_larger_than_the_split_is_refused(task):
    with pytest.raises(InputError, match=r"batch 500 is larger than the \d+ queries of train"):
        batches(task, batch=500)


def test_shuffled_sentences_are_the_same_ones_elsewhere(task):
    plain, _ = batches(task)
    mixed, _ = batches(task, shuffle_text=True)
    assert sorted(map(tuple, mixed.tokens)) == sorted(map(tuple, plain.tokens))
    assert (mixed.tokens != plain.tokens).any(1).mean() > 0.8
    assert np.array_equal(mixed.target, plain.target)


# Embeddings and scores


@pytest.mark.parametrize("compositor", ["tirg", "tirg-last-conv", "text-only"])
@pytest.mark.parametrize("chunk", [7, 512])
def test_vectors_are_those_of_one_by_one_encoding_in_order(tiny_css, compositor, chunk):
    task = Task(tiny_css, "2d-3d", "cpu")
    system, tokens = untrained(task, compositor=compositor)
    part = task.split("val")
    found = embed(system.train(), task, tokens, "val", chunk=chunk)
    assert not system.training
    assert len(found.queries) == len(found.texts) == len(part.texts) > 7
    gallery = tiny_css.take("3d", part.gallery)
    sources = tiny_css.take("2d", part.gallery)
    with torch.no_grad():
        for i, image in enumerate(gallery):
            vector = system.encode(torch.from_numpy(image[None])).vector[0]
            np.testing.assert_allclose(found.gallery[i], vector, atol=1e-5)
        for i, (source, sentence) in enumerate(zip(part.source, part.texts, strict=True)):
            text = system.text(*(torch.from_numpy(x) for x in tokens.encode([sentence])))
            query = system.query(system.encode(torch.from_numpy(sources[source][None])), text)
            np.testing.assert_allclose(found.texts[i], text[0], atol=1e-5)
            np.testing.assert_allclose(found.queries[i], query[0], atol=1e-5)


def test_other_sentences_change_queries_only(task):
    system, tokens = untrained(task)
    own = embed(system, task, tokens, "val")
    other = embed(system, task, tokens, "val", texts=["remove object"] * len(own.queries))
    assert np.array_equal(own.gallery, other.gallery)
    assert not np.allclose(own.queries, other.queries)
    assert np.allclose(other.texts, other.texts[0])


def test_a_score_is_the_sorted_one(task):
    system, tokens = untrained(task)
    part = task.split("test")
    found = embed(system, task, tokens, "test")
    ranks, result = composed.score(found, part, "tirg/css")
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (found.queries, found.gallery)]
    for q, row in enumerate(unit[0] @ unit[1].T):
        row[part.source[q]] = -np.inf
        order = np.argsort(-row)
        relevant = part.gallery_labels[order] == part.query_labels[q]
        assert ranks[q] == pytest.approx(1 + np.argmax(relevant))
    assert result["metrics"]["R@10"]["value"] == pytest.approx(100 * np.mean(ranks <= 10))
    assert result["protocol"] == preset("tirg/css").as_dict()


def test_bounds_are_those_of_each_whole_batch_without_dropout(task):
    config = configured(training={"batch": 4, "sampler": "same-source-pairs"}).train
    system, tokens = untrained(task, dim={"units": 8}, text_dropout=0.5)
    found = bounds(system.train(), task, tokens, config, "val")
    assert list(found) == ["bound A", "bound B"]
    made, _ = batches(task, ("val",), batch=4)
    assert len(found) == len(made.ids) // 4 == 2
    for step, row in found.iterrows():
        with torch.no_grad():
            losses = system.eval()(made(step), None)
        assert row["bound A"] == pytest.approx(losses["bound A"].item())
        assert row["bound B"] == pytest.approx(losses["bound B"].item())
    with pytest.raises(InputError, match="larger than"):
        bounds(system, task, tokens, config.model_copy(update={"batch": 900}), "val")


def test_the_untrained_net_is_the_one_training_began_with(tiny_css):
    run = go(configured(training={"steps": 1, "learning_rate": 1e-12}, seed=4))
    start = composed.untrained(run)
    assert not start.training
    for name, value in run.system.state_dict().items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(start.state_dict()[name], value)


# Runs


def test_a_run_leaves_record_ranks_and_log_and_is_found_again(tiny_css, request, capsys):
    config = configured()
    first = go(config)
    name = first.record.run
    assert ledger.read(name) == first.record
    assert ledger.Record(**json.loads(json.dumps(first.record.model_dump()))) == first.record
    ids, ranks = ledger.ranks(name)
    part = first.task.split("test")
    assert np.array_equal(ids, part.query_ids)
    assert np.array_equal(ranks, first.ranks)
    facts = first.record
    assert facts.config == config.model_dump(mode="json")
    assert facts.data["manifest"] == tiny_css.manifest_hash
    assert facts.code["sources"] == ledger.code_hash()
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
    assert np.array_equal(second.ranks, first.ranks)
    assert second.record == first.record == ledger.read(name)  # and the ledger is mended
    assert second.log.equals(first.log)
    assert "anew" not in capsys.readouterr().out


def test_an_interrupted_run_goes_on_to_the_same_ranks(tiny_css, tmp_path, monkeypatch):
    # Dropout in the compositor, sampled triplets, positions drawn anew.
    model = {
        "compositor": "concatenation", "metric": "soft-triplet",
        "dim": {"units": 8, "positions": 3},
    }  # fmt: skip
    config = configured("mine", model=model)
    unbroken = go(config)
    monkeypatch.setenv("CMIR_RUNS", str(tmp_path / "other"))
    make = QueryBatches.__call__

    def stop(self, step, rank=0, processes=1):
        if step == 4:
            signal.raise_signal(signal.SIGINT)
        return make(self, step, rank, processes)

    with monkeypatch.context() as patch:
        patch.setattr(QueryBatches, "__call__", stop)
        with pytest.raises(KeyboardInterrupt, match="after step 5"):
            go(config)
    resumed = go(config)
    assert np.array_equal(resumed.ranks, unbroken.ranks)
    assert (
        resumed.losses().drop(columns="seconds").equals(unbroken.losses().drop(columns="seconds"))
    )


@pytest.mark.parametrize("changed", ["sources", "data"])
def test_a_run_of_other_sources_or_data_is_made_anew(tiny_css, monkeypatch, capsys, changed):
    config = configured("Text only", training={"steps": 2, "batch": 16})
    go(config)
    if changed == "sources":
        monkeypatch.setattr(ledger, "code_hash", lambda *_: "other")
    else:
        monkeypatch.setattr(type(tiny_css), "manifest_hash", "other")
    trained = []
    monkeypatch.setattr(composed, "train", lambda *a, **k: trained.append(1) or train(*a, **k))
    again = go(config)
    assert trained == [1]
    assert f"is made anew: run.{changed} is" in capsys.readouterr().out
    assert "other" in (again.record.code["sources"], again.record.data["manifest"])
    assert ledger.read(again.record.run) == again.record


def test_a_crash_before_the_ledger_is_written_is_made_good(tiny_css, monkeypatch, request):
    config = configured("Image only", training={"steps": 2})
    go(config)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "code_hash", lambda *_: "newer")
        patch.setattr(ledger, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(config)
        patch.undo()
    monkeypatch.setenv("CMIR_RUNS", str(paths.runs()))
    monkeypatch.setattr(ledger, "code_hash", lambda *_: "newer")
    assert go(config).record == ledger.read(go(config).record.run)
    assert composed.current(config)


@pytest.mark.parametrize(
    ("selection", "words", "on"),
    [("val", "held-out", "val"), ("test", "on test", "test"), ("last", "last step", None)],
)
def test_selection_decides_what_is_trained_on_and_validated_on(
    tiny_css, monkeypatch, selection, words, on
):
    seen = {"validated": set()}
    score = evaluate.ranks
    monkeypatch.setattr(
        evaluate, "ranks", lambda *a, **k: seen["validated"].add(len(a[0])) or score(*a, **k)
    )
    monkeypatch.setattr(
        composed,
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
    assert seen["validated"] - {len(run.ranks)} == expected - {len(run.ranks)}
    assert len(run.validations()) == (0 if on is None else 1)
    assert run.record.steps == 2
