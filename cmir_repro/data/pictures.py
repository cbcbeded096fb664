"""Picture files as arrays; what cannot be read whole is refused, never guessed."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from cmir_repro.errors import InputError

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
