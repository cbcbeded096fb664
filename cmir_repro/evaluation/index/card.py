"""What an index is: its card, which is written last, and the files that it names.

    index.json             the card: an index without one is not whole
    ids.txt, ids.npy       the ids in UTF-8, one after the other, and where each starts, (N + 1,)
    vectors-00000.npy ...  exact: (n, D) float32 of length 1, PART rows a file
    centroids.npy          ivfpq: (C, D) float32, the cells
    codebooks.npy                 (M, 256, D / M) float32, of residuals
    sizes.npy                     (C,) int64, items of each cell
    lists.bin                     of each cell its codes, (n, M) uint8, then its rows, (n,) int64

Nothing is read by faiss' own reader of files, whose sizes are believed unchecked: arrays have the
guarded reader of `core.arrays`, and the lists are laid out as faiss maps them.
"""

from pathlib import Path
from typing import Literal

from cmir_repro.core import config
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data import digests

NAME = "index.json"
KINDS = ("exact", "ivfpq")
MEND = "copy the index again, or delete the folder and let cmir index build it anew"


class File(config.Config):
    """A file of the index, as it was written."""

    bytes: int
    sha256: str
    sample: str  # see data/digests.py: compared whenever the index is opened


class Shard(config.Config):
    """A file of the features that the index was built from."""

    name: str
    rows: int
    bytes: int
    sample: str


class Card(config.Config):
    """What an index holds and how it was built."""

    format: Literal[1] = 1
    kind: Literal["exact", "ivfpq"]
    count: int  # N
    dimension: int  # D
    features: str  # digest of the features
    model: str = ""  # that made them, where features.json says so
    weights: str = ""  # its digest
    cells: int = 0  # C
    code: int = 0  # M, bytes
    trained_on: int = 0  # items
    seed: int = 0  # which these are
    faiss: str
    shards: list[Shard]
    files: dict[str, File]


def described(path: Path) -> File:
    """The facts of a file."""
    return File(bytes=path.stat().st_size, sha256=sha256(path), sample=digests.sample(path))


def read(folder: Path, whole: bool = False) -> Card:
    """The card of an index, whose files are there.

    Args:
        whole: read every file whole and compare its digest, not a sample of it only.

    Raises:
        InputError: there is no index, it was not finished, or a file is missing or damaged.
    """
    folder = Path(folder)
    if not (folder / NAME).is_file():
        raise InputError(
            f"{folder} holds no finished index: {NAME} is missing; let the same cmir index go on"
        )
    card = config.read(folder / NAME, Card, MEND)
    for name, facts in card.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file() or path.is_symlink():
            raise InputError(f"{path} is missing; {MEND}")
        if path.stat().st_size != facts.bytes:
            size = f"{path.stat().st_size:,} bytes, not {facts.bytes:,}"
            raise InputError(f"{path} is damaged: it has {size}; {MEND}")
        found = (sha256(path), facts.sha256) if whole else (digests.sample(path), facts.sample)
        if found[0] != found[1]:
            raise InputError(f"{path} is damaged: it is not what was written; {MEND}")
    return card
