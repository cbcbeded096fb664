"""Archives from elsewhere, unpacked whole or not at all, and never outside their folder."""

import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from cmir_repro.errors import InputError

MAX_ARCHIVE = 16 * 2**30  # bytes unpacked, our choice; a small zip can hold far more


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into a new folder, which appears when all of it is there.

    Raises:
        InputError: the archive is missing, truncated, encrypted or too large, an entry is a
            link or lies outside the folder, the folder exists, or it cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder} exists; use --root {folder} alone, or delete it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as temporary,
            zipfile.ZipFile(archive) as file,
        ):
            inside = Path(temporary) / "content"
            inside.mkdir()
            entries = file.infolist()
            _check_entries(archive, entries)
            for entry in entries:
                path = inside / entry.filename
                if entry.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                # "x": an entry that stands twice must not write over the first.
                with file.open(entry) as packed, path.open("xb") as out:
                    shutil.copyfileobj(packed, out, 2**20)
            inside.rename(folder)
    except FileNotFoundError as error:
        raise InputError(f"{archive} does not exist") from error
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot unpack {archive} into {folder}: {error.strerror}") from error
    except Exception as error:  # zipfile and zlib raise many kinds for a damaged file
        raise InputError(
            f"{archive} is truncated or no zip file ({error}); get it again"
        ) from error


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    size = sum(entry.file_size for entry in entries)
    if size > MAX_ARCHIVE:
        raise InputError(f"{archive} unpacks to {size:,} bytes; at most {MAX_ARCHIVE:,} are taken")
    for entry in entries:
        path = Path(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise InputError(f"{archive}: the entry {entry.filename!r} lies outside the folder")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{archive}: the entry {entry.filename!r} is a link or a device")
