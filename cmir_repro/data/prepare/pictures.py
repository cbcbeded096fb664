"""Picture files as arrays; what cannot be read whole is refused, never guessed."""

import functools
import hashlib
import io
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.core.progress import bar

# The other formats Pillow knows are refused: some of them start programs.
FORMATS = ("PNG", "JPEG", "GIF", "BMP")
MAX_PIXELS = 50_000_000  # our choice; a file of a few bytes can claim far more
_PNG_END = b"IEND\xaeB`\x82"  # Pillow itself does not miss it


def load_picture(path: Path) -> np.ndarray:
    """Read one picture as RGB; transparency is dropped, as in the loaders of the field.

    Returns:
        (height, width, 3) uint8.

    Raises:
        InputError: the file is missing, truncated, damaged, too large or of another format.
    """
    try:
        data = Path(path).read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are over {MAX_PIXELS:,}")
            if image.format == "PNG" and _PNG_END not in data[-1024:]:
                raise ValueError("the end is missing")
            return np.array(image.convert("RGB"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except Exception as error:  # Pillow raises many kinds for a damaged file
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no whole picture ({reason}); get it again") from error


def load_pictures(paths: Sequence[Path], height: int, width: int, workers: int = 4) -> np.ndarray:
    """Read pictures of one size: (N, height, width, 3) uint8.

    Args:
        paths: N files.
        height, width: the size, in pixels, that every picture must have.
        workers: threads; decoding runs outside Python's lock.

    Raises:
        InputError: as `load_picture`, or a picture has another size; the first file is named.
    """
    out = np.empty((len(paths), height, width, 3), dtype=np.uint8)
    with ThreadPoolExecutor(workers) as pool:
        for number, picture in enumerate(pool.map(load_picture, paths)):
            if picture.shape != out.shape[1:]:
                raise InputError(
                    f"{paths[number]} has {picture.shape[1]} x {picture.shape[0]} pixels, the "
                    f"others {width} x {height}"
                )
            out[number] = picture
    return out


def states(root: Path, files: Sequence[str]) -> list[tuple[int, int] | None]:
    """Size and time of each picture, None where there is none.

    Raises:
        InputError: a link leads out of the root.
    """
    base = os.path.realpath(root)

    @functools.cache
    def real(path: str) -> str:
        """os.path.realpath, which would look at each folder again for each of its pictures."""
        if path == base:
            return base
        folder, name = os.path.split(path)
        path = os.path.join(real(folder), name)
        return os.path.realpath(path) if os.path.islink(path) else path

    out = []
    for name in files:
        path = real(os.path.join(base, name))
        if not path.startswith(base + os.sep):
            raise InputError(f"{root / name} leads out of {root}; put the files themselves there")
        try:
            found = os.stat(path)
        except OSError:
            out.append(None)
            continue
        regular = stat.S_ISREG(found.st_mode)
        out.append((found.st_size, found.st_mtime_ns) if regular else None)
    return out


def inside(folder: Path, name: str, suffix: str = "") -> Path:
    """The file NAME + SUFFIX in the folder.

    Raises:
        InputError: the name leads elsewhere.
    """
    path = PureWindowsPath(name + suffix)  # knows / and \ and drives, on every system
    if not name or path.anchor or ".." in path.parts:
        raise InputError(f"image {name!r} is no file name inside {folder}; correct the CSV")
    return folder / (name + suffix)


def pixel_digests(
    files: Sequence[Path], progress: bool = True, workers: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """What N pictures show, told from one another whatever their format.

    Returns:
        digests: (N,) str, equal where the decoded pixels are; of a picture that cannot be read it
            is the reason, which names the file.
        broken: (N,) bool, the picture cannot be read.

    Raises:
        InputError: no picture can be read.
    """

    def digest(file: Path) -> tuple[str, bool]:
        try:
            picture = load_picture(file)
        except InputError as error:
            return str(error), True
        return hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest(), False

    with ThreadPoolExecutor(workers) as pool:
        read = pool.map(digest, files)
        shown = bar(read, total=len(files), desc="checking", unit="image", disable=not progress)
        digests, broken = map(np.array, zip(*shown, strict=True))
    if broken.all():
        raise InputError(f"{digests[0]}, nor can any other picture be read")
    return digests, broken
