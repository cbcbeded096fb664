"""Data that are accepted can be trained on by every system, however few they are."""

import numpy as np
import pytest
import tiny_captions
import tiny_labels
import tiny_photos
from tiny_label_runs import configured as configured_labels
from tiny_label_runs import make_tiny
from tiny_releases import draw

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import captions
from cmir_repro.data.prepare.captions import RELEASES
from cmir_repro.data.readers.captions import karpathy
from cmir_repro.experiments import identity, ledger
from cmir_repro.experiments.experiment import largest_batch
from cmir_repro.experiments.presets import aai, dim
from cmir_repro.experiments.run import run

TRAINING = {"steps": 2, "evaluate_every": 1, "log_every": 1}
NO_VALIDATION = "has no validation data, so the last step is kept"


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    make_tiny(monkeypatch, tmp_path)


def composed(root, monkeypatch, **sizes):
    """A configuration on pictures with drawn pairs, of which a batch is 16."""
    monkeypatch.setattr(tiny_photos, "SIZES", {**tiny_photos.SIZES, **sizes})
    tiny_photos.write(root / "data" / "few")
    model = {"embed_dim": 16, "image_encoder": "convnet", "image_weights": "none"}
    training = {**TRAINING, "batch": 16}
    return dim.configure("few", method="TIRG", model=model, training=training)


def sentences(root, val: bool, batch: int):
    """A configuration on fifteen training sentences."""
    found = karpathy(tiny_captions.flickr30k(root / "dataset_flickr30k.json"))
    photos = draw(root / "photos", found.images["path"].tolist())
    if not val:
        found = found._replace(
            images=found.images.assign(split=found.images["split"].replace("val", "train"))
        )
    captions.prepare("few-sentences", found, RELEASES["other"], {}, photos, size=32)
    model = {"width": 16, "embed_dim": 8, "heads": 2, "fusion_layers": 1, "text_layers": 1}
    model |= {"queue": 20, "image_encoder": "convnet", "image_weights": "none"}
    training = {**TRAINING, "batch": batch}
    return aai.configure("few-sentences", method="AAI", model=model, training=training)


def last_step_is_kept(config, capsys):
    found = run(config, progress=False)
    assert NO_VALIDATION in capsys.readouterr().out
    assert found.record.selection == "last step"
    assert found.record.config["train"]["selection"] == "last"
    assert len(found.validations()) == 0
    assert len(found.losses()) == 2
    again = run(config, progress=False)  # found again
    assert again.record == found.record


def batch_fits(config, fits, capsys):
    found = run(config, progress=False)
    told = [line for line in capsys.readouterr().out.splitlines() if f"its batch is {fits}" in line]
    assert f"instead of {config.train.batch}" in told[0]
    assert found.record.config["train"]["batch"] == fits
    assert found.record.run == identity.name(config)  # so a grid knows that it is there
    assert identity.current(config)
    assert ledger.read(found.record.run, ledger.OWN).config["train"]["batch"] == fits
    return found


def test_without_validation_a_composed_model_keeps_its_last_step(tmp_path, monkeypatch, capsys):
    last_step_is_kept(composed(tmp_path, monkeypatch, val=0, train=32), capsys)


def test_without_validation_sentences_keep_their_last_step(tmp_path, capsys):
    last_step_is_kept(sentences(tmp_path, val=False, batch=8), capsys)


def test_without_validation_labels_keep_their_last_step(tmp_path, capsys):
    splits = tuple(split.replace("val", "train") for split in tiny_labels.SPLITS)
    info = {"name": "no-val"}
    tiny_labels.write(tmp_path / "data", splits=splits, info=info)
    training = {"steps": 2, "evaluate_every": 1}
    last_step_is_kept(configured_labels(dataset="no-val", training=training), capsys)


def test_few_pictures_get_a_batch_that_fits(tmp_path, monkeypatch, capsys):
    batch_fits(composed(tmp_path, monkeypatch, train=10, test=22), 8, capsys)


def test_few_sentences_get_a_batch_that_fits(tmp_path, capsys):
    batch_fits(sentences(tmp_path, val=True, batch=64), 8, capsys)


def test_few_labelled_pictures_get_batches_that_fit_in_every_stage(tmp_path, capsys):
    splits = np.array(tiny_labels.SPLITS, dtype=object)
    splits[-36:] = "test"
    tiny_labels.write(tmp_path / "data", splits=tuple(splits), info={"name": "few-labels"})
    found = batch_fits(configured_labels(dataset="few-labels"), 8, capsys)
    assert found.record.config["teacher"]["batch"] == 8
    assert found.record.config["hashing"]["batch"] == 8


def test_the_batch_is_the_largest_power_of_two_that_fits(capsys):
    fitting = [largest_batch(128, count, "training", "few") for count in (4, 50, 64, 127)]
    assert fitting == [4, 32, 64, 64]
    capsys.readouterr()
    assert [largest_batch(100, count, "training", "few") for count in (100, 101)] == [100, 100]
    assert not capsys.readouterr().out
    with pytest.raises(InputError, match="few has 3 examples to train on, and at least 4"):
        largest_batch(128, 3, "training", "few")
