"""Vectors of a split against encoding one by one; bounds against each whole batch."""

import numpy as np
import pytest
import tiny_photos
import torch

from cmir_repro.experiments.dim_embedding import bounds, embed
from cmir_repro.experiments.dim_task import QueryBatches, Task, tokeniser
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.systems.dim import Composed
from cmir_repro.training.loop import TrainConfig


@pytest.fixture
def task(tiny_css):
    return Task(tiny_css, "3d-3d", "cpu")


@pytest.fixture
def photos(tmp_path):
    return Task(tiny_photos.write(tmp_path / "photos"), "photo", "cpu")


def untrained(task, **model):
    config = configure(model={"embed_dim": 16} | model).model
    tokens = tokeniser(config, task)
    torch.manual_seed(0)
    return Composed(config, len(tokens)).eval(), tokens


@pytest.mark.parametrize(
    ("compositor", "chunk"),
    [(name, 7) for name in COMPOSITORS] + [("tirg", 512), ("show-and-tell", 512)],
)
def test_vectors_are_those_of_one_by_one_encoding_in_order(tiny_css, compositor, chunk):
    task = Task(tiny_css, "2d-3d", "cpu")
    system, tokens = untrained(task, compositor=compositor)
    part = task.split("val")
    found = embed(system.train(), task, tokens, "val", chunk=chunk)
    assert not system.training
    assert len(found.queries) == len(found.texts) == len(part.texts) > 7
    assert all(x.dtype == np.float32 for x in vars(found).values())
    gallery = tiny_css.take("3d", part.gallery)
    sources = tiny_css.take("2d", part.gallery)
    with torch.no_grad():
        for i, image in enumerate(gallery):
            vector = system.encode(torch.from_numpy(image[None])).vector[0]
            np.testing.assert_allclose(found.gallery[i], vector, atol=1e-5)
        for i, (source, sentence) in enumerate(zip(part.source, part.texts, strict=True)):
            # Alone a sentence has no padding: what follows its last word must not matter.
            text = system.text(*(torch.from_numpy(x) for x in tokens.encode([sentence])))
            query = system.query(system.encode(torch.from_numpy(sources[source][None])), text)
            np.testing.assert_allclose(found.texts[i], text.vector[0], atol=1e-5)
            np.testing.assert_allclose(found.queries[i], query[0], atol=1e-5)


def test_other_sentences_change_queries_only(task):
    system, tokens = untrained(task)
    own = embed(system, task, tokens, "val")
    other = embed(system, task, tokens, "val", texts=["remove object"] * len(own.queries))
    assert np.array_equal(own.gallery, other.gallery)
    assert not np.allclose(own.queries, other.queries)
    assert np.allclose(other.texts, other.texts[0])


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("data", ["task", "photos"])
def test_bounds_are_those_of_each_whole_batch_without_dropout(request, data, split):
    task = request.getfixturevalue(data)
    config = TrainConfig(batch=4, sampler="same-source-pairs")
    # No mask: pairs of two colours and one type would leave too few negatives.
    system, tokens = untrained(task, dim={"units": 8, "mask": "none"}, text_dropout=0.5)
    found = bounds(system.train(), task, tokens, config, split)
    assert list(found) == ["bound A", "bound B"]
    # Where pairs are drawn, the training split has no queries of its own, the others have.
    own = data == "task" or split == "val"
    made = QueryBatches(task, tokens, TrainConfig(batch=4), (split,), fixed=own)
    assert len(made) == (len(task.split(split).texts) if own else len(task.split(split).gallery))
    assert len(found) == len(made) // 4 >= 2
    for step, row in found.iterrows():
        with torch.no_grad():
            losses = system.eval()(made(step), None)
        assert row["bound A"] == pytest.approx(losses["bound A"].item())
        assert row["bound B"] == pytest.approx(losses["bound B"].item())


def test_a_split_of_fewer_than_a_batch_is_one_batch(task):
    system, tokens = untrained(task, dim={"units": 8})
    size = len(task.split("val").texts)
    one = bounds(system, task, tokens, TrainConfig(batch=900), "val")
    whole = bounds(system, task, tokens, TrainConfig(batch=size), "val")
    assert len(one) == 1
    assert one.equals(whole)


def test_a_model_without_critics_has_no_bounds(photos):
    system, tokens = untrained(photos)
    assert list(bounds(system, photos, tokens, TrainConfig(batch=4), "val")) == []
