"""Whether the files of a prepared data set are still what was written.

    digests.json    file -> sha256, as in dataset.json, and digest of a sample of it

`dataset.json` holds size and digest of every file and is the identity of the data. Reading
gigabytes whenever data are opened would take too long, so a sample of each file has a digest of
its own. It lies apart, so that the identity of data that exist stays as it is: of a folder without
it only sizes are checked when it is opened, until `verify` has read it whole and writes it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import TypedDict

from cmir_repro.core import config
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256, write_json
from cmir_repro.data.info import File, Info

NAME = "digests.json"
PIECES, PIECE = 64, 4096  # of a sample: so many pieces, of so many bytes (our choice)


class Sampled(TypedDict):
    """Digests of a file, whole and of its sample."""

    sha256: str
    sample: str


def sample(path: Path) -> str:
    """Digest of a file's size and of PIECES pieces, the first and the last among them."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= PIECES * PIECE:
            digest.update(file.read())
            return digest.hexdigest()
        for number in range(PIECES):
            file.seek(number * (size - PIECE) // (PIECES - 1))
            digest.update(file.read(PIECE))
    return digest.hexdigest()


def write(folder: Path, files: Mapping[str, File]) -> None:
    """Write the digests of samples of `files`: name -> "sha256", as in dataset.json."""
    facts = {
        name: {"sha256": facts["sha256"], "sample": sample(folder / name)}
        for name, facts in files.items()
    }
    write_json(folder / NAME, facts)


def check(folder: Path, files: Mapping[str, File]) -> None:
    """Compare sizes, and samples where their digests are there.

    Args:
        files: name -> "bytes" and "sha256", as in dataset.json.

    Raises:
        InputError: a file is missing, of another size, or differs in its sample.
    """
    samples = {}
    if (folder / NAME).exists():
        samples = config.read(folder / NAME, dict[str, Sampled], "delete it, then cmir verify")
    for name, facts in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts["bytes"]:
            raise InputError(
                f"{path} is missing or truncated (expected {facts['bytes']:,} bytes); "
                f"delete {folder.name} and prepare it again"
            )
        known = samples.get(name)
        # Samples of another preparation say nothing of this one.
        same = known is not None and known["sha256"] == facts["sha256"]
        if same and sample(path) != known["sample"]:
            raise InputError(
                f"{path} is not what was written; delete {folder.name} and prepare it again"
            )


def verify(folder: Path) -> list[str]:
    """Read every file of a prepared data set whole; where all are as written, keep samples.

    Returns:
        A line for each file that is missing or differs.

    Raises:
        InputError: there is no prepared data set in the folder, or its dataset.json is damaged.
    """
    mend = "delete the folder and prepare it again"
    files = config.read(folder / "dataset.json", Info, mend)["files"]
    lines = []
    for name, facts in files.items():
        path = folder / Path(name).name
        if not path.is_file():
            lines.append(f"{name} is missing")
        elif path.stat().st_size != facts["bytes"]:
            lines.append(f"{name} has {path.stat().st_size:,} bytes, not {facts['bytes']:,}")
        elif sha256(path) != facts["sha256"]:
            lines.append(f"{name} has the right size, but other content")
    if not lines and not (folder / NAME).exists():
        write(folder, files)
    return lines
