"""The towers of an AAI model of ours make the vectors that its own experiment makes."""

import numpy as np
import pytest
import tiny_runs
from PIL.Image import Resampling

from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.experiments import embed, exchange, export, ledger, shared
from cmir_repro.experiments.own_towers import OwnTowers


@pytest.fixture
def folder(tiny_css, tmp_path):
    return export.export(tiny_runs.make("aai").record.run, tmp_path / "aai")


def test_pictures_and_sentences_have_the_vectors_of_the_models_experiment(
    tiny_css, folder, tmp_path
):
    model = shared.load(folder)
    experiment = model.experiment()
    ids, vectors = experiment.gallery(model.model)
    net = embed.towers(str(folder), "cpu", texts=False)
    images = embed.images_of("css", "3d")
    made = FeatureStore(embed.embed(images, net, tmp_path / "i", precision="float32"))
    np.testing.assert_allclose(made.take(made.rows_of(ids, "images")), vectors, atol=1e-5)
    net = embed.towers(str(folder), "cpu", texts=True)
    said = tiny_css.queries["text"].iloc[0]
    asked, _ = experiment.ask(model.model, said)
    np.testing.assert_allclose(net.texts([said], False, 0)[0], asked, atol=1e-5)


def test_models_of_other_systems_and_grids_are_refused(folder):
    with pytest.raises(InputError, match="tirg-dim-mini is a model of dim; two towers"):
        OwnTowers("css/tirg-dim-mini", "cpu", texts=False)
    net = OwnTowers(folder, "cpu", texts=False)
    with pytest.raises(InputError, match="leave out --grid"):
        net.images(embed.images_of("css", "2d").take(range(1)), grid=True)
    with pytest.raises(InputError, match=r"view of css.* '4d' is unknown"):
        embed.images_of("css", "4d")


def test_pictures_of_another_size_are_scaled_to_that_of_training(folder):
    net = OwnTowers(folder, "cpu", texts=False)
    (flat,) = embed.images_of("css", "2d").take(range(1))
    height, width, _ = net.shape
    assert flat.size != (width, height)
    scaled = flat.resize((width, height), Resampling.BILINEAR)
    np.testing.assert_array_equal(net.images([flat], False), net.images([scaled], False))


def test_a_name_that_is_no_model_of_ours_is_looked_for_as_a_folder(tmp_path):
    with pytest.raises(InputError, match="no whole AutoImageProcessor in the folder 'nothing'"):
        embed.towers("nothing", "cpu", texts=False)


def test_the_weight_of_the_exchange_page_is_what_validation_chose(monkeypatch):
    monkeypatch.delenv("CMIR_COMMITTED")
    where = {"system": "dim", "scale": "mini", "task": "3d-3d"}
    found = ledger.records(ledger.COMMITTED, kinds=("features",), **where)
    chosen = {r.validation["weight"] for r in found if r.method.startswith("Weighted sum of AAI")}
    assert chosen == {exchange.WEIGHT}
