"""Short runs of label-based retrieval on the data set "tiny-labels", with every stage."""

import pytest
import tiny_labels

from cmir_repro.evaluation import labels as label_retrieval
from cmir_repro.experiments.presets.crcgs import FULL, SCALES, configure
from cmir_repro.experiments.run import run

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


def make_tiny(monkeypatch, tmp_path):
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


def never(*_, **__):
    pytest.fail("trained again")
