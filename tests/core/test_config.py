"""Settings refuse what they do not know, in one line that lists what they do."""

import pytest
from pydantic import Field, ValidationError, model_validator

from cmir_repro.core.config import Config, parse
from cmir_repro.core.errors import InputError


class Part(Config):
    depth: int = Field(1, ge=1)
    tilt: float = 0.0


class Whole(Config):
    name: str
    part: Part | None = None
    always: Part = Part()

    @model_validator(mode="after")
    def _possible(self):
        if self.part is not None and self.name == "none":
            raise ValueError("name 'none' has no part; take one of them out")
        return self


def test_values_are_checked_nested_and_frozen():
    whole = Whole.make(name="x", part={"depth": 3})
    assert whole == Whole(name="x", part=Part(depth=3))
    assert whole.always.depth == 1
    with pytest.raises(ValidationError):
        whole.name = "y"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"naem": "x"}, "Whole: lacks name"),
        ({"name": "x", "naem": 1}, "Whole: unknown key 'naem'; allowed: name, part, always"),
        ({"name": "x", "cls": 1}, "Whole: unknown key 'cls'; allowed: name, part, always"),
        (
            {"name": "x", "part": {"dept": 1}},
            "Whole: unknown key 'part.dept'; allowed: depth, tilt",
        ),
        (
            {"name": "x", "always": {"dept": 1}},
            "Whole: unknown key 'always.dept'; allowed: depth, tilt",
        ),
        (
            {"name": "x", "part": {"depth": 0}},
            "Whole: part.depth = 0 is not allowed: input should be greater than or equal to 1",
        ),
        (
            {"name": "x", "part": {"tilt": float("inf")}},
            "Whole: part.tilt = inf is not allowed: input should be a finite number",
        ),
        ({"name": "none", "part": {}}, "Whole: name 'none' has no part; take one of them out"),
    ],
)
def test_a_refusal_names_the_key_and_the_way_out(values, message):
    with pytest.raises(InputError) as info:
        Whole.make(**values)
    assert str(info.value) == message


# As they are typed

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
