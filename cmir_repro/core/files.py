"""Files that are whole or absent: write beside the target, flush to disk, rename.

What is half-written lies in a folder of its own, PARTIAL..., so that no pattern of a reader finds
it. A process that is killed leaves that folder behind; the next one that writes there removes it.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pydantic_core import from_json

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError

PARTIAL = ".partial-"
_STARTED = time.time()
DAY = 86_400  # seconds after which half-written files of another machine are leftovers


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` if the block succeeds.

    Raises:
        InputError: the folder is not writable or the disk is full; `path` is left as it was.
    """
    path = Path(path)
    try:
        with scratch(path.parent) as folder:
            temporary = folder / path.name  # its suffix too: numpy and pandas choose formats by it
            temporary.touch()
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)  # late: some writers put a file of their own in its place
            os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error


def unwritable(path: Path, reason: str) -> InputError:
    """What is said where `path` cannot be written; CMIR_HOME helps only with what lies under it."""
    ours = Path(path).resolve().is_relative_to(paths.home().resolve())
    return InputError(
        f"cannot write {path}: {reason}; free some space or name a writable folder"
        f"{' by CMIR_HOME' if ours else ''}"
    )


def check_output(path: Path | None, suffixes: Sequence[str], *read: Path | str | None) -> None:
    """Refuse, before the work, a file that cannot be written or would replace something else.

    Args:
        path: to be written; None: nothing is.
        suffixes: of what is written; a file that is there is replaced only if it ends in one.
        read: files that are read, and folders of which every file counts as read; None: not given.

    Raises:
        InputError: it is a folder, is read, is of another kind, or its folder is not writable.
    """
    if path is None:
        return
    path = Path(path)
    kinds = " or ".join(suffixes)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name a file that ends in {kinds}")
    if os.path.exists(path):
        for one in filter(None, read):
            if path.resolve().is_relative_to(Path(one).resolve()):
                inside = "" if path.samefile(one) else f"lies in {one}, which "
                raise InputError(
                    f"{path} {inside}is read here and would be replaced; name another file to write"
                )
        if path.suffix.lower() not in suffixes:
            raise InputError(
                f"{path} is there already and does not end in {kinds}, as what would replace it; "
                "name another file to write"
            )
    folder = next(folder for folder in path.absolute().parents if os.path.exists(folder))
    if not os.path.isdir(folder):
        raise unwritable(path, f"{folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(path, os.strerror(errno.EACCES))


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """An empty folder inside `parent`, for what is half-made; it is removed in the end.

    Raises:
        OSError: `parent` is not writable or the disk is full.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    prefix = f"{PARTIAL}{os.getpid()}-{platform.node()}-"
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        yield folder
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
            changed = left.stat().st_mtime
            if _dead(int(pid), changed) if here else time.time() - changed > DAY:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _dead(pid: int, changed: float) -> bool:
    """Whether the process is gone; an older one of our number is, as containers count anew."""
    if pid == os.getpid():
        return changed < _STARTED
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
