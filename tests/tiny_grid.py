"""Imported by a worker of a grid: the tiny world under the name of "mini", nets of a few steps.

CMIR_TINY_STEPS: steps of a run. CMIR_TINY_HOLD: a file; while it is there, batches wait.
"""

import os

from conftest import TINY

from cmir_repro.data.css import dataset as css
from cmir_repro.experiments.presets.dim import SCALES

STEPS = int(os.environ.get("CMIR_TINY_STEPS", 6))
SETTINGS = {
    "model": {"image_encoder": "convnet", "embed_dim": 8},
    "train": {"steps": STEPS, "batch": 16, "log_every": 1, "evaluate_every": 2},
}

css.SCALES["mini"] = TINY
SCALES["mini"] = {"css": SETTINGS, "photos": SETTINGS}
