"""Configuration that refuses what it does not know, in one line that lists what it does.

Settings as they are typed, `train.steps=100`, become {"train": {"steps": 100}}.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from cmir_repro.core.errors import InputError


class Config(BaseModel):
    """Frozen settings; unknown keys and wrong values are errors. Build one with `make`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def make(cls, /, **values: object) -> Self:
        """Check `values` and return the settings.

        Raises:
            InputError: an unknown key, a wrong value or an impossible combination.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise InputError(_one_line(cls, error)) from error


def parse(typed: Iterable[str], groups: Mapping[str, str]) -> dict[str, dict]:
    """Nested settings from texts KEY=VALUE, with dots in KEY.

    Args:
        typed: a value is JSON where it can be read as such (100, 0.5, true, null), else a text.
        groups: first part of a key -> name of the dict it belongs to.

    Raises:
        InputError: no "=", a key of no group, or one that is given twice.
    """
    found: dict[str, dict] = {}
    for text in typed:
        key, equals, value = text.partition("=")
        first, *rest = key.split(".")
        if not equals or first not in groups or not all(rest) or not rest:
            starts = " or ".join(f"{name}.KEY=VALUE" for name in groups)
            raise InputError(f"setting {text!r} cannot be read; write {starts}")
        place: object = found.setdefault(groups[first], {})
        for part in rest[:-1]:
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict) or rest[-1] in place:
            raise InputError(f"setting {key!r} is given twice")
        place[rest[-1]] = _value(value)
    return found


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        owner = cls
        for part in first["loc"][:-1]:
            owner = _settings_in(owner.model_fields[part].annotation)
        return f"{cls.__name__}: unknown key {key!r}; allowed: {', '.join(owner.model_fields)}"
    if first["type"] == "missing":
        return f"{cls.__name__}: {key!r} is missing"
    if first["type"] == "value_error":
        # Raised by our own validators, already a sentence.
        return f"{cls.__name__}: {first['ctx']['error']}"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{cls.__name__}: {key} = {first['input']!r} is not allowed: {message}"


def _settings_in(annotation: object) -> type[BaseModel]:
    """X of the annotations `X` and `X | None`."""
    return next(kind for kind in (*get_args(annotation), annotation) if kind is not type(None))


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
