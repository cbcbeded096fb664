"""Picture files as arrays and as pixel files; what cannot be read whole is refused."""

import functools
import hashlib
import io
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import ExifTags, Image, UnidentifiedImageError

from cmir_repro.core.errors import InputError, check_size, one_line, one_of
from cmir_repro.core.progress import bar
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare.formats import FORMATS, LISTED, content
from cmir_repro.data.prepare.on_disk import on_disk
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepared import SPLITS

# Our choice: a file of a few bytes can claim far more. Of those over LARGE one is held at a time.
MAX_PIXELS, LARGE = 50_000_000, 5_000_000
_ONE_LARGE = threading.Lock()
TURNED = "pictures turned upright, as their EXIF says"
STORED = "pictures left as stored, though their EXIF turns them"
VIEW = "photo"  # the view of photographs
EXIF = ("upright", "stored")  # what CMIR_EXIF may be
_TURNS = {  # by EXIF's orientation; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UNBOUNDED = {"F": "floats", "I": "32-bit integers"}  # by mode
_PNG_END = b"IEND\xaeB`\x82"  # Pillow itself does not miss it


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The one way in which picture files are opened: a picture of FORMATS, not yet decoded.

    Raises:
        InputError: the file is missing, damaged (also where it is decoded), too large, or not of
            these formats; what it is instead is named.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are over {MAX_PIXELS:,}")
            if image.format == "PNG" and _PNG_END not in data:
                raise ValueError("the end is missing")
            large = image.width * image.height > LARGE
            with _ONE_LARGE if large else nullcontext():
                yield image
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path} is no whole picture of a format that is read ({LISTED}); it holds "
            f"{content(data)}"
        ) from error
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise InputError(f"{path} is no whole picture ({one_line(error, 200)})") from error


def load_picture(path: Path) -> np.ndarray:
    """Read one picture as RGB; transparency is dropped, as in the loaders of the field.

    It is turned upright as its EXIF says, as every viewer shows it, unless `as_stored`. Of 16
    bits the upper 8 are kept (our choice: it is what Pillow does with colours of 16 bits).

    Returns:
        (height, width, 3) uint8.

    Raises:
        InputError: as `opened`, or the pixels are floats or integers of 32 bits, which have no
            fixed white.
    """
    with opened(path) as image:
        _check_mode(path, image)
        if image.mode.startswith("I;16"):
            gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
            rgb = Image.fromarray(gray).convert("RGB")
        else:
            image.load()  # NumPy would swallow what is found damaged
            rgb = image if image.mode == "RGB" else image.convert("RGB")
        turn = None if as_stored() else _turn(image)
        return np.array(rgb if turn is None else rgb.transpose(turn))


def as_stored() -> bool:
    """Whether pictures stay as they are stored, whatever their EXIF says: CMIR_EXIF=stored.

    Raises:
        InputError: CMIR_EXIF is neither that nor "upright", the default.
    """
    found = os.environ.get("CMIR_EXIF") or EXIF[0]
    one_of("CMIR_EXIF", found, EXIF)
    return found == EXIF[1]


def _check_mode(path: Path, image: Image.Image) -> None:
    if image.mode in _UNBOUNDED:
        raise InputError(
            f"{path} has pixels of {_UNBOUNDED[image.mode]} (mode {image.mode}), which have no "
            "fixed white; save it with 8 or 16 bits"
        )


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How an opened picture is turned upright, by its EXIF; None: it is, or the EXIF is damaged."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # damaged EXIF, for which Pillow raises many kinds, leaves the pixels whole
        return None


def turned(files: Sequence[Path], workers: int = 4) -> int:
    """How many of the pictures EXIF turns; their pixels are not decoded.

    Raises:
        InputError: as `opened`.
    """

    def one(file: Path) -> bool:
        with opened(file) as image:
            return _turn(image) is not None

    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(one, files))


def check_whole(path: Path) -> None:
    """Decode a picture and throw it away; of a JPEG an eighth, which reads all of the file too.

    Raises:
        InputError: as `load_picture`.
    """
    with opened(path) as image:
        _check_mode(path, image)
        image.draft(None, (1, 1))
        image.load()


def reasons(files: Sequence[Path], workers: int = 4) -> np.ndarray:
    """Why each of N pictures cannot be read: (N,) object, str, "" of a whole one."""

    def look(file: Path) -> str:
        try:
            check_whole(file)
        except InputError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(workers) as pool:
        shown = bar(pool.map(look, files), total=len(files), desc="checking", unit="image")
        return np.array(list(shown), dtype=object)


def is_gray(path: Path) -> bool:
    """Whether a picture file has no colours, by its mode; the pixels are not decoded.

    Raises:
        InputError: as `opened`.
    """
    with opened(path) as image:
        return image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")


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
        path = real(str(on_disk(Path(base, name))))
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


def pixel_digests(files: Sequence[Path], workers: int = 4) -> tuple[np.ndarray, np.ndarray]:
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
        shown = bar(read, total=len(files), desc="checking", unit="image")
        digests, broken = map(np.array, zip(*shown, strict=True))
    if broken.all():
        raise InputError(f"{digests[0]}, nor can any other picture be read")
    return digests, broken


def first_of(values: np.ndarray) -> np.ndarray:
    """(N,) int64, for each of N values, as of digests, the place where it occurs first."""
    _, first, same = np.unique(values, return_index=True, return_inverse=True)
    return first[same]


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
        InputError: as `load_picture`.
    """
    out = np.empty((len(files), size, size, 3), dtype=np.uint8)
    with ThreadPoolExecutor(workers) as pool:
        for number, made in enumerate(pool.map(lambda f: square(load_picture(f), size), files)):
            out[number] = made
    return out


def fill_squares(path: Path, files: Sequence[Path], size: int, key: str, workers: int = 4) -> None:
    """Write a pixel file of N picture files as squares; it goes on where an earlier try stopped.

    Args:
        path: where it shall lie, and what the progress bar is called.
        files, size, workers: as in `squares`.
        key: digest of what tells these files from others: see pixels.fill.

    Raises:
        InputError: as `squares`, or the size is out of bounds or the folder cannot be written.
    """
    check_size(size)

    def draw(rows: slice) -> np.ndarray:
        return squares(files[rows], size, workers)

    title = f"{path.stem} ({len(files) * size * size * 3 / 1e9:.1f} GB)"
    fill(path, (len(files), size, size, 3), draw, key, title)


def done_to(files: Sequence[Path]) -> dict[str, int]:
    """What is done to these pictures where they are read, counted; empty: nothing."""
    number = turned(list(dict.fromkeys(files)))
    return {STORED if as_stored() else TURNED: number} if number else {}


def pixels_told(size: int | None) -> str:
    """What becomes of photographs, for dataset.json; None: there are none."""
    return f"{size} x {size}, middle of the scaled picture" if size else "none"


def places(images: pd.DataFrame) -> pd.DataFrame:
    """With part and row: a picture lies once, in the file of the first split that lists it."""
    order = images["split"].map({split: i for i, split in enumerate(SPLITS)})
    first = images.assign(order=order).sort_values("order", kind="stable")
    first = first.drop_duplicates("label").sort_index()
    first["row"] = first.groupby("split").cumcount()
    place = first.set_index("label")
    return images.assign(
        part=images["label"].map(place["split"]), row=images["label"].map(place["row"])
    )


def draw_pictures(
    target: Path, images: pd.DataFrame, files: Sequence[Path], size: int
) -> dict[str, int]:
    """Write the pixel file of each part; files: one a row of `images`.

    Returns:
        What was done to the pictures, counted: for dataset.json.

    Raises:
        InputError: as `fill_squares`; where a picture is damaged, all that are damaged are listed.
    """
    for part in images["part"].unique():
        rows = images.assign(file=files)
        rows = rows[rows["part"] == part].drop_duplicates("row").sort_values("row")
        here = rows["file"].tolist()
        # A picture exchanged between two tries must not be taken for the one already read.
        seen = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in here]
        how = (seen, EXIF[1]) if as_stored() else seen
        key = hashlib.sha256(repr(how).encode()).hexdigest()
        try:
            fill_squares(target / f"pixels-{VIEW}-{part}.npy", here, size, key)
        except InputError as error:
            damaged = np.flatnonzero(reasons(files) != "")  # all, or it goes on one by one
            if len(damaged) < 2:
                raise
            names = [files[row].name for row in damaged]
            raise InputError(f"{error}; damaged are {checks.some(names)}") from error
    return done_to(files)
