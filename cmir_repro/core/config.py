"""Configuration that refuses what it does not know, in one line that lists what it does.

Settings as they are typed, `train.steps=100`, become {"train": {"steps": 100}}.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Self, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cmir_repro.core.errors import InputError, one_line
from cmir_repro.core.files import parse_json, read_json

T = TypeVar("T")


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
            raise InputError(f"{cls.__name__}: {_said(cls, error)}") from error


MEND = "make it again"


def read(path: Path, schema: type[T], mend: str = MEND) -> T:
    """What a JSON file holds, a value of `schema`. Errors as `files.read_json` and `checked`."""
    return checked(path, schema, read_json(path), mend)


def checked(path: Path | str, schema: type[T], value: object, mend: str = MEND) -> T:
    """`value` of a file, held to a schema as it is: no text is taken for a number.

    Args:
        schema: a `Config`, a TypedDict or another type of JSON values.
        mend: what to do where it does not fit.

    Raises:
        InputError: a key is missing, unknown or of another kind; file and key are named.
    """
    try:
        return _adapter(schema).validate_python(value, strict=True)
    except ValidationError as error:
        raise InputError(f"{path}: {_said(schema, error)}; {mend}") from error


@cache
def _adapter(schema: type) -> TypeAdapter:
    return TypeAdapter(schema)


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


def _said(schema: type, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = one_line(".".join(map(str, first["loc"])), 100)
    if first["type"] == "extra_forbidden":
        known = _known(schema, first["loc"][:-1])
        return f"unknown key {key!r}" + (f"; allowed: {', '.join(known)}" if known else "")
    if first["type"] == "missing":
        lacking = [each["loc"] for each in error.errors() if each["type"] == "missing"]
        return f"lacks {one_line(', '.join('.'.join(map(str, loc)) for loc in lacking), 100)}"
    if first["type"] == "value_error":
        # Raised by our own validators, already a sentence.
        return str(first["ctx"]["error"])
    message = first["msg"][0].lower() + first["msg"][1:]
    try:
        shown = one_line(repr(first["input"]), 60)
    except ValueError:
        shown = "a number of thousands of digits"
    return f"{key} = {shown} is not allowed: {message}"


def _known(schema: object, place: Iterable[str | int]) -> list[str]:
    """The keys at a place of a schema; [] where they are not named there."""
    for part in place:
        kinds = get_type_hints(schema) if hasattr(schema, "__annotations__") else {}
        # X of `X` and of `X | None`.
        kind = kinds.get(part)
        schema = next((each for each in (*get_args(kind), kind) if each is not type(None)), None)
    return [*getattr(schema, "model_fields", getattr(schema, "__annotations__", ()))]


def _value(text: str) -> object:
    try:
        return parse_json(text)
    except ValueError:
        return text
