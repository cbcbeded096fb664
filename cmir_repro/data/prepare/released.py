"""The command line that FashionIQ's and CIRR's scripts share: read, audit, prepare, report.

With pictures the data are split for training (`splits.for_training`), for nothing else needs
pictures; without, tables with the released splits are enough to score anyone's features.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import splits
from cmir_repro.data.prepare import audit, photographs
from cmir_repro.data.prepare.archive import unpack_into
from cmir_repro.data.readers.fashioniq_cirr import Annotations

SEED = 0  # of the split


@dataclass(frozen=True)
class Release:
    """A data set of triplets as its owners publish it.

    Args:
        name: of the script, and of the data set if no other is given.
        title: of the release, for messages.
        doc: of the script.
        read: root -> tables.
        facts: tables -> counts. expected: those that the release must give.
        info: of dataset.json: sources, licence, protocol, left_out.
        trained: protocol of what is split for training.
        val_share: of the sources of train.
        help: what --root holds and what --images is.
    """

    name: str
    title: str
    doc: str
    read: Callable[[Path], Annotations]
    facts: Callable[[Annotations], dict[str, int]]
    expected: Mapping[str, int]
    info: dict
    trained: str
    val_share: float
    help: tuple[str, str]


def command(release: Release, arguments: list[str] | None = None) -> None:
    """Read the arguments, prepare the data set, print its audit and coverage."""
    parser = argparse.ArgumentParser(
        description=release.doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help=release.help[0])
    parser.add_argument(
        "--archive", type=Path, nargs="+", default=[], help="zip or tar files, unpacked into it"
    )
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--images", type=Path, help=f"{release.help[1]}; splits for training")
    pictures.add_argument(
        "--annotations-only", action="store_true", help="tables, no pixels; splits as released"
    )
    parser.add_argument("--size", type=int, default=224, help="of the squares, in pixels")
    parser.add_argument("--allow-missing", action="store_true", help="leave out absent pictures")
    parser.add_argument("--partial", action="store_true", help="take files with other counts")
    parser.add_argument("--name", default=release.name, help="of the prepared data set")
    given = parser.parse_args(arguments)
    if not given.root and not given.archive:
        parser.error("give --root, --archive or both")
    root = given.root or paths.data() / "raw" / release.name
    try:
        unpack_into(given.archive, root)
        found = release.read(_inner(root))
        counts = release.facts(found)
        print(audit.table(counts, release.expected))
        for name in found.absent:
            print(f"absent: {name}")
        if not given.partial:
            audit.check(counts, release.expected, f"{release.title} as released")
        info, how = release.info, "as released"
        if given.images:
            found, left_out = splits.for_training(found, release.val_share, SEED)
            left_out = [*info["left_out"], *left_out]
            info = {**info, "protocol": release.trained, "left_out": left_out}
            how = (
                f"test: val as released; val: {release.val_share} of the sources of train, drawn "
                f"with seed {SEED}; train: the rest"
            )
        data = photographs.prepare(
            given.name, found, info, given.images, given.size, given.allow_missing, splits=how
        )
    except InputError as error:
        sys.exit(f"{release.name}.py: {error}")
    print(f"{data.info['name']} in {paths.shown(data.folder)}, pixels: "
          f"{data.info['provenance']['pixels']}, splits: {how}")  # fmt: skip
    print(pd.DataFrame(data.info["coverage"]).T.to_string())
    if given.images and "train" not in set(found.queries["split"]):
        print(f"nothing can train on this: there are no captions of train ({found.absent[0]})")


def _inner(root: Path) -> Path:
    """The folder with captions/: the root, or the one below it that an archive was packed from."""
    below = sorted(path.parent for path in root.glob("*/captions"))
    return below[0] if below and not (root / "captions").exists() else root
