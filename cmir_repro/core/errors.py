"""The one exception for bad input: a single line that names the culprit and the way out."""

from collections.abc import Iterable, Sequence
from numbers import Integral


class InputError(ValueError):
    """A file, key or value given by the user cannot be used; the message says what to do."""


def one_of(what: str, value: object, allowed: Iterable[object]) -> None:
    """Raise `InputError` unless `value` is among `allowed`, listing what is."""
    allowed = list(allowed)
    if value not in allowed:
        raise InputError(f"{what} {value!r} is unknown; allowed: {', '.join(map(str, allowed))}")


def first(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


SEEDS = 2**32  # seeds are below it: what every generator here can be made of


def check_seed(seed: int | None) -> int | None:
    """`seed`, if it is None or a whole number in [0, SEEDS); else raise `InputError`."""
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < SEEDS:
        raise InputError(f"seed {seed!r} must be a whole number from 0 to {SEEDS - 1}")
    return int(seed)
