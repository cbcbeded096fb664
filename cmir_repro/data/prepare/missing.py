"""Pictures that are missing or damaged: all are found, listed and counted in one go."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cmir_repro.core import paths as folders
from cmir_repro.core.config import read
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_json
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare.formats import SUFFIXES
from cmir_repro.data.prepare.on_disk import find_pictures
from cmir_repro.data.prepare.pictures import (
    reasons,
)


def damage(files: Sequence[Path], workers: int = 4) -> np.ndarray:
    """Why each of N pictures cannot be read: (N,) object, str, "" of a whole one.

    Every picture is decoded (a JPEG at an eighth of its size, which is cheaper and misses nothing
    that is broken off). What was found is kept beside the prepared data, for the next try.
    """
    state = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    kept = folders.data() / ".checked" / f"{key}.json"
    if kept.exists():
        found = read(kept, dict[str, str])
        return np.array([found.get(str(row), "") for row in range(len(files))], dtype=object)

    why = reasons(files, workers)
    write_json(kept, {str(row): why[row] for row in np.flatnonzero(why != "")})
    return why


def by_split(splits: Sequence[str]) -> Callable[[np.ndarray], list[str]]:
    """`costs` of `present` where pictures alone are lost: from (N,) bool, in words, split by split.

    Args:
        splits: of each picture.
    """
    splits = np.asarray(splits, dtype=object)

    def costs(here: np.ndarray) -> list[str]:
        return [
            f"{split} {(~here & (splits == split)).sum():,} of {(splits == split).sum():,} pictures"
            for split in dict.fromkeys(splits)
            if (~here & (splits == split)).any()
        ]

    return costs


def coverage(splits: Sequence[str] | None, here: np.ndarray) -> dict[str, dict[str, int]]:
    """How many of N pictures are here, for dataset.json: split by split, or all in one.

    Args:
        splits: of each picture, where they are known before any is left out.
        here: (N,) bool.
    """
    if splits is None:
        return {"images": {"here": int(here.sum()), "listed": len(here)}}
    splits = np.asarray(splits, dtype=object)
    return {
        f"{split} images": {
            "here": int((here & (splits == split)).sum()),
            "listed": int((splits == split).sum()),
        }
        for split in dict.fromkeys(splits)
    }


def whole(
    files: Sequence[Path],
    splits: Sequence[str],
    costs: Callable[[np.ndarray], Sequence[str]],
    allow_missing: bool | None,
) -> tuple[np.ndarray, list[str]]:
    """Which of N files that are there are whole pictures, and what is not, printed as well.

    Args:
        files: N, all of which exist. splits: of each; none may lose all its pictures.
        costs, allow_missing: as in `present`.

    Returns:
        (N,) bool, which are whole; and for left_out a note of the others.

    Raises:
        InputError: pictures are damaged that must not be, or all of a split are.
    """
    why, splits = damage(files), np.asarray(splits, dtype=object)
    here = why == ""
    if here.all():
        return here, []
    names = [file.name for file in np.asarray(files, dtype=object)[~here]]
    counted = f"damaged are {checks.some(names)}: {'; '.join(costs(here))}"
    empty = [split for split in dict.fromkeys(splits) if not here[splits == split].any()]
    if empty:
        raise InputError(f"{why[~here][0]}; no picture of {empty[0]} is left; {counted}")
    if not allow_missing:
        way = "" if allow_missing is None else ", or leave them out with --allow-missing"
        raise InputError(f"{why[~here][0]}; {counted}. Replace what is damaged{way}")
    print(f"left out: {counted}")
    return here, [f"images that are damaged, left out: {checks.some(names)}"]


def present(
    folder: Path,
    paths: Sequence[str],
    costs: Callable[[np.ndarray], Sequence[str]],
    allow_missing: bool | None,
) -> tuple[list[Path], np.ndarray, list[str]]:
    """The files of the pictures that are there and whole, and what is not, printed as well.

    Args:
        folder, paths: as in `find_pictures`; N paths.
        costs: from (N,) bool, in words what the missing ones cost, split by split.
        allow_missing: leave out pictures that are missing or damaged, if any is whole; None: there
            is no such way.

    Returns:
        files: of the M pictures that are kept.
        here: (N,) bool, which those are.
        notes: for left_out, of damaged pictures.

    Raises:
        InputError: the folder does not exist, or a picture is missing or damaged that must not be;
            all are counted, the first of them listed.
    """
    files = find_pictures(folder, paths)
    why = np.array(["missing" if file is None else "" for file in files], dtype=object)
    there = np.flatnonzero(why == "")
    why[there] = damage([files[row] for row in there])
    here = why == ""
    if here.all():
        return files, here, []
    names = np.asarray(paths, dtype=object)
    lost, broken = names[why == "missing"], names[~here & (why != "missing")]
    kinds = {"missing": lost, "damaged": broken}
    counted = " and ".join(
        f"{kind} are {checks.some(which)}" for kind, which in kinds.items() if len(which)
    )
    if not (allow_missing and here.any()):
        first = (
            f"{Path(folder) / lost[0]} ({', '.join(SUFFIXES)}) is missing"
            if len(lost)
            else why[~here][0]
        )
        which = " or ".join(kind for kind, names_ in kinds.items() if len(names_))
        mend = "Replace what is damaged" if len(broken) else "Get them again"
        way = ", or leave them out with --allow-missing"
        if not here.any():
            way = ", none is there"
        elif allow_missing is None:
            way = ""
        raise InputError(f"{first}; {which} are: {'; '.join(costs(here))} ({counted}). {mend}{way}")
    print(f"left out: {counted}: {'; '.join(costs(here))}")
    note = f"images that are damaged, counted as missing: {checks.some(broken)}"
    return [files[row] for row in np.flatnonzero(here)], here, [note] if len(broken) else []
