"""Files by the names that releases and users give them, however the disk spells these."""

import functools
from collections.abc import Sequence
from pathlib import Path

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.formats import SUFFIXES
from cmir_repro.data.words import plain


def is_sidecar(name: str) -> bool:
    """Whether a file or folder is what systems leave beside others: ._x, .DS_Store, __MACOSX."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")


def below(root: Path, name: str) -> list[Path]:
    """The root, if it holds a file or folder of that name, and the folders right below that do."""
    inner = sorted(root.glob(f"*/{name}"))
    found = [path.parent for path in (root / name, *inner) if path.exists()]
    return [folder for folder in found if not is_sidecar(folder.name)]


def on_disk(path: Path) -> Path:
    """The path as the disk spells it, where that differs in how accents are composed."""
    if path.exists() or path == path.parent:
        return path
    folder = on_disk(path.parent)
    if not folder.is_dir():
        return path
    return _listed(folder, folder.stat().st_mtime_ns).get(plain(path.name), path)


@functools.lru_cache(1000)
def _listed(folder: Path, changed: int) -> dict[str, Path]:
    """Files by their names as texts are compared; `changed` makes a new list of a new state."""
    return {plain(file.name): file for file in folder.iterdir()}


def find_pictures(folder: Path, paths: Sequence[str]) -> list[Path | None]:
    """The file of each picture, `folder`/path with an ending of SUFFIXES; None where there is none.

    Raises:
        InputError: the folder does not exist, or two files differ in their endings alone: which of
            them is meant cannot be known.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; --images names the folder with the pictures")
    wanted = [folder / plain(path) for path in paths]
    here, asked = {}, set(wanted)
    for inner in dict.fromkeys((folder / path).parent for path in paths):
        there = on_disk(inner)
        for file in sorted(there.iterdir()) if there.is_dir() else ():
            if file.suffix.lower() in SUFFIXES and not is_sidecar(file.name):
                name = inner / plain(file.stem)
                if name in asked and here.setdefault(name, file) != file:
                    raise InputError(
                        f"{here[name]} and {file.name} differ in their endings alone, and either "
                        "may be meant; move one of them away"
                    )
    return [here.get(path) for path in wanted]
