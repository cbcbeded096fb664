"""Every image <-> sentence method is a configuration at every scale."""

import pytest

from cmir_repro.experiments.presets import base
from cmir_repro.experiments.presets.aai import METHODS, RERANK, SCALES, configure


@pytest.mark.parametrize("scale", base.SCALES)
@pytest.mark.parametrize("dataset", ["css", "photo-names"])
def test_every_method_configures_at_every_scale_on_every_kind_of_data(scale, dataset):
    settings = SCALES[scale][base.kind(dataset)]
    for method in METHODS:
        found = configure(dataset, scale=scale, method=method, seed=7)
        assert (found.scale, found.method, found.train.seed) == (scale, method, 7)
        assert found.model.image_encoder == settings["model"]["image_encoder"]
        assert found.train.steps == settings["train"]["steps"]
        assert found.rerank == RERANK[scale]


def test_full_trains_the_net_of_mini_for_longer():
    for kind in ("css", "photos"):
        mini, full = SCALES["mini"][kind], SCALES["full"][kind]
        assert full["model"] == mini["model"]
        assert full["train"]["steps"] > mini["train"]["steps"]
