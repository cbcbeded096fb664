"""Reading a pickled .npy file from the web without running anything it asks for.

The CSS release is such a file, written by Python 2. A pickle names functions and calls them;
here every name it may use stands for a small function of this file, so that not even NumPy's
own constructors, which trust their input, are reached. Any other name is refused.
"""

import pickle
import re
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from cmir_repro.core.errors import InputError

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUILTINS = ("__builtin__", "builtins")  # Python 2 and 3
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
        InputError: the file is missing, no .npy, truncated, holds no pickle, or asks for
            anything besides plain containers and NumPy arrays of numbers, text or objects.
    """
    try:
        with Path(path).open("rb") as file:
            shape = _read_header(file)
            value = _Unpickler(file, encoding="latin1").load()
            if not isinstance(value, _Array) or value.shape != shape:
                raise _Refused("the pickle is not the array its header announces")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except _Refused as error:
        raise InputError(f"{path} is refused: {_one_line(error)}") from error
    except Exception as error:  # the unpickler raises nearly any kind for a damaged file
        raise InputError(
            f"{path} is truncated or no pickled .npy file ({_one_line(error)}); get it again"
        ) from error
    return value[0] if shape == () else value


class _Refused(Exception):
    """The file is readable but holds what we do not take."""


def _one_line(error: Exception) -> str:
    """The message, which may quote what the file holds: printable and short."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


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
