"""The one exception for bad input: a single line that names the culprit and the way out."""

from collections.abc import Iterable


class InputError(ValueError):
    """A file, key or value given by the user cannot be used; the message says what to do."""


def one_of(what: str, value: object, allowed: Iterable[object]) -> None:
    """Raise `InputError` unless `value` is among `allowed`, listing what is."""
    allowed = list(allowed)
    if value not in allowed:
        raise InputError(f"{what} {value!r} is unknown; allowed: {', '.join(map(str, allowed))}")
