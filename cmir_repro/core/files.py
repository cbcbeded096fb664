"""Files that are whole or absent: write beside the target, flush to disk, rename.

What is half-written lies in a folder of its own, PARTIAL..., so that no pattern of a reader finds
it. A process that is killed leaves that folder behind; the next one that writes there removes it.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic_core import from_json

from cmir_repro.core.errors import InputError

PARTIAL = ".partial-"
DAY = 86_400  # seconds after which half-written files of another machine are leftovers


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` if the block succeeds.

    Raises:
        InputError: the folder is not writable or the disk is full; `path` is left as it was.
    """
    path = Path(path)
    folder = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        prefix = f"{PARTIAL}{os.getpid()}-{platform.node()}-"
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
        temporary = folder / path.name  # its suffix too: numpy and pandas choose formats by it
        temporary.touch()
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # late: some writers put a file of their own in its place
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {path}: {reason}; free some space or name a writable folder by CMIR_HOME"
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@cache  # once a process and folder
def _sweep(folder: Path) -> None:
    """Remove what processes that are dead left half-written in a folder."""
    for left in folder.glob(f"{PARTIAL}*"):
        pid, _, rest = left.name.removeprefix(PARTIAL).partition("-")
        here = rest.rpartition("-")[0] == platform.node() and pid.isdigit()
        with contextlib.suppress(OSError):  # another process sweeps too
            if _dead(int(pid)) if here else time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's, alive
        return False
    return False


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with sorted keys; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises:
        InputError: the file is missing, not JSON as `parse_json` takes it, or not an object.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    try:
        value = parse_json(data)
    except ValueError as error:
        raise InputError(f"{path} is not readable JSON ({error}); make it again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}, expected a JSON object")
    return value


def parse_json(data: bytes | str) -> object:
    """The value of a JSON text, which is not trusted.

    Refused are what is no JSON (NaN and Infinity among it), nesting of more than 200 levels, halves
    of surrogate pairs, and numbers beyond a float's range.

    Args:
        data: in UTF-8, where it is bytes.

    Raises:
        ValueError: in one line, with the place.
    """
    data = data.encode() if isinstance(data, str) else data
    value = from_json(data, allow_inf_nan=False)
    # The parser makes infinity of 1e999 and whole numbers of up to 4,300 digits.
    if _LONG in data.translate(_NINES) or _EXPONENT.search(data):
        _refuse_large(value)
    return value


_LONG, _NINES = b"9" * 300, bytes.maketrans(b"0123456789", b"9" * 10)
_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3,}(?=[\s,\]}]|$)")


def _refuse_large(value: object) -> None:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _refuse_large(item)
    elif isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise ValueError("it holds a number that is too large")


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
