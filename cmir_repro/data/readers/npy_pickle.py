"""Reading a pickled .npy file from the web without running anything it asks for.

The CSS release is such a file, written by Python 2. A pickle names functions and calls them;
here every name it may use stands for a small function of this file, so that not even NumPy's
own constructors, which trust their input, are reached. Any other name is refused.

That keeps code from running, not time or memory: a pickle of 60 bytes can hash a tuple of 2^60
items, claim 2^28 places or nest until the interpreter crashes. So a child process reads it, and
hands its value back as JSON.
"""

import pickle
import re
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from cmir_repro.core.errors import InputError, one_line
from cmir_repro.data.readers.child import Child

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUILTINS = ("__builtin__", "builtins")  # Python 2 and 3
_BYTES, _DICT = "b", "d"
_KINDS = {"l": list, "t": tuple, "s": set, "f": frozenset}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}
DEEPEST = 64  # our choice; CSS needs 6
MOST, MOST_TIMES = 1_000_000, 4  # values, and values for each byte of the file; our choice
_DTYPE = re.compile(r"(?:[biufcSU]\d+|O\d*)")


def load_npy(path: Path) -> object:
    """Read an object array that `np.save` wrote with `allow_pickle=True`, by Python 2 or 3.

    Args:
        path: a .npy file; it is not trusted.

    Returns:
        Plain Python: dict, list, tuple, set, str, bytes, numbers, None. Strings of Python 2 are
        decoded as latin-1. Arrays come back as nested lists and NumPy scalars as numbers; a
        0-dimensional array at the top, what `np.save` makes of a dict, comes back as its content.

    Raises:
        InputError: the file is missing, no .npy, truncated, holds no pickle, asks for anything
            besides plain containers and NumPy arrays of numbers, text or objects, is nested over
            DEEPEST, or takes too much time or memory.
    """
    child = Child(path, f"{__name__}:PickledFile")
    try:
        return _decoded(child.ask("encoded"))
    finally:
        child.close()


class PickledFile:
    """What the child process does with the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def encoded(self) -> object:
        """The value as `_decoded` takes it: JSON that tells tuples, sets and bytes from lists."""
        try:
            with self._path.open("rb") as file:
                shape = _read_header(file)
                value = _Unpickler(file, encoding="latin1").load()
                if not isinstance(value, _Array) or value.shape != shape:
                    raise _Refused("the pickle is not the array its header announces")
            most = MOST + MOST_TIMES * self._path.stat().st_size
            return _Encoder(most).encode(value[0] if shape == () else value)
        except MemoryError:
            raise
        except _Refused as error:
            raise InputError(f"{self._path} is refused: {_reason(error)}") from error
        except Exception as error:  # the unpickler raises nearly any kind for a damaged file
            raise InputError(
                f"{self._path} is truncated or no pickled .npy file ({_reason(error)}); get it "
                "again"
            ) from error


class _Refused(Exception):
    """The file is readable but holds what we do not take."""


def _reason(error: Exception) -> str:
    """The message, which may quote what the file holds: short."""
    return one_line(" ".join(str(error).split()) or type(error).__name__, 200)


class _Encoder:
    """Makes JSON of plain Python: each container is a list of its kind's letter and its items.

    What a pickle names several times becomes several values, of which there may be `most`.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def encode(self, value: object, depth: int = 0) -> object:
        kind = type(value)
        if kind is str:
            if not value.isascii():
                value.encode()  # raises where half of a pair stands, which no file can hold
            return value
        if kind in (float, bool, type(None)):
            return value
        if kind is int:
            if value.bit_length() > 2**13:
                raise _Refused(f"it holds a number of {value.bit_length():,} bits")
            return value
        if kind is bytes:
            return [_BYTES, value.decode("latin1")]
        items = [part for pair in value.items() for part in pair] if kind is dict else value
        letter = _DICT if kind is dict else _LETTERS.get(kind)
        if letter is None:
            raise _Refused(f"it holds {kind.__name__}, no plain value")
        self._left -= 1 + len(items)
        if self._left < 0:
            raise _Refused("it names the same values over and over")
        if depth == DEEPEST:
            raise _Refused(f"it is nested over {DEEPEST} deep")
        depth += 1
        return [letter, *[self.encode(item, depth) for item in items]]


def _decoded(coded: object) -> object:
    """The value behind what `_Encoder` makes."""
    if not isinstance(coded, list):
        return coded
    letter, *items = coded
    if letter == _BYTES:
        return items[0].encode("latin1")
    items = [_decoded(item) for item in items]
    if letter == _DICT:
        return dict(zip(items[::2], items[1::2], strict=True))
    return _KINDS[letter](items)


def _read_header(file) -> tuple[int, ...]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise _Refused(f"version {version} of the .npy format; expected 1.0 or 2.0")
    if dtype != np.dtype(object):
        raise _Refused(f"it is a plain array of {dtype}; expected a pickled one")
    return shape


class _Unpickler(pickle.Unpickler):
    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self._allowed = _stand_ins()

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._allowed:
            raise _Refused(
                f"it asks for {module}.{name}; only plain containers and arrays may pass"
            )
        return self._allowed[module, name]


def _stand_ins() -> dict[tuple[str, str], Callable | str]:
    """What each name means. Made anew for every file: a pickle can write into what it is given."""

    def reconstruct(*_) -> _Array:
        return _Array()  # filled by __setstate__; the shape asked for here is never allocated

    def dtype(code: str, *_) -> _DType:
        return _DType(code)

    def scalar(kind: _DType, data: bytes | str) -> object:
        return kind.read(data)[0]

    def encode(text: str, encoding: str) -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise _Refused(f"it encodes bytes as {encoding!r}; expected latin1")
        return text.encode("latin1")

    def no_bytes() -> bytes:  # how old protocols write b""; bytes(n) would fill the memory
        return b""

    allowed = {("numpy", "ndarray"): "ndarray", ("numpy", "dtype"): dtype}
    allowed[("_codecs", "encode")] = encode
    for module in _MULTIARRAY:
        allowed[(module, "_reconstruct")] = reconstruct
        allowed[(module, "scalar")] = scalar
    for module in _BUILTINS:
        allowed[(module, "bytes")] = no_bytes
        allowed[(module, "set")] = set
        allowed[(module, "frozenset")] = frozenset
    return allowed


class _DType:
    """A dtype as the pickle describes it: code and byte order, nothing else is believed.

    NumPy takes the flags of a pickled dtype as they come; forged ones turn bytes into pointers.
    """

    def __init__(self, code: str) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise _Refused(f"it holds an array of type {code!r}; expected numbers, text or objects")
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple) -> None:
        _, self.order, *fields = state[:5]
        if self.order not in ("<", ">", "|", "=") or fields != [None] * 3:
            raise _Refused("it holds a structured array; expected numbers, text or objects")

    @property
    def is_object(self) -> bool:
        return self.code[0] == "O"

    def read(self, data: bytes | str) -> np.ndarray:
        """The values behind raw bytes, one-dimensional."""
        if isinstance(data, str):  # bytes of Python 2
            data = data.encode("latin1")
        if self.is_object or not isinstance(data, bytes):
            raise _Refused("it gives bytes for objects or objects for bytes")
        return np.frombuffer(data, np.dtype(self.order + self.code)).tolist()


class _Array(list):
    """An array as nested lists; the pickle creates it empty and fills it in a second step."""

    shape: tuple[int, ...] | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, column_major, data = state
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise _Refused(f"it holds an array of shape {shape}")
        flat = data if kind.is_object and isinstance(data, list) else kind.read(data)
        if len(flat) != prod(shape):
            raise _Refused(f"an array of shape {shape} has {len(flat)} values")
        if column_major and not kind.is_object:  # objects are listed row by row in any case
            order = np.arange(len(flat)).reshape(shape[::-1]).T.ravel()
            flat = [flat[i] for i in order.tolist()]
        for size in reversed(shape[1:]):
            flat = [flat[i : i + size] for i in range(0, len(flat), size)] if flat else []
        self[:] = flat
        self.shape = tuple(shape)


_LETTERS[_Array] = _LETTERS[list]
