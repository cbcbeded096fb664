"""Settings as they are typed: `train.steps=100` becomes {"train": {"steps": 100}}."""

import json
from collections.abc import Iterable, Mapping

from cmir_repro.core.errors import InputError


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


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
