"""The label-based methods of the tables are configurations that say all of themselves."""

import json

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.experiments.presets import crcgs
from cmir_repro.experiments.presets.crcgs import (
    ABLATION,
    BASELINES,
    DEFECTS,
    FULL,
    METHODS,
    REFERENCE,
    SCALES,
    CRCGSRun,
    configure,
    default_task,
)
from cmir_repro.systems.crcgs import RELEASED

WEIGHTS = ("distill", "adversary", "contrast", "support")


def terms(method):
    model = configure(method=method).model
    return {name for name in WEIGHTS if getattr(model, name)}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", [*METHODS, *BASELINES])
def test_every_method_of_the_tables_is_a_configuration(method, scale):
    config = configure(method=method, scale=scale, seed=3)
    assert (config.method, config.scale, config.train.seed) == (method, scale, 3)
    assert (config.model is None) == (method in BASELINES) == (config.baseline is not None)
    assert CRCGSRun.make(**json.loads(json.dumps(config.model_dump(mode="json")))) == config


@pytest.mark.parametrize("scale", SCALES)
def test_no_two_methods_are_the_same_model(scale):
    seen = {}
    for method in METHODS:
        config = configure(method=method, scale=scale).model_copy(update={"method": ""})
        assert seen.setdefault(config.model_dump_json(), method) == method


def test_names_of_the_ablation_say_what_is_in_and_out():
    every = set(WEIGHTS)
    assert terms(REFERENCE) == set()
    assert terms(FULL) == every
    assert terms("Base + generative features") == every - {"support"}
    assert terms("Base + contrast") == {"contrast"}
    assert terms("Base + support set") == {"support"}
    assert terms("CRCGS without generative features") == {"contrast", "support"}
    for name, word in (
        ("distillation", "distill"),
        ("adversary", "adversary"),
        ("contrast", "contrast"),
    ):
        assert terms(f"CRCGS without {name}") == every - {word}
    assert configure(method="CRCGS, support set in the batch").model.memory == 0
    assert configure(method=FULL).model.memory > 0
    assert terms("DSCMR") == set()


def test_defects_are_the_released_code_with_one_thing_changed():
    released = configure(method="Released").model.model_dump()
    assert {key: released[key] for key in RELEASED} == RELEASED
    changed = {
        method: {
            key
            for key, value in configure(method=method).model.model_dump().items()
            if value != released[key]
        }
        for method in DEFECTS
    }
    assert changed.pop("Released") == set()
    assert all(len(keys) == 1 for keys in changed.values()), changed
    assert changed["Released, samples counted"] == {"contrast_count"}
    assert not set(DEFECTS) & set(ABLATION)
    assert {REFERENCE, FULL} <= set(ABLATION)


@pytest.mark.parametrize("method", METHODS)
def test_teachers_are_there_where_a_weight_needs_them(method):
    config = configure(method=method)
    assert (config.teacher is not None) == config.model.generates
    if config.teacher:
        released = config.model.contrast_form == "released"
        assert config.teacher.form == ("released" if released else "squared")


def test_methods_of_one_form_share_their_teachers():
    """Else the ablation would compare teachers, too."""
    with_teachers = [configure(method=m) for m in ABLATION if configure(method=m).teacher]
    assert len(with_teachers) > 2
    assert len({config.teacher.model_dump_json() for config in with_teachers}) == 1


def test_steps_count_batches_whatever_a_batch_makes():
    steps = {"steps": 10, "evaluate_every": 5, "log_every": 2}
    for method in (REFERENCE, FULL):
        found = configure(method=method, training=steps).train
        assert (found.steps, found.evaluate_every, found.log_every) == (10, 5, 2)


@pytest.mark.parametrize("scale", SCALES)
def test_all_methods_see_the_same_batches(scale):
    assert len({configure(method=m, scale=scale).train.model_dump_json() for m in METHODS}) == 1


def test_what_a_reader_changes_comes_last():
    config = configure(
        method=REFERENCE,
        model={"alpha": 0.5, "support": 2.0},
        training={"batch": 33, "seed": 8, "learning_rate": 0.5},
    )
    assert (config.model.alpha, config.model.support, config.model.distill) == (0.5, 2.0, 0)
    assert (config.train.batch, config.train.seed, config.train.learning_rate) == (33, 8, 0.5)
    own = configure(method="Mine", model={"contrast": 0.0})
    assert own.model.contrast == 0
    assert own.method == "Mine"
    fitted = configure(method="CCA, ITQ", model={"dims": 7})
    assert (fitted.baseline.kind, fitted.baseline.dims) == ("cca-itq", 7)


def test_what_is_fitted_has_nothing_to_select():
    assert configure(method="CCA, ITQ").train.selection == "last"
    assert configure(method="DCMH").train.selection == configure(method=FULL).train.selection


def test_a_task_that_is_not_named_is_the_data_sets_own():
    assert default_task("css") == configure("css").task == "3d-colour-shape"
    assert default_task("wikipedia") == configure("wikipedia").task == "labels"
    assert configure("css", "2d-shape").task == "2d-shape"


def test_nothing_in_the_tables_changes_when_one_configures():
    before = json.dumps([crcgs.SCALES, METHODS, BASELINES])
    configure(method=FULL, model={"memory": 3}, training={"steps": 5})
    configure(method="DCMH", model={"hidden_text": 3})
    assert json.dumps([crcgs.SCALES, METHODS, BASELINES]) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "CRCGS without contrasts"}, "CRCGS without contrast"),
        ({"scale": "huge"}, "scale"),
        ({"model": {"supprt": 1.0}}, "supprt"),
        ({"training": {"step": 1}}, "step"),
        ({"training": {"selection": "test"}}, "selection"),
        ({"method": "DCMH", "model": {"alpha": 1.0}}, "alpha"),
        ({"model": dict.fromkeys(("phi", "alpha", "contrast", "support", "memory"), 0)}, "learnt"),
        ({"dataset": ""}, "dataset"),
    ],
)
def test_what_is_unknown_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        configure(**changes)
