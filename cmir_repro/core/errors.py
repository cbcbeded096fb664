"""The one exception for bad input: a single line that names the culprit and the way out."""

from collections.abc import Iterable
from numbers import Integral


class InputError(ValueError):
    """A file, key or value given by the user cannot be used; the message says what to do."""


def one_of(what: str, value: object, allowed: Iterable[object]) -> None:
    """Raise `InputError` unless `value` is among `allowed`, listing what is."""
    allowed = list(allowed)
    if value not in allowed:
        raise InputError(f"{what} {value!r} is unknown; allowed: {', '.join(map(str, allowed))}")


SEEDS = 2**32  # seeds are below it: what every generator here can be made of


def check_seed(seed: int | None) -> int | None:
    """`seed`, if it is None or a whole number in [0, SEEDS); else raise `InputError`."""
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < SEEDS:
        raise InputError(f"seed {seed!r} must be a whole number from 0 to {SEEDS - 1}")
    return int(seed)
