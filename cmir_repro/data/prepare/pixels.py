"""Pixel files, written chunk by chunk; one is at its place only when it is whole."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cmir_repro.core import locks
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_text
from cmir_repro.core.progress import bar

CHUNK = 512  # pictures drawn at a time


def fill(
    path: Path,
    shape: tuple[int, int, int, int],
    draw: Callable[[slice], np.ndarray],
    key: str,
    title: str | None,
    dtype: str = "uint8",
) -> None:
    """Write a pixel file chunk by chunk; it appears at `path` when it is whole.

    What an earlier try left, in part or whole, is kept if it was for the same key and shape. Where
    another process writes the same file, wait for it.

    Args:
        path: where the .npy file shall lie.
        shape: N, height, width, channels.
        draw: makes the pictures (n, height, width, channels) of a slice of 0..N.
        key: digest of all that the pictures depend on.
        title: of the progress bar; None shows none.
        dtype: what `draw` makes: pictures are uint8, stored features float16.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    key = hashlib.sha256(f"{key} {shape}".encode()).hexdigest()[:12]
    part = path.with_name(f".{path.stem}-{key}.part")
    finished = path.with_name(f".{path.stem}.key")  # says what the file at `path` was made of

    def there() -> bool:
        return path.exists() and finished.exists() and finished.read_text() == key

    if there():
        return
    with locks.alone(path, f"writes {path.name}"):
        if not there():
            for left in path.parent.glob(f".{path.stem}-*.part"):
                if len(left.name) == len(part.name) and left != part:
                    left.unlink()  # of a try that was broken off, for something else
            _draw(path, part, finished, shape, draw, title, dtype)
            write_text(finished, key)


def _draw(
    path: Path,
    part: Path,
    finished: Path,
    shape: tuple[int, int, int, int],
    draw: Callable[[slice], np.ndarray],
    title: str | None,
    dtype: str,
) -> None:
    """Draw what is missing in the file `part`, and move it to `path`, whose key is removed."""
    one = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize  # bytes an image
    header = _header(shape, dtype)
    try:
        with (
            part.open("ab") as file,
            bar(total=shape[0], desc=title, unit="image", disable=title is None) as shown,
        ):
            if file.tell() < len(header):
                file.seek(0)
                file.truncate()
                file.write(header)
            done = (file.tell() - len(header)) // one
            file.truncate(len(header) + done * one)  # a half-written image is drawn again
            shown.update(done)
            while done < shape[0]:
                rows = slice(done, min(done + CHUNK, shape[0]))
                file.write(np.ascontiguousarray(draw(rows), dtype).tobytes())
                file.flush()
                shown.update(rows.stop - done)
                done = rows.stop
            os.fsync(file.fileno())
        # First, so that no key of an earlier content ever stands beside a new one.
        finished.unlink(missing_ok=True)
        part.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; free some space or set CMIR_DATA to another "
            "folder; it goes on where it stopped"
        ) from error


def _header(shape: tuple, dtype: str) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    )
    return out.getvalue()
