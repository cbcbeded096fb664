"""A shared model gives what the one gives that it was made from, up to half precision."""

import json
import re

import numpy as np
import pytest
import tiny_runs
from made_up_records import made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import export, shared
from cmir_repro.experiments.presets import crcgs
from cmir_repro.experiments.run import run
from cmir_repro.experiments.systems import SYSTEMS


def arrays(done, model):
    """What the experiment makes of its test data by a model."""
    if done.record.system == "crcgs":
        found = done.experiment.encode(model)
        return found.images["cosine"], found.texts["cosine"]
    found = done.experiment.embed(model, "test")
    if done.record.system == "aai":
        return found.images, found.sentences
    return found.queries, found.gallery


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_shared_model_encodes_like_the_original(system, tiny_css, tmp_path):
    done = tiny_runs.make(system)
    export.export(done.record.run, tmp_path / "shared")
    found = shared.load(tmp_path / "shared")
    assert found.config == tiny_runs.config(system)
    assert found.vocabulary == getattr(getattr(done.experiment, "tokens", None), "tokens", [])
    # Half precision keeps 11 bits of each weight.
    for half, wanted in zip(arrays(done, found.model), arrays(done, done.system), strict=True):
        np.testing.assert_allclose(half, wanted, rtol=0.02, atol=0.02)


def test_a_card_says_what_the_record_says(tiny_css, tmp_path):
    record = tiny_runs.make("dim").record
    folder = export.export(record.run)
    assert folder == paths.results() / "weights" / "css" / "tirg-mini"
    facts = json.loads((folder / "model.json").read_text())
    text = re.sub(" +", " ", (folder / "README.md").read_text())
    best = record.result["metrics"]["R@1"]
    said = (
        "# TIRG: css, 3d-3d, scale mini, seed 0",
        'cmir.load("css/tirg-mini").query(',
        f"| R@1 | {best['value']:.2f} | [{best['low']:.2f}, {best['high']:.2f}] |",
        record.run,
        facts["sha256"],
        record.selection,
        "`tirg/css`: ",
        "MIT",
    )
    for words in said:
        assert words in text, words
    assert shared.load("css/tirg-mini").record == record


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "css/tirg-dim-full"),
        ({"seed": 2}, "css/tirg-dim-full-s2"),
        ({"task": "2d-3d"}, "css/tirg-dim-full-2d-3d"),
    ],
)
def test_a_name_says_what_is_not_usual(changes, name):
    assert export.name(made_up("TIRG + DIM", **{"scale": "full", **changes})) == name


def test_a_readme_of_something_else_is_not_replaced(tiny_css, tmp_path):
    run = tiny_runs.make("dim").record.run
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("# My project")
    with pytest.raises(InputError, match="is no model's card and would be replaced"):
        export.export(run, tmp_path / "project")
    assert [file.name for file in (tmp_path / "project").iterdir()] == ["README.md"]
    for _ in range(2):  # a card is
        export.export(run, tmp_path / "mine")


def test_an_unknown_run_is_one_line(tiny_css, tmp_path):
    with pytest.raises(InputError, match=r"^no run 'no-such-run': there is none yet") as error:
        export.export("no-such-run", tmp_path)
    assert "\n" not in str(error.value)


def test_what_was_fitted_has_no_weights_to_share(tiny_css, tmp_path):
    done = run(crcgs.configure(method="CCA, ITQ", model={"dims": 4}), progress=False)
    with pytest.raises(InputError, match="no trained weights"):
        export.export(done.record.run, tmp_path)


def test_a_damaged_file_is_refused(tiny_css, tmp_path):
    export.export(tiny_runs.make("dim").record.run, tmp_path / "shared")
    weights = next((tmp_path / "shared").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        shared.load(tmp_path / "shared")


def test_an_encoder_from_disk_cannot_be_built_again(tiny_css, tmp_path):
    export.export(tiny_runs.make("dim").record.run, tmp_path / "shared")
    file = tmp_path / "shared" / "model.json"
    facts = json.loads(file.read_text())
    facts["config"]["run"]["model"]["text_encoder"] = "bert"
    facts["config"]["run"]["model"]["text_weights"] = "bert"
    file.write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"text_encoder of .* is of a saved model"):
        shared.load(tmp_path / "shared")
