"""What is in a batch: the pictures and words of its queries, or of pairs drawn for the step."""

import numpy as np
import pandas as pd
import pytest
import tiny_photos
import torch
from tiny_photos import RULE

from cmir_repro.core.errors import InputError
from cmir_repro.data import training_pairs
from cmir_repro.data.sampling import generator_of
from cmir_repro.data.tokenizers import Vocabulary
from cmir_repro.experiments.dim_task import QueryBatches, Task, tokeniser
from cmir_repro.systems.dim import ModelConfig
from cmir_repro.training.loop import TrainConfig


def batches(task, splits=("train",), shuffle_text=False, fixed=False, **changes):
    """Batches and what numbers their words."""
    tokens = tokeniser(ModelConfig(), task)
    config = TrainConfig.make(**{"batch": 16} | changes)
    return QueryBatches(task, tokens, config, splits, shuffle_text, fixed), tokens


def equal(a, b):
    return all(torch.equal(value, b[name]) for name, value in a.items())


def same(numbers):
    """(B, B) bool: which samples of a batch have one number."""
    return (numbers[:, None] == numbers).numpy()


def sentences(batch, tokens):
    rows = zip(batch["input_ids"], batch["lengths"], strict=True)
    return [" ".join(tokens.tokens[n] for n in row[:length]) for row, length in rows]


@pytest.fixture
def task(tiny_css):
    return Task(tiny_css, "3d-3d", "cpu")


@pytest.fixture
def photos(tmp_path):
    return Task(tiny_photos.write(tmp_path / "photos"), "photo", "cpu")


@pytest.fixture(params=["task", "photos"])
def either(request):
    return request.getfixturevalue(request.param)


# Data sets and their tasks


def test_a_task_is_one_of_the_data_sets_own(tiny_css, photos):
    assert tiny_css.views_of("2d-3d") == ("2d", "3d")
    assert photos.data.views_of("photo") == ("photo", "photo")
    with pytest.raises(InputError, match=r"css '2d-4d' is unknown; allowed: 2d-2d, 2d-3d, 3d-3d"):
        Task(tiny_css, "2d-4d", "cpu")
    with pytest.raises(InputError, match=r"task of photos '3d-3d' is unknown; allowed: photo"):
        Task(photos.data, "3d-3d", "cpu")


def test_the_vocabulary_is_that_of_what_is_trained_on(task, photos):
    assert tokeniser(ModelConfig(), task).tokens == Vocabulary.of(task.split("train").texts).tokens
    words = {"<UNK>", "replace", "with", *tiny_photos.COLOURS, *tiny_photos.TYPES}
    assert set(tokeniser(ModelConfig(), photos).tokens) == words


# Fixed queries


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
        assert np.array_equal(batch["input_ids"][i, : length[0]].numpy(), number[0])
    for key, values in (
        ("sentence", queries.loc[ids, "text"]),
        ("target_label", images.loc[queries.loc[ids, "target"], "label"]),
        ("source_label", images.loc[queries.loc[ids, "source"], "label"]),
    ):
        assert np.array_equal(same(batch[key]), values.to_numpy()[:, None] == values.to_numpy())
    assert all(query in made.describe(2) for query in ids[:4])


def test_an_epoch_of_both_splits_sees_every_query(task):
    made, _ = batches(task, ("train", "val"), batch=12)
    steps = len(made) // 12
    seen = np.concatenate([made._rows(step) for step in range(steps)])
    assert len(set(seen)) == steps * 12
    held_out = set(task.data.queries.query("split == 'val'")["query"])
    assert held_out & set(made.ids[seen])
    assert not held_out & set(batches(task)[0].ids)


def test_shuffled_sentences_are_the_same_ones_elsewhere(task):
    plain, _ = batches(task)
    mixed, _ = batches(task, shuffle_text=True)
    (words, _), (others, _) = plain.coded, mixed.coded
    assert sorted(map(tuple, others)) == sorted(map(tuple, words))
    assert (others != words).any(1).mean() > 0.8
    assert np.array_equal(mixed.target, plain.target)


# Both


@pytest.mark.parametrize("processes", [2, 3])
def test_the_shares_of_processes_make_up_the_batch(either, processes):
    made, _ = batches(either)
    whole, parts = made(1), [made(1, rank, processes) for rank in range(processes)]
    assert max(len(part["source"]) for part in parts) == -(-16 // processes)
    for name, value in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)


def test_a_batch_follows_from_seed_and_step_alone(either):
    made, _ = batches(either, seed=5)
    asked_before = made(4)
    made(9)
    again, _ = batches(either, seed=5)
    assert equal(again(4), asked_before)
    assert equal(made(4), asked_before)
    assert not equal(made(5), asked_before)
    assert not equal(batches(either, seed=6)[0](4), asked_before)


def test_a_batch_larger_than_the_split_is_refused(either):
    with pytest.raises(InputError, match=r"batch 500 is larger than the \d+ \w+ of train"):
        batches(either, batch=500)


# Drawn pairs


def shown(task, pictures):
    """The rows of the images table that a batch shows; noise, so no two are alike."""
    data = task.data
    place = {data.take("photo", np.array([i])).tobytes(): i for i in range(len(data.images))}
    return data.images.iloc[[place[picture.numpy().tobytes()] for picture in pictures]]


@pytest.mark.parametrize("splits", [("train",), ("train", "val")])
def test_drawn_pairs_are_those_of_the_rule_for_the_step(photos, splits):
    made, tokens = batches(photos, splits, seed=3)
    images = photos.data.images
    rows = images[images["split"].isin(splits)].reset_index(drop=True)
    found = set()
    for step in range(6):
        expected = training_pairs.build(RULE, rows).draw(16, generator_of(3, step))
        batch = made(step)
        source, target = shown(photos, batch["source"]), shown(photos, batch["target"])
        assert source["image"].tolist() == rows["image"][expected.source].tolist()
        assert target["image"].tolist() == rows["image"][expected.target].tolist()
        texts = sentences(batch, tokens)
        assert texts == expected.texts  # so no word is unknown either
        for text, a, b in zip(texts, source.itertuples(), target.itertuples(), strict=True):
            (name,) = [name for name in RULE["columns"] if getattr(a, name) != getattr(b, name)]
            assert text == f"replace {getattr(a, name)} with {getattr(b, name)}"
        for key, values in (
            ("sentence", pd.Series(texts)),
            ("source_label", source["label"]),
            ("target_label", target["label"]),
        ):
            assert np.array_equal(same(batch[key]), values.to_numpy()[:, None] == values.to_numpy())
        assert all(name in made.describe(step) for name in source["image"][:4])
        found |= {*source["split"], *target["split"]}
    assert found == set(splits)


def test_sentences_have_one_number_in_all_processes(photos):
    made, tokens = batches(photos)
    parts = [made(1, rank, 2) for rank in range(2)]
    texts = np.array([text for part in parts for text in sentences(part, tokens)])
    numbers = torch.cat([part["sentence"] for part in parts])
    assert np.array_equal(same(numbers), texts[:, None] == texts)
    assert set(texts[:8]) & set(texts[8:])  # else it would say nothing


def test_shuffled_sentences_of_drawn_pairs_stay_in_their_batch(photos):
    plain, tokens = batches(photos)
    mixed, _ = batches(photos, shuffle_text=True)
    moved = []
    for step in range(4):
        own, other = plain(step), mixed(step)
        for name in ("source", "target", "source_label", "target_label"):
            assert torch.equal(own[name], other[name])
        texts, permuted = sentences(own, tokens), sentences(other, tokens)
        assert sorted(texts) == sorted(permuted)
        moved += [a != b for a, b in zip(texts, permuted, strict=True)]
        assert np.array_equal(
            same(other["sentence"]), np.array(permuted)[:, None] == np.array(permuted)
        )
    assert np.mean(moved) > 0.6


def test_a_splits_own_queries_are_used_where_they_are_wanted(photos):
    made, tokens = batches(photos, ("val",), fixed=True, batch=8)
    assert len(made) == 8
    queries = photos.data.queries.query("split == 'val'").set_index("query")
    batch, ids = made(0), made.ids[made._rows(0)]
    assert sorted(ids) == sorted(queries.index)
    assert sentences(batch, tokens) == queries.loc[ids, "text"].tolist()
    assert shown(photos, batch["source"])["image"].tolist() == queries.loc[ids, "source"].tolist()
    assert shown(photos, batch["target"])["image"].tolist() == queries.loc[ids, "target"].tolist()


def test_without_training_queries_or_a_rule_there_is_nothing_to_train_on(tmp_path):
    task = Task(tiny_photos.write(tmp_path / "bare", training_pairs=None), "photo", "cpu")
    tokens = Vocabulary.of(task.split("val").texts)
    with pytest.raises(InputError, match=r"batch 16 is larger than the 0 queries of train"):
        QueryBatches(task, tokens, TrainConfig(batch=16), ("train",))
