"""The one reader of numpy's files, which are not trusted: .npy, memory-mapped ones, and .npz.

A header is believed only as far as the file's size bears it out. Nothing is unpickled.
"""

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cmir_repro.core.errors import InputError, one_line

KINDS = "biufcSU"  # of dtypes: numbers and texts
SPARE = 2**28  # bytes that a packed file of any size may unpack to, our choice
RATIO = 4  # and as many times its size more
MAX_HEADER = 10_000  # characters, as numpy's own limit


def read_npy(path: Path, mapped: bool = False) -> np.ndarray:
    """The array of a .npy file.

    Args:
        mapped: do not read it but map it, read-only; numbers only.

    Raises:
        InputError: the file is missing, damaged, shorter than its header says or no .npy; it holds
            Python objects or other things than numbers and texts.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            _refuse_others(path, file.read(4), b"\x93NUM", "an npz, not a single array", ".npz")
            file.seek(0)
            dtype = _check_header(path, file, path.stat().st_size)
        if mapped and dtype.kind in "SU":
            raise InputError(f"{path} holds texts, expected numbers; make it again")
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except Exception as error:  # numpy's header parser alone raises half a dozen kinds
        raise _refusal(path, error) from error
    return _texts_checked(path, array)


def read_npz(path: Path, keys: Collection[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Arrays of a .npz file, those of `keys` that are there; and the names of all.

    Raises:
        InputError: as `read_npy`, or it unpacks to SPARE bytes and RATIO times its size or more.
    """
    path, found = Path(path), {}
    try:
        with path.open("rb") as file:
            _refuse_others(path, file.read(4), b"PK", "a single array, not an npz", ".npy")
        with zipfile.ZipFile(path) as packed:
            members = {info.filename.removesuffix(".npy"): info for info in packed.infolist()}
            size = sum(members[key].file_size for key in keys if key in members)
            if size > SPARE + RATIO * path.stat().st_size:
                raise InputError(
                    f"{path} would unpack to {size:,} bytes; write it with numpy.savez, unpacked"
                )
            for key in keys:
                if key in members:
                    found[key] = _member(f"key {key} of {path}", packed, members[key])
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged file
        raise _refusal(path, error) from error
    return found, list(members)


def _member(said: str, packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    try:
        with packed.open(info) as file:
            # Of the whole header, in memory: one of a packed file cannot be gone back in.
            start = io.BytesIO(file.read(MAX_HEADER + 16))
            _check_header(said, start, info.file_size)
        with packed.open(info) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError("more follows than its header says")
    except InputError:
        raise
    except Exception as error:  # as above
        raise _refusal(said, error) from error
    return _texts_checked(said, array)


def _check_header(said: object, file: BinaryIO, size: int) -> np.dtype:
    """The dtype that a header names, if the file holds as much as it says."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file, MAX_HEADER)
    else:  # 3.0 is 2.0 with other texts in names of fields, which are refused anyway
        shape, _, dtype = np.lib.format.read_array_header_2_0(file, MAX_HEADER)
    if dtype.hasobject:
        raise InputError(
            f"{said} holds Python objects, which can run code and are never loaded; "
            "save plain arrays, strings as .astype(str)"
        )
    if dtype.kind not in KINDS or dtype.names or dtype.subdtype:
        raise InputError(f"{said} holds {one_line(dtype, 60)}, expected numbers or texts")
    if any(length < 0 for length in shape):
        raise ValueError(f"its header says {one_line(shape, 60)}")
    needed, there = math.prod(shape) * max(dtype.itemsize, 1), size - file.tell()
    if needed > there:
        raise InputError(
            f"{said} is truncated: its header says {one_line(f'{shape} {dtype}', 60)}, "
            f"{one_line(f'{needed:,}', 30)} bytes, and it has {there:,}; make it again"
        )
    return dtype


def _texts_checked(said: object, array: np.ndarray) -> np.ndarray:
    """`array`, if its texts are Unicode; numpy takes any 32 bits for a sign."""
    if array.dtype.kind == "U" and array.size:
        signs = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        codes = np.ascontiguousarray(array).reshape(-1).view(signs)
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise InputError(f"{said} holds what is no text; make it again")
    return array


def _refuse_others(path: Path, start: bytes, wanted: bytes, other: str, suffix: str) -> None:
    """Name numpy's other format, where the file is of that one."""
    others = {b"\x93NUM": b"PK", b"PK": b"\x93NUM"}
    if start.startswith(others[wanted]):
        raise InputError(f"{path} is {other}; rename it to end in {suffix}")


def _refusal(said: object, error: Exception) -> InputError:
    reason = one_line(str(error).split("\n")[0] or type(error).__name__, 100)
    return InputError(f"{said} cannot be read ({reason}); write it again with numpy")
