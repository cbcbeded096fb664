"""Build an index: shard by shard, within a bound of memory, going on where it was stopped.

What is finished of it is there whole: arrays of an exact index one by one, those of IVF-PQ in the
folder `building`, which is removed in the end. The card comes last.
"""

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np

from cmir_repro.core import config, locks
from cmir_repro.core.errors import InputError, check_seed, one_of
from cmir_repro.core.files import atomic, write_json
from cmir_repro.core.progress import bar
from cmir_repro.data.feature_store import files_of
from cmir_repro.evaluation.index import card as cards
from cmir_repro.evaluation.index import ivfpq, listing
from cmir_repro.evaluation.index.card import Card
from cmir_repro.evaluation.nearest import load_faiss

GIB = 2**30
PART = 2**18  # items of a part, our choice
BASE = 96 * 2**20  # bytes that faiss and arrays take whatever the gallery, as measured
BUILDING = "building"
IDS = ("ids.txt", "ids.npy")


class Asked(config.Config):
    """What is being built, and of which files: whoever goes on builds the same."""

    kind: str
    code: int
    cells: int
    seed: int
    part: int
    files: list[list[str | int]]  # name, bytes and time of change of each


class Found(config.Config):
    """What was found in them."""

    shards: list[cards.Shard]
    dimension: int
    digest: str


def build(
    features: Path,
    folder: Path,
    memory: float = 4.0,
    kind: str = "auto",
    code: int = 64,
    cells: int = 0,
    seed: int = 0,
    part: int = PART,
    progress: bool = True,
) -> Card:
    """Build the index of features in a folder, or find it there.

    Args:
        features: a file or folder of shards, see data/feature_store.py; one vector an item.
        folder: of this index, or new.
        memory: bound in GiB. An exact index, 4 D bytes an item, is one whose vectors fit into it;
            beyond it is IVF-PQ. `needed` says what building takes.
        kind: "exact", "ivfpq" or "auto", by the bound.
        code: bytes of a code at most, those that divide D.
        cells: of IVF-PQ; 0: `ivfpq.cells_for`.
        seed: which items IVF-PQ is trained on.
        part: items that are encoded and written together.

    Raises:
        InputError: features are missing, half written, doubled or not finite; the bound is too
            small; the folder holds another index, or cannot be written.
    """
    one_of("kind", kind, ["auto", *cards.KINDS])
    check_seed(seed)
    features, folder = Path(features), Path(folder)
    load_faiss()
    stats = [(file, file.stat()) for file in files_of(features)]
    files = [[file.name, s.st_size, s.st_mtime_ns] for file, s in stats]
    asked = Asked(kind=kind, code=code, cells=cells, seed=seed, part=part, files=files)
    with locks.alone(folder, f"builds {folder.name}"):
        if (folder / cards.NAME).exists():
            return _found(folder, features, asked)
        found = _begun(folder, asked)
        looks = found is None
        try:
            found = _looked(features, folder, asked, progress) if looks else found
            count = sum(shard.rows for shard in found.shards)
            chosen = _chosen(features, asked, count, found.dimension, memory)
        except InputError:
            if looks:  # what an earlier call has built stays
                _clear(folder)
            raise
        if chosen.kind == "exact":
            names = _exact(features, folder, count, part, progress)
        else:
            names = _ivfpq(features, folder, chosen, found.dimension, count, progress)
        made = Card(
            kind=chosen.kind, count=count, dimension=found.dimension, features=found.digest,
            **listing.told(features), cells=chosen.cells, code=chosen.code, seed=seed,
            trained_on=_trained_on(chosen, count), faiss=load_faiss().__version__,
            shards=found.shards,
            files={name: cards.described(folder / name) for name in names},
        )  # fmt: skip
        write_json(folder / cards.NAME, made.model_dump())
        shutil.rmtree(folder / BUILDING)
    return made


def needed(kind: str, count: int, dimension: int, code: int, cells: int, part: int = PART) -> int:
    """Bytes of memory that building takes at most beside the libraries, by this model.

    BASE, 24 bytes an item for ids, and a block of rows; of IVF-PQ the vectors that it is trained
    on, twice, the cells' centroids and a part's codes.
    """
    block = BASE + 3 * listing.BLOCK * dimension * 4
    if kind == "exact":
        return 24 * count + block + min(part, count) * dimension * 4
    training = 2 * min(count, ivfpq.PER_CELL * max(cells, 256)) * dimension * 4
    return 24 * count + block + training + cells * dimension * 4 + 3 * part * (code + 16)


def _found(folder: Path, features: Path, asked: Asked) -> Card:
    card = cards.read(folder)
    there = [[shard.name, shard.bytes] for shard in card.shards]
    names = [name[:2] for name in asked.files]
    same = card.seed == asked.seed and asked.kind in ("auto", card.kind)
    if card.kind == "ivfpq":
        same &= asked.cells in (0, card.cells)
        same &= card.code == ivfpq.code_for(card.dimension, asked.code)
    if not same or there != names or listing.digest_of(features) != card.features:
        raise InputError(
            f"{folder} holds an index of other features or settings ({card.kind}, {card.count:,} "
            "items); name another folder or delete it"
        )
    shutil.rmtree(folder / BUILDING, ignore_errors=True)  # of one killed right after the card
    return card


def _begun(folder: Path, asked: Asked) -> Found | None:
    """What a call that was broken off found in the same features; None where none came so far.

    Raises:
        InputError: in the folder lies something else.
    """
    plan, found = folder / BUILDING / "asked.json", folder / BUILDING / "found.json"
    if plan.exists():
        if config.read(plan, Asked, "delete the folder") != asked:
            raise InputError(
                f"{folder} holds the beginning of an index of other features or settings; name "
                "another folder or delete it"
            )
        return config.read(found, Found, "delete the folder") if found.exists() else None
    if folder.is_dir() and any(
        left.name != BUILDING and not left.name.startswith(".") for left in folder.iterdir()
    ):
        raise InputError(f"the folder {folder} is not empty and holds no index; name a new one")
    return None


def _looked(features: Path, folder: Path, asked: Asked, progress: bool) -> Found:
    """What the features hold, looked at once."""
    write_json(folder / BUILDING / "asked.json", asked.model_dump())
    listed = listing.look(features, folder, progress)
    made = Found(shards=listed.shards, dimension=listed.dimension, digest=listed.digest)
    write_json(folder / BUILDING / "found.json", made.model_dump())
    return made


def _clear(folder: Path) -> None:
    """Take away what a look wrote, and the folder if nothing else is in it."""
    shutil.rmtree(folder / BUILDING, ignore_errors=True)
    for name in IDS:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _chosen(features: Path, asked: Asked, count: int, width: int, memory: float) -> Asked:
    """Kind, bytes and cells as they will be.

    Raises:
        InputError: they do not fit the gallery or the bound.
    """
    bound = memory * GIB
    kind = asked.kind
    if kind == "auto":
        kind = "exact" if count * width * 4 <= bound or count < ivfpq.SMALLEST else "ivfpq"
    if kind == "exact":
        takes = max(count * width * 4, needed(kind, count, width, 0, 0, asked.part))
        code = cells = 0
        hint = "--kind ivfpq, or more"
    else:
        if count < ivfpq.SMALLEST:
            raise InputError(
                f"{features} has {count:,} vectors, ivfpq is for {ivfpq.SMALLEST:,} and more; "
                "take --kind exact"
            )
        cells = asked.cells or ivfpq.cells_for(count)
        if not 1 <= cells <= count // ivfpq.PER_CELL:
            most = count // ivfpq.PER_CELL
            raise InputError(f"--cells {cells} must be from 1 to {most:,} for {count:,} vectors")
        if asked.code < 1:
            raise InputError(f"--code {asked.code} must be a byte at least")
        code = ivfpq.code_for(width, asked.code)
        takes = needed(kind, count, width, code, cells, asked.part)
        hint = "fewer --cells, or more"
    if takes > bound:
        raise InputError(
            f"--memory {memory:g} is too small: {kind} of {count:,} vectors of {width} dimensions "
            f"takes {takes / GIB:.3g} GiB; {hint}"
        )
    return asked.model_copy(update={"kind": kind, "code": code, "cells": cells})


def _exact(features: Path, folder: Path, count: int, part: int, progress: bool) -> list[str]:
    """Write the vectors, part by part; the names of the index' files."""
    names = [f"vectors-{number:05d}.npy" for number in range(-(-count // part))]
    for number, name in enumerate(bar(names, desc="vectors", unit="part", disable=not progress)):
        if not (folder / name).exists():
            start, stop = number * part, min((number + 1) * part, count)
            some = np.concatenate([rows for _, rows in listing.blocks(features, start, stop)])
            with atomic(folder / name) as temporary:
                np.save(temporary, some)
    return [*IDS, *names]


def _ivfpq(
    features: Path, folder: Path, chosen: Asked, width: int, count: int, progress: bool
) -> list[str]:
    """Train, encode part by part, merge; the names of the index' files."""
    building = folder / BUILDING
    if not (folder / "centroids.npy").exists():
        generator = np.random.default_rng(chosen.seed)
        some = generator.choice(count, _trained_on(chosen, count), replace=False, shuffle=False)
        if progress:
            print(f"training {chosen.cells:,} cells on {len(some):,} vectors", flush=True)
        ivfpq.train(
            listing.some_rows(features, np.sort(some), width), chosen.cells, chosen.code, folder
        )
    built = ivfpq.trained(folder)
    names = [f"part-{number:05d}" for number in range(-(-count // chosen.part))]
    for number, name in enumerate(bar(names, desc="codes", unit="part", disable=not progress)):
        if not (building / f"{name}-rows.npy").exists():
            start, stop = number * chosen.part, min((number + 1) * chosen.part, count)
            both = [ivfpq.encoded(built, rows) for _, rows in listing.blocks(features, start, stop)]
            cell, code = (np.concatenate(each) for each in zip(*both, strict=True))
            ivfpq.write_part(building, name, cell, code, start)
    ivfpq.merge(building, names, chosen.cells, folder)
    return [*IDS, "centroids.npy", "codebooks.npy", "sizes.npy", "lists.bin"]


def _trained_on(chosen: Asked, count: int) -> int:
    """Items that an index is trained on: PER_CELL for each cell, and for each codeword."""
    return min(count, ivfpq.PER_CELL * max(chosen.cells, 256)) if chosen.kind == "ivfpq" else 0
