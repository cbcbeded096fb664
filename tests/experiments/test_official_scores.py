"""A trained run under the rules of papers; the ranks are checked in the tests of both scripts."""

import pytest
import tiny_photos

from cmir_repro.core.errors import InputError
from cmir_repro.experiments.dim import official_scores
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.experiments.run import run


def test_a_data_set_without_captions_has_no_such_rules(tmp_path, monkeypatch):
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    tiny_photos.write(tmp_path / "data" / "photos")
    config = configure(
        "photos",
        method="Image only",
        model={"image_encoder": "convnet", "image_weights": "none", "embed_dim": 8},
        training={"steps": 1, "batch": 4},
    )
    done = run(config, progress=False)
    with pytest.raises(InputError, match=r"lack caption_1; are they FashionIQ or CIRR\?"):
        official_scores(done)
