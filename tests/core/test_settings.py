"""Settings as they are typed."""

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.settings import parse

GROUPS = {"model": "model", "train": "training"}


def test_values_are_json_where_they_can_be():
    typed = ["train.steps=100", "train.rate=1e-3", "model.dim.weight=0.5", "model.dim.local=true"]
    typed += [
        "model.image_encoder=convnet",
        "model.text=a=b",
        "model.nothing=",
        "model.dim.off=null",
    ]
    assert parse(typed, GROUPS) == {
        "training": {"steps": 100, "rate": 1e-3},
        "model": {
            "dim": {"weight": 0.5, "local": True, "off": None},
            "image_encoder": "convnet",
            "text": "a=b",
            "nothing": "",
        },
    }
    assert parse([], GROUPS) == {}


@pytest.mark.parametrize(
    "text", ["steps=4", "train.steps", "train=4", "train.=4", "train..steps=4", "=", "loss.a=1"]
)
def test_what_cannot_be_read_is_answered_with_how_to_write_it(text):
    message = f"setting {text!r} cannot be read; write model.KEY=VALUE or train.KEY=VALUE"
    with pytest.raises(InputError) as error:
        parse([text], GROUPS)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("train.steps=4", "train.steps=4"),
        ("model.dim=null", "model.dim.weight=1"),
        ("model.dim.weight=1", "model.dim=null"),
    ],
)
def test_no_setting_is_given_twice(first, second):
    with pytest.raises(InputError, match="given twice"):
        parse([first, second], GROUPS)
