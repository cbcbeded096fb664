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

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import read_json, sha256, write_json

NAME = "digests.json"
PIECES, PIECE = 64, 4096  # of a sample: so many pieces, of so many bytes (our choice)


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


def write(folder: Path, files: Mapping[str, Mapping]) -> None:
    """Write the digests of samples of `files`: name -> "sha256", as in dataset.json."""
    facts = {
        name: {"sha256": facts["sha256"], "sample": sample(folder / name)}
        for name, facts in files.items()
    }
    write_json(folder / NAME, facts)


def check(folder: Path, files: Mapping[str, Mapping]) -> None:
    """Compare sizes, and samples where their digests are there.

    Args:
        files: name -> "bytes" and "sha256", as in dataset.json.

    Raises:
        InputError: a file is missing, of another size, or differs in its sample.
    """
    there = (folder / NAME).exists()
    samples = read_json(folder / NAME) if there else {}
    for name, facts in files.items():
        path = folder / name
        if not path.exists() or path.stat().st_size != facts["bytes"]:
            raise InputError(
                f"{path} is missing or truncated (expected {facts['bytes']:,} bytes); "
                f"delete {folder.name} and prepare it again"
            )
        known = samples.get(name)
        # Samples of another preparation say nothing of this one.
        known = known if isinstance(known, dict) and known.get("sha256") == facts["sha256"] else {}
        if known and sample(path) != known.get("sample"):
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
    files = read_json(folder / "dataset.json").get("files")
    if not isinstance(files, dict) or not all(isinstance(f, dict) for f in files.values()):
        raise InputError(f"{folder / 'dataset.json'} lists no files; prepare it again")
    lines = []
    for name, facts in files.items():
        path = folder / Path(name).name
        if not path.is_file():
            lines.append(f"{name} is missing")
        elif path.stat().st_size != facts.get("bytes"):
            lines.append(f"{name} has {path.stat().st_size:,} bytes, not {facts.get('bytes'):,}")
        elif sha256(path) != facts.get("sha256"):
            lines.append(f"{name} has the right size, but other content")
    if not lines and not (folder / NAME).exists():
        write(folder, files)
    return lines
