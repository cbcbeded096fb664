"""Photographs found by image id, brought to one size and into the prepared layout.

A picture that is not there never drops a query in silence: it is an error that says what it
costs, or, if asked for, it is left out, counted in `dataset.json` under "coverage", and changes
the name of the protocol under which anything is scored.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import incomplete
from cmir_repro.data import prepared
from cmir_repro.data.prepare.reopen import reopen
from cmir_repro.data.prepare.resize import fill_squares
from cmir_repro.data.prepare.table_hash import tables_hash
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers.fashioniq_cirr import Annotations

SUFFIXES = (".jpg", ".png", ".jpeg")
VIEW = "photo"


def prepare(
    name: str,
    found: Annotations,
    info: dict,
    pictures: Path | None,
    size: int = 224,
    allow_missing: bool = False,
    progress: bool = True,
    splits: str = "as released",
) -> Prepared:
    """Write a release to data/NAME, or open what lies there if it is the same.

    Queries without a target are left out; `left_out` counts them.

    Args:
        name: of the folder, and in dataset.json.
        found: the release.
        info: of dataset.json: sources, licence, protocol, left_out.
        pictures: folder of the photographs; None writes the tables alone, for scoring features
            that were made elsewhere.
        size: of the squares, in pixels.
        allow_missing: leave out pictures that are not there, and the queries that need them.
        progress: show bars.
        splits: in words what the splits of `found` are, for dataset.json.

    Raises:
        InputError: a picture is missing or damaged, something else was prepared there before, or
            the folder cannot be written.
    """
    target = paths.data() / name
    images, queries = found.images, found.queries
    files = None if pictures is None else find_pictures(pictures, images["path"])
    here = pd.Series([files is None or file is not None for file in files or images["path"]])
    coverage = _coverage(images, queries, here)
    if not allow_missing:
        _refuse_missing(pictures, images, here, coverage)
    with_target = queries["target"] != ""
    gone = set(images.loc[~here, "image"])
    queries = queries[with_target & ~queries["source"].isin(gone) & ~queries["target"].isin(gone)]
    if "members" in queries:
        kept = [" ".join(m for m in row.split() if m not in gone) for row in queries["members"]]
        queries = queries.assign(members=kept)
    images = places(images[here]).drop(columns="path")
    provenance = {
        "kind": "released",
        "files": found.files,
        "absent": found.absent,
        "splits": splits,
        "pixels": "none" if pictures is None else f"{size} x {size}, middle of the scaled picture",
    }
    if (target / "dataset.json").exists():
        return reopen(target, {**provenance, "coverage": coverage})
    prepared.check_tables(images, queries, name)  # before minutes of reading pictures
    if pictures is not None:
        draw_pictures(target, images, [file for file in files if file is not None], size, progress)
    lost = sum(part["lost"] for part in coverage.values())
    without = int((~with_target).sum())
    left_out = [
        *([f"queries without a target: {without:,}"] if without else []),
        f"images that are missing: {len(gone):,}; queries that need one: {lost:,}",
        *(f"{file}: not in this copy of the release" for file in found.absent),
    ]
    tasks = {} if pictures is None else {VIEW: (VIEW, VIEW)}
    if gone:
        info = {**info, "protocol": incomplete(info["protocol"], f"{len(gone):,} pictures missing")}
    record = {
        **info,
        "name": name,
        "provenance": provenance,
        "tables_sha256": tables_hash(images, queries),
        "coverage": coverage,
        "tasks": tasks,
        "left_out": [*info["left_out"], *left_out],
    }
    prepared.write(target, record, images, queries)
    return Prepared(target)


def find_pictures(folder: Path, paths: Sequence[str]) -> list[Path | None]:
    """The file of each picture, `folder`/path with an ending of SUFFIXES; None where there is none.

    Raises:
        InputError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; --images names the folder with the pictures")
    here = {}
    for inner in {(folder / path).parent for path in paths}:
        for file in sorted(inner.iterdir(), reverse=True) if inner.is_dir() else ():
            if file.suffix.lower() in SUFFIXES:
                here[file.with_suffix("")] = file
    return [here.get(folder / path) for path in paths]


def _coverage(images: pd.DataFrame, queries: pd.DataFrame, here: pd.Series) -> dict[str, dict]:
    """Per split and category: images, how many are missing, queries with a target, lost ones."""
    gone = set(images.loc[~here, "image"])
    queries = queries[queries["target"] != ""]
    lost = queries["source"].isin(gone) | queries["target"].isin(gone)
    out = {}
    images = images.assign(category=images["category"].str.split(" ")).explode("category")
    for (split, category), part in images.groupby(["split", "category"], sort=False):
        rows = (queries["split"] == split) & (queries["category"] == category)
        out[f"{split}/{category}"] = {
            "images": len(part),
            "missing": int((~here[part.index]).sum()),
            "queries": int(rows.sum()),
            "lost": int((rows & lost).sum()),
        }
    return out


def _refuse_missing(
    pictures: Path | None, images: pd.DataFrame, here: pd.Series, coverage: dict[str, dict]
) -> None:
    if here.all():
        return
    first = images.loc[~here, "path"].iloc[0]
    costs = [
        f"{where} {part['missing']:,} of {part['images']:,} images, which {part['lost']:,} of its "
        f"{part['queries']:,} queries need"
        for where, part in coverage.items()
        if part["missing"]
    ]
    raise InputError(
        f"{Path(pictures) / first} ({', '.join(SUFFIXES)}) is missing; missing are: "
        f"{'; '.join(costs)}. Get them again, or leave them out with --allow-missing"
    )


def places(images: pd.DataFrame) -> pd.DataFrame:
    """With part and row: a picture lies once, in the file of the first split that lists it."""
    order = images["split"].map({split: i for i, split in enumerate(SPLITS)})
    first = images.assign(order=order).sort_values("order", kind="stable")
    first = first.drop_duplicates("label").sort_index()
    first["row"] = first.groupby("split").cumcount()
    place = first.set_index("label")
    return images.assign(
        part=images["label"].map(place["split"]), row=images["label"].map(place["row"])
    )


def draw_pictures(
    target: Path, images: pd.DataFrame, files: list[Path], size: int, progress: bool
) -> None:
    """Write the pixel file of each part; files: one a row of `images`."""
    for part in images["part"].unique():
        rows = images.assign(file=files)
        rows = rows[rows["part"] == part].drop_duplicates("row").sort_values("row")
        here = rows["file"].tolist()
        # A picture exchanged between two tries must not be taken for the one already read.
        seen = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in here]
        key = hashlib.sha256(repr(seen).encode()).hexdigest()
        fill_squares(target / f"pixels-{VIEW}-{part}.npy", here, size, key, progress)
