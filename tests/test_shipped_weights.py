"""A model that came along has the recall that its record and its card say, and answers queries.

Weights are rounded to half precision, figures are those of single precision: they may differ by
less than `export.HALF_MOVES` points.
"""

import pytest

import cmir_repro as cmir
from cmir_repro.core import paths
from cmir_repro.core.files import sha256
from cmir_repro.experiments import export
from cmir_repro.training import checkpoint

pytestmark = pytest.mark.xdist_group("shipped")  # they open the same data
SHIPPED = paths.shipped()
NAMES = sorted(file.parent.relative_to(SHIPPED).as_posix() for file in SHIPPED.rglob("model.json"))
ASKED = {
    "dim": ("css_test_000000", "remove middle-left circle"),
    "aai": ("a small red cube and a large yellow sphere",),
    "crcgs": ("red", "cube"),
}


def test_there_are_some():
    assert "css/tirg-dim-mini" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_files_name_and_card_belong_together(name):
    found, folder = cmir.load(name), SHIPPED / name
    (weights,) = folder.glob("*.safetensors")
    assert weights.stat().st_size < 4e6
    assert export.name(found.record) == name
    assert (folder / "README.md").read_text() == export.card(found.record, sha256(weights))
    tensors, _ = checkpoint.load(folder, "model")
    assert {str(x.dtype) for x in tensors.values() if x.is_floating_point()} == {"torch.float16"}
    assert found.record.code["dirty"] is False


@pytest.mark.science
@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_has_the_recorded_figures(name):
    found = cmir.load(name)
    experiment = found.experiment()
    assert experiment.data.info["tables_sha256"] == found.record.data["tables"]
    if found.config.system == "crcgs":  # its hash heads do not come along
        features = experiment.encode(found.model)
    else:
        features = experiment.features(found.model, None)
    _, result = experiment.score(features)
    metrics = found.record.result["metrics"]
    compared = [key for key in result["metrics"] if "@" in key and "rank" not in key]
    assert len(compared) >= 2
    for key in compared:
        value = result["metrics"][key]["value"]
        assert value == pytest.approx(metrics[key]["value"], abs=export.HALF_MOVES), key


@pytest.mark.science
@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_answers_a_query(name):
    found = cmir.load(name)
    answer = found.query(*ASKED[found.config.system], scale="mini")
    assert len(set(answer)) == 10
