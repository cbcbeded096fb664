"""The one exception for bad input: a single line that names the culprit and the way out."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from numbers import Integral

# Signs of a message, our choice. What is cut out lies in the middle: the culprit stands first,
# and what to do last.
LONGEST, ITS_END = 500, 200


class InputError(ValueError):
    """A file, key or value given by the user cannot be used; the message says what to do.

    Messages quote untrusted files, so they are made one printable line of at most LONGEST signs.
    """

    def __init__(self, message: object) -> None:
        super().__init__(one_line(message))


@contextmanager
def naming(culprit: object) -> Iterator[None]:
    """Let the `InputError`s of what cannot know the file or folder begin with its name.

    Those that name it already, or a file in the folder, are left as they are.
    """
    try:
        yield
    except InputError as error:
        if str(culprit) in str(error):
            raise
        raise InputError(f"{culprit}: {error}") from error


def one_line(message: object, longest: int = LONGEST) -> str:
    """A text as one line that can be printed anywhere, cut in its middle to `longest` signs."""
    text = str(message)
    if len(text) > longest:
        end = min(ITS_END, longest // 3)
        text = f"{text[: longest - end - 5]} ... {text[-end:]}"
    # Not split(): names may hold several blanks. Signs that cannot be printed hide or forge text.
    return "".join(sign if sign.isprintable() else _shown(sign) for sign in text)


def _shown(sign: str) -> str:
    return " " if sign.isspace() else "?"


def one_of(what: str, value: object, allowed: Iterable[object]) -> None:
    """Raise `InputError` unless `value` is among `allowed`, listing what is: where that will not be
    shown whole, what is most like it first.
    """
    allowed = list(allowed)
    if value in allowed:
        return
    names = [str(name) for name in allowed]
    if len(_listed(names)) > LONGEST // 2:
        names.sort(key=lambda name: -SequenceMatcher(None, str(value), name).ratio())
    raise InputError(f"{what} {value!r} is unknown; allowed: {_listed(names)}")


def first(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    return _listed(names[:most]) + (f" and {more} more" if more > 0 else "")


def _listed(names: Sequence[str]) -> str:
    """Names in a row, so that one that holds a comma ("CCA, ITQ") is still seen as one."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


MAX_SIDE = 4096  # of a prepared picture in pixels, our choice: 50 MB


def check_size(size: int) -> int:
    """`size`, if it is a side in pixels from 1 to MAX_SIDE; else raise `InputError`."""
    if isinstance(size, bool) or not isinstance(size, Integral) or not 1 <= size <= MAX_SIDE:
        raise InputError(f"size {size!r} must be a whole number from 1 to {MAX_SIDE} pixels")
    return int(size)


SEEDS = 2**32  # seeds are below it: what every generator here can be made of


def check_seed(seed: int | None) -> int | None:
    """`seed`, if it is None or a whole number in [0, SEEDS); else raise `InputError`."""
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < SEEDS:
        raise InputError(f"seed {seed!r} must be a whole number from 0 to {SEEDS - 1}")
    return int(seed)
