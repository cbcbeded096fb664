"""The one layout of prepared data; every data set is written to it and read from it.

    dataset.json            name, provenance, sources, licence, counts, what was left out,
                            protocol (a preset's name), tasks (name -> view of the queries, of
                            the gallery), and where training pairs are drawn: data.training_pairs
    images.parquet          image (id), split, part, row, label
    queries.parquet         query (id), split, source, target (image ids), text
    digests.json            of samples of the files, see data.digests
    pixels-VIEW-PART.npy    uint8 (N, height, width, 3), RGB, memory-mapped
    ready-NAME-PART.npy     float (N, ...), features that people pass around instead of pictures

`part` names the pixel file that holds an image and `row` its place in it; `split` is what the
image is used for (train, val or test). A query's relevant images are those of its split whose
label equals its target's, and those that the optional column `also` of the query table lists (ids
with ALSO between): the same source and text may lead to several targets.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core import config, tables
from cmir_repro.core.arrays import read_npy
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import atomic, sha256, write_json
from cmir_repro.data import digests
from cmir_repro.data.info import Info
from cmir_repro.data.words import has_word

SPLITS = ("train", "val", "test")
IMAGE_COLUMNS = {"image": str, "split": str, "part": str, "row": int, "label": str}
QUERY_COLUMNS = dict.fromkeys(("query", "split", "source", "target", "text"), str)
FILES = ("*.parquet", "pixels-*.npy", "ready-*.npy")
MEND = "delete the folder and prepare it again"
ALSO = "\t"  # between the ids of the column `also`; no id holds one
INFO_KEYS = ("name", "provenance", "sources", "licence", "left_out", "protocol", "tasks")


@dataclass(frozen=True)
class Retrieval:
    """One split of a composed-retrieval task, as index arrays; Q queries, G gallery images.

    gallery: (G,) int64, rows of `Prepared.images`; gallery_labels: (G,) str.
    source, target: (Q,) int64, positions in the gallery; texts: Q sentences.
    query_ids: (Q,) str; query_labels: (Q,) str, the targets' labels.
    also: for each query the positions of further relevant images, (K,) int64; None: there are none.
    """

    gallery: np.ndarray
    gallery_ids: np.ndarray
    gallery_labels: np.ndarray
    query_ids: np.ndarray
    query_labels: np.ndarray
    source: np.ndarray
    target: np.ndarray
    texts: list[str]
    also: list[np.ndarray] | None = None

    def right(self, queries: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether gallery items are right answers.

        Args:
            queries: (q,) int. items: (q, k) int, positions in the gallery.

        Returns:
            (q, k) bool.
        """
        right = self.gallery_labels[items] == self.query_labels[queries, None]
        if self.also is not None:
            listed = [np.isin(row, self.also[q]) for q, row in zip(queries, items, strict=True)]
            right |= np.reshape(listed, right.shape)
        return right

    def truth(self) -> dict[str, np.ndarray]:
        """What a file of the queries' features says of them: `labels`, `source`, perhaps `also`."""
        out = {"labels": self.query_labels, "source": self.gallery_ids[self.source]}
        if self.also is not None:
            most = max(map(len, self.also))
            listed = [[*self.gallery_ids[rows], *[""] * (most - len(rows))] for rows in self.also]
            out["also"] = np.array(listed, dtype=str)
        return out


class Prepared:
    """A prepared data set on disk, checked when opened.

    Raises:
        InputError: a file or column is missing, an id is doubled or unknown, a sentence is
            empty, a file is truncated or its sample is not what was written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.info = config.read(self.folder / "dataset.json", Info, MEND)
        self.images = tables.read_parquet(self.folder / "images.parquet", IMAGE_COLUMNS, MEND)
        self.queries = tables.read_parquet(self.folder / "queries.parquet", QUERY_COLUMNS, MEND)
        check_tables(self.images, self.queries, self.folder.name)
        digests.check(self.folder, self.info["files"])

    @cached_property
    def manifest_hash(self) -> str:
        """Digest of `dataset.json`, which holds the digest of every other file."""
        return sha256(self.folder / "dataset.json")

    @cached_property
    def views(self) -> list[str]:
        return sorted({name.split("-")[1] for name in self.info["files"] if "pixels" in name})

    def views_of(self, task: str) -> tuple[str, str]:
        """The view of the queries and the view of the gallery.

        Raises:
            InputError: unknown task, or no pictures.
        """
        self.check_task(task, self.info["tasks"])
        source, target = self.info["tasks"][task]
        return source, target

    def check_task(self, task: str, tasks: Collection[str]) -> None:
        """Refuse a task that is none of these; they are none where there are no pictures."""
        if not tasks:
            raise self._without_pictures()
        one_of(f"task of {self.info['name']}", task, tasks)

    def _without_pictures(self) -> InputError:
        return InputError(
            f"{self.info['name']} was prepared without pictures; what shows or reads them needs "
            "the data prepared with them, by --images FOLDER"
        )

    def check_composed(self) -> None:
        """Refuse data with nothing that asks with an image and a text, and name who reads them.

        Raises:
            InputError: there is nothing of that kind.
        """
        if len(self.queries) or self.info.get("training_pairs"):
            return
        name = self.info["name"]
        here = {
            "aai": "sentences.parquet" in self.info["files"],
            "crcgs": "labelled" in self.info or "categories" in self.info,
        }
        runs = [f"cmir run {system} --dataset {name}" for system in here if here[system]]
        mend = f"its data are read by {' and '.join(runs)}" if runs else "take other data"
        raise InputError(f"{name} has no queries of an image and a text; {mend}")

    def pixels(self, view: str, part: str) -> np.ndarray:
        """Memory-mapped uint8 (N, height, width, 3) of one view and part.

        Raises:
            InputError: there is no such view.
        """
        if not self.views:
            raise self._without_pictures()
        one_of(f"view of {self.info['name']}", view, self.views)
        path = self.folder / f"pixels-{view}-{part}.npy"
        found = read_npy(path, mapped=True)
        if found.dtype != np.uint8 or found.ndim != 4 or found.shape[-1] != 3:
            raise InputError(
                f"{path} holds {found.shape} {found.dtype}, expected (N, height, width, 3) uint8; "
                "prepare the data set again"
            )
        return found

    def ready(self, name: str, part: str) -> np.ndarray:
        """Memory-mapped float (N, ...) features that came with the data.

        Raises:
            InputError: there are none of that name.
        """
        one_of(f"ready features of {self.info['name']}", name, self._ready)
        path = self.folder / f"ready-{name}-{part}.npy"
        found = read_npy(path, mapped=True)
        if not found.ndim:
            raise InputError(f"{path} holds one number, expected a row an image")
        return found

    def has_ready(self, name: str) -> bool:
        """Whether `ready` has features of that name."""
        return name in self._ready

    @cached_property
    def _ready(self) -> list[str]:
        return sorted({file.split("-")[1] for file in self.info["files"] if "ready-" in file})

    def take(self, view: str, rows: np.ndarray) -> np.ndarray:
        """Pictures of the images at `rows` (N,) of the image table: uint8 (N, height, width, 3)."""
        return self.gather(rows, lambda part: self.pixels(view, part))

    def gather(self, rows: np.ndarray, of: Callable[[str], np.ndarray]) -> np.ndarray:
        """What an array a part holds of the images at `rows` (N,) of the image table: (N, ...)."""
        part = self.images["part"].to_numpy()[rows]
        row = self.images["row"].to_numpy()[rows]
        out = None
        for name in np.unique(part) if len(rows) else self.images["part"].iloc[:1]:
            here, source = part == name, of(name)
            if (row[here] < 0).any() or (row[here] >= len(source)).any():
                raise InputError(
                    f"{self.folder / 'images.parquet'} names rows of part {name!r} that are not "
                    f"among its {len(source):,}; prepare the data set again"
                )
            if out is None:
                out = np.empty((len(rows), *source.shape[1:]), dtype=source.dtype)
            out[here] = source[row[here]]
        return out

    def retrieval(self, split: str) -> Retrieval:
        """Queries and gallery of one split: the gallery is every image of the split."""
        one_of("split", split, SPLITS)
        gallery = np.flatnonzero(self.images["split"] == split)
        queries = self.queries[self.queries["split"] == split]
        position = pd.Series(np.arange(len(gallery)), index=self.images["image"].iloc[gallery])
        labels = self.images["label"].to_numpy(dtype=str)[gallery]
        target = position[queries["target"]].to_numpy()
        return Retrieval(
            gallery=gallery,
            gallery_ids=self.images["image"].to_numpy(dtype=str)[gallery],
            gallery_labels=labels,
            query_ids=queries["query"].to_numpy(dtype=str),
            query_labels=labels[target],
            source=position[queries["source"]].to_numpy(),
            target=target,
            texts=queries["text"].tolist(),
            also=[position[also_of(ids)].to_numpy() for ids in queries["also"]]
            if "also" in queries
            else None,
        )

    def counts(self) -> pd.DataFrame:
        """Images, queries, distinct labels and sentences of each split."""
        rows = {}
        for split in SPLITS:
            images = self.images[self.images["split"] == split]
            queries = self.queries[self.queries["split"] == split]
            rows[split] = {
                "images": len(images),
                "distinct labels": images["label"].nunique(),
                "queries": len(queries),
                "distinct sentences": queries["text"].nunique(),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")


def write(folder: Path, info: dict, images: pd.DataFrame, queries: pd.DataFrame) -> None:
    """Write the tables and, last, `dataset.json`, without which nothing counts as prepared.

    Pixel files and ready features must be in the folder already. `info` needs the keys of
    INFO_KEYS; counts and the digest and size of each file are added here.

    Raises:
        InputError: a key or column is missing, or the tables do not agree with one another.
    """
    missing = [key for key in INFO_KEYS if key not in info]
    if missing:
        raise InputError(f"dataset.json of {folder.name} lacks {', '.join(missing)}")
    check_tables(images, queries, folder.name)
    for name, table in (("images", images), ("queries", queries)):
        with atomic(folder / f"{name}.parquet") as temporary:
            table.reset_index(drop=True).to_parquet(temporary)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(p for kind in FILES for p in folder.glob(kind))
    }
    counts = {
        split: {
            "images": int((images["split"] == split).sum()),
            "queries": int((queries["split"] == split).sum()),
        }
        for split in SPLITS
    }
    digests.write(folder, files)
    write_json(folder / "dataset.json", {**info, "counts": counts, "files": files})


def check_tables(images: pd.DataFrame, queries: pd.DataFrame, name: str) -> None:
    """Raise InputError for the first thing that would make an evaluation wrong."""
    for table, columns, what in (
        (images, IMAGE_COLUMNS, "images"),
        (queries, QUERY_COLUMNS, "queries"),
    ):
        missing = [column for column in columns if column not in table]
        if missing:
            raise InputError(f"{name}: {what} table lacks the columns {', '.join(missing)}")
        key = table[next(iter(columns))]
        if key.duplicated().any():
            raise InputError(f"{name}: {what} id {key[key.duplicated()].iloc[0]!r} occurs twice")
        if table[list(columns)].isna().any().any():
            column = table[list(columns)].isna().any().idxmax()
            raise InputError(f"{name}: {what} column {column} has empty values")
        for split in set(table["split"]) - set(SPLITS):
            raise InputError(f"{name}: {what} split {split!r} is unknown; {', '.join(SPLITS)}")
    split_of = images.set_index("image")["split"]
    more = queries.get("also", pd.Series("", index=queries.index)).map(also_of)
    more = queries.assign(also=more)[["query", "split", "also"]].explode("also").dropna()
    for column, asked in (("source", queries), ("target", queries), ("also", more)):
        unknown = ~asked[column].isin(split_of.index)
        if unknown.any():
            raise InputError(
                f"{name}: {int(unknown.sum())} queries have a {column} that is no image, "
                f"first {asked.loc[unknown, column].iloc[0]!r}"
            )
        astray = split_of[asked[column]].to_numpy() != asked["split"].to_numpy()
        if astray.any():
            raise InputError(
                f"{name}: {int(astray.sum())} queries have a {column} in another split, "
                f"first {asked.loc[astray, 'query'].iloc[0]!r}"
            )
    blank = ~queries["text"].map(lambda text: isinstance(text, str) and has_word(text)).astype(bool)
    if blank.any():
        first = queries[blank].iloc[0]
        raise InputError(
            f"{name}: query {first['query']!r} of source {first['source']!r} has no word in its "
            f"text, {first['text']!r:.60}, and so have {int(blank.sum()):,} in all"
        )


def also_of(ids: str) -> list[str]:
    """The ids in a field of the column `also`."""
    return ids.split(ALSO) if ids else []


def hold_out(
    images: pd.DataFrame, queries: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move a share of the training sources, their queries and targets to the split "val".

    Whole sources move, so no validation picture is seen in training (our choice: the original
    has no validation split and selects on test).

    Args:
        fraction: share of the source images of train, in (0, 1).
        seed: seed of the draw.

    Returns:
        Copies of both tables with the new splits.
    """
    images, queries = images.copy(), queries.copy()
    train = queries["split"] == "train"
    sources = np.sort(queries.loc[train, "source"].unique())
    rng = np.random.Generator(np.random.Philox(key=seed))
    moved = set(rng.choice(sources, max(1, round(fraction * len(sources))), replace=False))
    chosen = train & queries["source"].isin(moved)
    queries.loc[chosen, "split"] = "val"
    moved |= set(queries.loc[chosen, "target"])
    images.loc[images["image"].isin(moved), "split"] = "val"
    return images, queries
