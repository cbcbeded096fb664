"""Configuration that refuses what it does not know, in one line that lists what it does.

Settings as they are typed, `train.steps=100`, become {"train": {"steps": 100}}.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from cmir_repro.core.errors import InputError, one_line
from cmir_repro.core.files import parse_json, read_json


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
            raise InputError(f"{cls.__name__}: {_one_line(cls, error)}") from error

    @classmethod
    def checked(cls, path: Path, values: dict) -> Self:
        """`values` of a file, held to the schema as they are: no text is taken for a number.

        Raises:
            InputError: as `make`; the file is named.
        """
        try:
            return cls.model_validate(values, strict=True)
        except ValidationError as error:
            raise InputError(f"{path}: {_one_line(cls, error)}; make it again") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """What a JSON file holds. Errors as `files.read_json` and `checked`."""
        return cls.checked(path, read_json(path))


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
    first = error.errors(include_url=False)[0]
    key = one_line(".".join(map(str, first["loc"])), 100)
    if first["type"] == "extra_forbidden":
        known = _known(cls, first["loc"][:-1])
        return f"unknown key {key!r}" + (known and f"; allowed: {', '.join(known)}")
    if first["type"] == "missing":
        return f"{key!r} is missing"
    if first["type"] == "value_error":
        # Raised by our own validators, already a sentence.
        return str(first["ctx"]["error"])
    message = first["msg"][0].lower() + first["msg"][1:]
    value = first["input"]
    shown = one_line(repr(value), 60)
    return f"{key} = {shown} is not allowed: {message}"


def _known(owner: object, place: Iterable[str | int]) -> list[str]:
    """The keys of the settings at a place of a schema; [] where it is no class of them."""
    for part in place:
        fields = getattr(owner, "model_fields", {})
        if part not in fields:
            return []
        annotation = fields[part].annotation
        # X of the annotations `X` and `X | None`.
        owner = next(kind for kind in (*get_args(annotation), annotation) if kind is not type(None))
    return list(getattr(owner, "model_fields", {}))


def _value(text: str) -> object:
    try:
        return parse_json(text)
    except ValueError:
        return text
