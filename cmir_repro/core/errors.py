"""The one exception for bad input: a single line that names the culprit and the way out."""

from collections.abc import Iterable
from numbers import Integral

LONGEST = 1_000  # characters of a message, our choice


class InputError(ValueError):
    """A file, key or value given by the user cannot be used; the message says what to do.

    Whatever the message quotes, it is one line of at most LONGEST characters that can be printed.
    """

    def __init__(self, message: str) -> None:
        super().__init__(readable(message, LONGEST))


def readable(text: object, most: int = 60) -> str:
    """A text, or the repr of another value, as one printable line, a long one without its middle.

    Args:
        text: what a message quotes.
        most: characters, but for the dots.
    """
    if not isinstance(text, str):
        try:
            text = repr(text)
        except (ValueError, RecursionError):  # a number of thousands of digits; nested too deep
            text = f"a {type(text).__name__}"
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} ... {text[-(most // 3) :]}"
    if text.isprintable():
        return text
    signs = (sign if sign.isprintable() else _escaped(sign) for sign in text)
    return "".join(signs)


def _escaped(sign: str) -> str:
    return " " if sign in "\r\n\t" else sign.encode("unicode_escape").decode()


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
