"""A shared model scores as the one it was made from, up to half precision."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.experiments import export
from cmir_repro.experiments.dim_embedding import embed
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.experiments.run import run


def test_an_exported_model_embeds_like_the_original(tiny_css, tmp_path):
    done = run(configure(method="TIRG + DIM", training={"steps": 4, "batch": 8}), progress=False)
    export.export(done.record.run, tmp_path / "shared")
    system, vocabulary = export.load(tmp_path / "shared")
    found = embed(system, done.task, vocabulary, "test")
    # Half precision keeps 11 bits of each weight.
    np.testing.assert_allclose(found.queries, done.features.queries, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(found.gallery, done.features.gallery, rtol=0.02, atol=0.02)


def test_an_unknown_run_is_one_line(tiny_css, tmp_path):
    with pytest.raises(InputError, match=r"no-such-run\.json does not exist") as error:
        export.export("no-such-run", tmp_path)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_refused(tiny_css, tmp_path):
    done = run(configure(method="TIRG", training={"steps": 2, "batch": 8}), progress=False)
    export.export(done.record.run, tmp_path / "shared")
    weights = next((tmp_path / "shared").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        export.load(tmp_path / "shared")
