"""Every cell of the tables is a configuration; what a reader changes is merged, or refused."""

import itertools

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.experiments.presets.dim import (
    ABLATION,
    FUSIONS,
    METHODS,
    SCALES,
    UNIMODAL,
    ablation_name,
    configure,
    default_task,
)
from cmir_repro.models.compositors import COMPOSITORS

KINDS = {"css": "css", "css-released": "css", "photos": "photos", "fashion200k": "photos"}
CELLS = list(itertools.product(SCALES, KINDS))


@pytest.mark.parametrize(("scale", "dataset"), CELLS)
def test_every_method_configures_at_every_scale_on_every_kind_of_data(scale, dataset):
    settings = SCALES[scale][KINDS[dataset]]
    for method, changes in METHODS.items():
        found = configure(dataset, scale=scale, method=method, seed=7)
        assert (found.dataset, found.method, found.scale) == (dataset, method, scale)
        assert found.model.compositor == changes["compositor"]
        assert found.model.image_encoder == settings["model"]["image_encoder"]
        assert found.model.embed_dim == settings["model"]["embed_dim"]
        assert (found.train.steps, found.train.seed) == (settings["train"]["steps"], 7)
        assert (found.model.dim is not None) == method.endswith(" + DIM")
        if found.model.dim:
            units = settings["model"].get("dim", {}).get("units", 128)
            assert (found.model.dim.parts, found.model.dim.units) == ("AB", units)


def test_all_compositors_are_in_the_tables_and_all_fusions_with_dim():
    assert {changes["compositor"] for changes in METHODS.values()} == set(COMPOSITORS)
    assert set(METHODS) == {*UNIMODAL, *FUSIONS, *(f"{name} + DIM" for name in FUSIONS)}


@pytest.mark.parametrize(("scale", "dataset"), CELLS)
def test_a_cell_of_the_ablation_is_tirg_with_dim_and_one_thing_changed(scale, dataset):
    def settings(method):
        return configure(dataset, scale=scale, method=method).model_dump() | {"method": ""}

    whole = settings("TIRG + DIM")
    for what, cells in ABLATION.items():
        for value, changes in cells.items():
            found = settings(ablation_name(what, value))
            dim = found["model"].pop("dim")
            assert changes.items() <= dim.items()
            rest = {**whole["model"]}
            plain = rest.pop("dim")
            assert {key for key in plain if dim[key] != plain[key]} == set(changes)
            assert found == {**whole, "model": rest}


def test_the_parts_of_dim_are_cells_of_the_ablation():
    assert ablation_name("part", "A") == "TIRG + DIM, part A"
    assert configure(method="TIRG + DIM, part A").model.dim.parts == "A"
    assert configure(method="TIRG + DIM, part B").model.dim.parts == "B"
    assert not {ablation_name(what, v) for what in ABLATION for v in ABLATION[what]} & set(METHODS)


def test_settings_of_scale_method_and_reader_are_merged():
    method = "TIRG + DIM, part A"
    dim = configure(scale="paper", method=method, model={"dim": {"weight_a": 0.5}}).model.dim
    assert (dim.units, dim.parts, dim.weight_a) == (512, "A", 0.5)
    assert configure(method="TIRG + DIM", model={"dim": None}).model.dim is None
    own = configure(method="mine", model={"compositor": "concatenation", "dim": {}})
    assert (own.method, own.model.compositor, own.model.dim.parts) == (
        "mine",
        "concatenation",
        "AB",
    )
    assert "dim" in SCALES["paper"]["css"]["model"]  # no configuration changes the table


def test_another_recipe_brings_its_own_steps():
    assert configure(recipe_name="tirg/css").train.steps == 160_000
    assert configure(recipe_name="tirg/css", training={"steps": 9}).train.steps == 9


@pytest.mark.parametrize(
    ("dataset", "task"),
    [("css", "3d-3d"), ("css-released", "3d-3d"), ("photos", "photo"), ("mine", "photo")],
)
def test_a_data_set_has_a_task_where_none_is_named(dataset, task):
    assert default_task(dataset) == task
    assert configure(dataset).task == task
    assert configure(dataset, "2d-3d").task == "2d-3d"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": "huge"}, "scale 'huge' is unknown; allowed: mini, full, paper"),
        ({"dataset": ""}, "dataset = '' is not allowed"),
        ({"task": ""}, "task = '' is not allowed"),
        ({"method": "TIGR"}, "method 'TIGR' is unknown; allowed: TIRG"),
        ({"method": "TIRG + DIM A"}, "unknown; .*TIRG . DIM, part A"),
        ({"recipe_name": "slow"}, "recipe 'slow' is unknown.*fast"),
        ({"model": {"compositor": "tigr"}}, "compositor 'tigr' is unknown; .*tirg"),
        ({"model": {"width": 3}}, "unknown key 'width'; allowed: image_encoder"),
        ({"model": {"dim": {"wait": 3}}}, "unknown key 'dim.wait'; allowed: parts"),
        ({"model": {"dim": "AB"}}, "dim = 'AB' is not allowed"),
        ({"training": {"step": 3}}, "unknown key 'step'; allowed: steps"),
        ({"method": "Image only", "model": {"dim": {}}}, "'image-only' has none"),
        ({"dataset": "photos", "model": {"image_weights": "none"}}, "needs image_weights"),
    ],
)
def test_what_is_unknown_or_impossible_is_refused(values, message):
    with pytest.raises(InputError, match=message) as caught:
        configure(**values)
    assert "\n" not in str(caught.value)
