"""Archives from elsewhere, unpacked whole or not at all, and never outside their folder."""

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from cmir_repro.core import locks, paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import read_json, scratch, write_json
from cmir_repro.core.progress import bar

# Our choice: what an archive may unpack to, in bytes, with so many more for each of its own, and
# in entries, with one more for so many of its bytes. NUS-WIDE's zeros and ones are 540 MB.
MOST, TIMES = 2**31, 20
ENTRIES, PER_ENTRY = 50_000, 100
HEADER = 2**24  # bytes of what tar says of an entry
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar file, compressed or not, into a new folder, which appears when whole.

    Raises:
        InputError: the archive is missing, truncated, encrypted or too large, an entry is a
            link or lies outside the folder, the folder exists, or it cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder} exists; use --root {folder} alone, or delete it first")
    total, made = 0, set()
    try:
        with scratch(folder.parent) as temporary:
            inside = temporary / "content"
            inside.mkdir()
            entries = bar(_entries(archive), desc=archive.name, unit="file", delay=2)
            for number, (name, size, packed) in enumerate(entries):
                total += size
                _check_claim(archive, total, number + 1)
                path = inside / name
                needed = path.parent if packed else path
                if needed not in made:  # asking the disk once a folder, not once a file
                    needed.mkdir(parents=True, exist_ok=True)
                    made.add(needed)
                if packed:
                    # "x": an entry that stands twice must not write over the first.
                    with packed, path.open("xb") as out:
                        shutil.copyfileobj(packed, out, 2**20)
            inside.rename(folder)
    except FileNotFoundError as error:
        raise InputError(f"{archive} does not exist") from error
    except InputError:
        raise
    except Exception as error:  # zipfile, tarfile and the packers raise many kinds
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(
            f"cannot unpack {archive} into {folder}: {reason}"
            if reason
            else f"{archive} is truncated or no zip or tar file ({error}); get it again"
        ) from error


def unpack_into(archives: Sequence[Path], root: Path) -> None:
    """Unpack archives into one folder; each gives all that it holds or nothing.

    What one that was broken off gave is removed first. Where another process unpacks into the
    folder, wait for it.

    Raises:
        InputError: as `unpack`, or the folder has a file or folder of that name already.
    """
    for archive in map(Path, archives):
        with locks.alone(root, f"unpacks into {root.name}"), scratch(root) as temporary:
            # There while files are given one by one; beside the folder, where no archive writes.
            given = root.with_name(f".{root.name}.unpacking")
            if given.exists():
                broken_off = read_json(given)["names"]
                for child in [child for child in root.iterdir() if child.name in broken_off]:
                    shutil.rmtree(child) if child.is_dir() else child.unlink()
            content = temporary / "content"
            unpack(archive, content)
            names = sorted(child.name for child in content.iterdir())
            for name in names:
                if (root / name).exists():
                    raise InputError(
                        f"{root / name} exists, {archive} holds it again; leave out one"
                    )
            write_json(given, {"names": names})
            for name in names:
                (content / name).rename(root / name)
            given.unlink()


def unpacked(root: Path | None, archives: Sequence[Path] | None, name: str) -> Path:
    """The folder of a release, archives unpacked into it; data/raw/NAME where none is named.

    Raises:
        InputError: neither is given, or as `unpack_into`.
    """
    if not root and not archives:
        raise InputError("give --root, --archive or both")
    root = root or paths.data() / "raw" / name
    unpack_into(archives or (), root)
    return root


def _entries(archive: Path) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    """Name, size in bytes and content of each entry, None for a folder; only safe ones."""
    with archive.open("rb") as file:
        start = file.read(262)
    if start[:2] != b"PK" or start[257:] == b"ustar":
        unpacker = next((o for sign, o in _PACKED.items() if start.startswith(sign)), open)
        with (
            unpacker(archive, "rb") as stream,
            tarfile.open(fileobj=_Pieces(stream), mode="r:") as file,
        ):
            for entry in file:
                _check(archive, entry.name, plain=entry.isfile() or entry.isdir())
                yield entry.name, entry.size, file.extractfile(entry) if entry.isfile() else None
        return
    with zipfile.ZipFile(archive) as file:
        sizes = [entry.file_size for entry in file.infolist()]
        _check_claim(archive, sum(sizes), len(sizes))  # a zip lists them before anything is written
        for entry in file.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            _check(archive, entry.filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            packed = None if entry.is_dir() else file.open(entry)
            yield entry.filename, entry.file_size, packed


class _Pieces:
    """A stream for tarfile, which reads names and remarks of any claimed length into memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.seek, self.tell = stream, stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= HEADER:
            raise ValueError(f"what it says of an entry takes {size:,} bytes")
        return self._stream.read(size)


def _check_claim(archive: Path, size: int, entries: int) -> None:
    packed = archive.stat().st_size
    if size > MOST + TIMES * packed:
        raise InputError(f"{archive} unpacks to more than {MOST + TIMES * packed:,} bytes")
    if entries > ENTRIES + packed // PER_ENTRY:
        most = ENTRIES + packed // PER_ENTRY
        raise InputError(f"{archive} has more than {most:,} entries")


def _check(archive: Path, name: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise InputError(f"{archive}: the entry {name!r} lies outside the folder")
    if not plain:
        raise InputError(f"{archive}: the entry {name!r} is a link or a device")
