"""Photographs of any size as squares of one size, one by one or as a pixel file."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from cmir_repro.data.prepare.pictures import load_picture
from cmir_repro.data.prepare.pixels import fill


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle square of a picture, scaled to `size`; a square of that size is left as it is.

    TIRG's Resize and CenterCrop in one step: bilinear and smoothed when shrinking, as
    torchvision's default is. Cropping first costs no memory on very long pictures.

    Args:
        picture: (height, width, 3) uint8.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    image = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image)


def squares(files: Sequence[Path], size: int, workers: int = 4) -> np.ndarray:
    """Read N picture files as squares: (N, size, size, 3) uint8.

    Args:
        files: N files.
        size: side in pixels.
        workers: threads; decoding and scaling run outside Python's lock.

    Raises:
        InputError: as `pictures.load_picture`.
    """
    out = np.empty((len(files), size, size, 3), dtype=np.uint8)
    with ThreadPoolExecutor(workers) as pool:
        for number, made in enumerate(pool.map(lambda f: square(load_picture(f), size), files)):
            out[number] = made
    return out


def fill_squares(
    path: Path, files: Sequence[Path], size: int, key: str, progress: bool, workers: int = 4
) -> None:
    """Write a pixel file of N picture files as squares; it goes on where an earlier try stopped.

    Args:
        path: where it shall lie, and what the progress bar is called.
        files, size, workers: as in `squares`.
        key: digest of what tells these files from others: see pixels.fill.

    Raises:
        InputError: as `squares`, or the folder cannot be written.
    """

    def draw(rows: slice) -> np.ndarray:
        return squares(files[rows], size, workers)

    title = f"{path.stem} ({len(files) * size * size * 3 / 1e9:.1f} GB)" if progress else None
    fill(path, (len(files), size, size, 3), draw, key, title)
