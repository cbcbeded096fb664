"""Rows of the user's tables that nothing was trained for."""

import numpy as np
import pytest
import tiny_features

from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.training_free import COMPOSE, WEIGHTS, composed
from cmir_repro.experiments import dim, own, training_free
from cmir_repro.experiments.dim import ComposedExperiment
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.report import yours


@pytest.fixture
def files(tiny_css, tmp_path):
    return tiny_features.of(tiny_css, tmp_path, (6,), (6,))


def test_every_method_is_a_row_of_the_users_tables(files):
    kept = training_free.record(*files, "noise")
    assert [r.method for r in kept][:2] == ["Image of noise, untrained", "Text of noise, untrained"]
    assert {r.versions["training-free"] for r in kept} == {1}
    assert all(r.kind == "features" and len(r.files) == 2 for r in kept)
    rows = own.rows("dim", "css", "mini", "3d-3d")
    assert list(rows) == sorted(r.method for r in kept)
    assert len(rows) == len(COMPOSE)
    shown = yours.table("dim", "css", "mini", "3d-3d")["method"]
    assert "Sum of noise, untrained (yours)" in shown.tolist()


def test_the_same_files_are_one_record(files):
    first, again = (training_free.record(*files, methods=["sum"]) for _ in range(2))
    assert first[0].run == again[0].run
    assert len(own.rows("dim", "css", "mini", "3d-3d")) == 1


def test_the_weight_is_the_best_on_validation(files):
    experiment = ComposedExperiment(
        configure(image_features=files[0], text_features=files[1]), progress=False
    )
    part, val = experiment.task.split("val"), training_free.vectors(experiment, "val")
    found = []
    for weight in WEIGHTS:
        queries, gallery = composed("weighted sum", val, weight)
        labels = part.query_labels, part.gallery_labels
        ranks = recall.ranks(queries, gallery, *labels, part.source, experiment.protocol)
        found.append(sum(recall.recall_at(ranks, k) for k in (1, 5, 10)))
    (kept,) = training_free.record(*files, methods=["weighted sum"])
    assert kept.validation["weight"] == WEIGHTS[int(np.argmax(found))]


def test_features_that_know_the_target_are_scored_as_such(tiny_css, tmp_path):
    """Text features made of the target image's: text alone finds it, image alone does not."""
    images = tiny_css.images["image"].tolist()
    features = tiny_features.made_up(len(images), 40, dtype="float32")
    row = {name: number for number, name in enumerate(images)}
    texts = tiny_css.queries.drop_duplicates("text")
    told = features[[row[name] for name in texts["target"]]]
    files = (
        tiny_features.save(tmp_path / "i.npz", images, features),
        tiny_features.save(tmp_path / "t.npz", texts["text"], told),
    )
    kept = training_free.record(*files, methods=["image", "text", "weighted sum"])
    values = [r.result["metrics"]["R@1"]["value"] for r in kept]
    assert values[1] > values[0]
    assert kept[2].validation["weight"] > 0  # not that of the image alone


def test_a_method_whose_queries_come_to_nothing_is_left_out(tiny_css, tmp_path, capsys):
    """Images know the first three numbers and texts the others: their product is zero."""
    files = tiny_features.of(tiny_css, tmp_path, (6,), (6,))
    for path, known in zip(files, (slice(3), slice(3, None)), strict=True):
        store = FeatureStore(path)
        features = np.zeros((len(store), 6), np.float32)
        features[:, known] = store.take(np.arange(len(store)))[:, known]
        tiny_features.save(path, store.ids, features)
    kept = training_free.record(*files, "halves", methods=["product", "sum"])
    assert [record.method for record in kept] == ["Sum of halves, untrained"]
    said = capsys.readouterr().out
    assert "Product of halves, untrained: left out, for" in said


def test_files_that_are_no_vectors_of_one_space_are_refused(tiny_css, files, tmp_path):
    sets = tiny_features.of(tiny_css, tmp_path / "sets", (2, 6), (6,))
    with pytest.raises(InputError, match=r"images.npz: features of one row are \(2, 6\)"):
        training_free.record(*sets)
    wide = tiny_features.of(tiny_css, tmp_path / "wide", (6,), (7,))
    with pytest.raises(InputError, match=r"images.npz has 6 .*texts.safetensors has 7 numbers"):
        training_free.record(*wide)


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_zero_vector_is_refused_by_file_and_id(side, tiny_css, tmp_path):
    files = tiny_features.of(tiny_css, tmp_path, (6,), (6,))
    path = files[side == "text"]
    store = FeatureStore(path)
    test = tiny_css.retrieval("test")
    name = str(test.gallery_ids[1] if side == "image" else test.texts[1])
    features = store.take(np.arange(len(store)))
    features[store.ids.index(name)] = 0
    tiny_features.save(path, store.ids, features)
    with pytest.raises(InputError, match=f"{path.name}: the features of '{name}' are zero"):
        training_free.record(*files)


def test_a_fault_of_the_training_split_names_the_files(tiny_css, tmp_path):
    files = tiny_features.of(tiny_css, tmp_path, (6,), (6,))
    texts = FeatureStore(files[1]).ids
    tiny_features.save(files[1], texts, np.ones((len(texts), 6), np.float32))
    with pytest.raises(InputError, match=r"images.npz and .*texts.safetensors: all texts of train"):
        training_free.record(*files, methods=["centred projection"])


def test_scores_are_those_of_the_same_vectors_in_files(files):
    """What `dim.score` says of the sum is what is recorded."""
    experiment = ComposedExperiment(
        configure(image_features=files[0], text_features=files[1]), progress=False
    )
    found = training_free.vectors(experiment, "test")
    unit = [x / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in found[:2]]
    embedded = dim.Embedded(unit[0] + unit[1], None, found.gallery)
    _, result = dim.score(embedded, experiment.data, "test")
    (kept,) = training_free.record(*files, methods=["sum"])
    assert kept.result["metrics"] == result["metrics"]
