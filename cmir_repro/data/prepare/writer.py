"""The one way into the prepared layout: every data set is written here, or opened again."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core import locks, paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import incomplete
from cmir_repro.data import prepared, sentences
from cmir_repro.data.labelled import save_array
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare.overlap import overlap
from cmir_repro.data.prepare.pictures import as_stored
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.release_digests import OTHER, differing

# Devices of Windows are no folders there; 100 signs, and a suffix of ours, fit every disk.
_NAME = re.compile(r"(?!(con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9][a-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Content:
    """What a data set consists of.

    images: the image table; queries: the query table, empty where there are none.
    info: for dataset.json: see prepared.INFO_KEYS; what `prepare` is given need not be repeated.
    sentences: the table of sentences, if any.
    arrays: ready arrays by name, one row an image.
    draw: called with the folder, once the tables are known to be sound: it writes pixel files and
        what is too large for memory, and returns what it did to the pictures, counted, or nothing.
    """

    images: pd.DataFrame
    queries: pd.DataFrame = field(default_factory=sentences.no_queries)
    info: Mapping = field(default_factory=dict)
    sentences: pd.DataFrame | None = None
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    draw: Callable[[Path], Mapping[str, int] | None] | None = None


def prepare(
    name: str,
    provenance: Mapping,
    make: Callable[[], Content],
    same: Mapping | None = None,
    folder: str | None = None,
    release: str = "",
) -> Prepared:
    """Write a data set to data/NAME, or open what lies there if it is the same.

    Where another process writes it, wait for that.

    Args:
        name: in dataset.json, and of the folder.
        provenance: all that the data depend on, with "kind"; what lies there must have the same.
        make: the content, asked for only if nothing lies there.
        same: more of dataset.json that must be the same.
        folder: of the data set, where it is not called as `name` says.
        release: a key of `release_digests.DIGESTS`; where a file of the provenance is not as
            published, the protocol's name and dataset.json say so.

    Raises:
        InputError: the name cannot be used, something else was prepared there before, something
            does not fit together, or the folder cannot be written.
    """
    if folder is None and (not _NAME.fullmatch(name) or name.split("-")[0] == "css"):
        raise InputError(f"--name {name!r} cannot be used; take small letters, digits, - and _, "
                         "at most 100, and no name of ours or of a device")  # fmt: skip
    target, same = paths.data() / (folder or name), dict(same or {})
    others = differing(release, provenance.get("files", {}))
    if others and "protocol" in same:
        same["protocol"] = incomplete(same["protocol"], OTHER)
    exif = {"exif": "pictures as stored"} if as_stored() else {}
    wanted = {**provenance, **same, "name": name, "exif": exif.get("exif")}
    if (target / "dataset.json").exists():
        return checks.reopen(target, wanted)
    with locks.alone(target, f"prepares {name}"):
        if (target / "dataset.json").exists():
            return checks.reopen(target, wanted)
        content = make()
        if others:
            content = _unlike(content, release, others)
        made = {**content.info.get("provenance", provenance), **exif}
        content = replace(content, info={**content.info, "provenance": made})
        return write(target, content, {"name": name, "provenance": provenance, **same})


def _unlike(content: Content, release: str, others: Sequence[str]) -> Content:
    """What is made of files that are not as published, marked so."""
    info = {**content.info, "differs": [f"{release}: {file}" for file in others]}
    if "protocol" in info:
        info["protocol"] = incomplete(info["protocol"], OTHER)
    return replace(content, info=info)


def write(folder: Path, content: Content, info: Mapping | None = None) -> Prepared:
    """Check and write everything into a folder; `dataset.json`, which makes it count, comes last.

    Args:
        info: more of dataset.json; what `content` says goes first.

    Raises:
        InputError: something does not fit together, or the folder cannot be written.
    """
    images, queries = content.images, content.queries
    if not len(images):
        raise InputError(f"nothing is left to prepare in {paths.shown(folder)}: there is no image")
    tables = checks.tables_hash(images, queries)
    info = {"tables_sha256": tables, **(info or {}), **content.info}
    prepared.check_tables(images, queries, info["name"])  # before minutes of reading pictures
    if content.sentences is not None:
        sentences.check(content.sentences, images, info["name"])
    if content.draw is not None:
        done = content.draw(folder)
        info |= {"pictures": dict(done)} if done else {}
    if content.sentences is not None:
        sentences.write_sentences(folder, content.sentences)
    for part, rows in images.groupby("part").indices.items():
        for name, array in content.arrays.items():
            save_array(folder, name, array[rows], part)
    # Of generated worlds it is known (docs/data/css.md), and their manifest is in every record.
    generated = info["provenance"]["kind"] == "rendered"
    if not generated and (copies := overlap(folder, images, content.sentences)):
        info["overlap"] = copies
    prepared.write(folder, info, images, queries)
    return Prepared(folder)
