"""Tables of a user's own pictures, from a CSV of attributes or of queries."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, check_size, naming
from cmir_repro.data import splits
from cmir_repro.data.prepare import answers, checks, missing
from cmir_repro.data.prepare.attributes import draw_queries, hold_out_pairs
from cmir_repro.data.prepare.on_disk import find_pictures, on_disk
from cmir_repro.data.prepare.pictures import first_of, pixel_digests
from cmir_repro.data.prepared import SPLITS
from cmir_repro.data.readers.files import (
    check_numbers,
    located,
    need_columns,
    own_splits,
    without_ending,
)
from cmir_repro.data.sampling import generator_of
from cmir_repro.data.words import absent

ROWS = ("source", "text", "target")
MADE = ("image", "split", "part", "row", "label", "caption")  # columns an attribute cannot have


@dataclass(frozen=True)
class Settings:
    """What the prepared data depend on, besides the files.

    Raises:
        InputError: a value is impossible.
    """

    suffix: str = ""  # a picture's file is its id and this
    size: int = 224  # pixels
    val: float = 0.1  # shares of the images, or of the queries of a CSV without splits
    test: float = 0.4  # our choice: large galleries
    seed: int = 0
    # Only where captions are made from attributes:
    id: str = "id"  # column that names the image
    attributes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()  # two of them
    unseen_share: float = 0.1  # of the pairs of values of these two; kept out of train and val
    queries_per_image: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.val < 1 and 0 < self.test < 1 and self.val + self.test < 1):
            raise InputError(
                f"--val {self.val} and --test {self.test} must be shares that leave some to train"
            )
        check_size(self.size)
        if self.queries_per_image < 1:
            raise InputError(f"--queries-per-image {self.queries_per_image} must be at least 1")
        if len(set(self.attributes)) != len(self.attributes):
            raise InputError(f"--attributes {','.join(self.attributes)} names a column twice")
        for name in self.attributes:
            if name in MADE:
                raise InputError(f"attribute column {name!r} has a name of ours; rename it")
        if self.unseen and not (
            len(set(self.unseen)) == len(self.unseen) == 2
            and set(self.unseen) <= set(self.attributes)
        ):
            raise InputError(
                f"--unseen {','.join(self.unseen)} must name two of the --attributes "
                f"{','.join(self.attributes)}"
            )
        if not 0 < self.unseen_share < 1:
            raise InputError(f"--unseen-share {self.unseen_share} must lie between 0 and 1")


@dataclass(frozen=True)
class Made:
    """Tables, digests (N,) str of the images' decoded pixels, and a part of dataset.json."""

    images: pd.DataFrame
    queries: pd.DataFrame
    digests: np.ndarray
    info: dict


def from_attributes(
    name: str,
    csv: Path,
    table: pd.DataFrame,
    folder: Path,
    settings: Settings,
    allow_missing: bool,
) -> Made:
    """Captions, splits and queries from attributes; relevant is what has the target's caption."""
    columns, left_out = list(settings.attributes), []
    need_columns(csv, table, [settings.id, *columns])
    twice = table.loc[table[settings.id].duplicated(), settings.id]
    if len(twice):
        raise InputError(f"{csv}: {settings.id} {twice.iloc[0]!r} occurs twice; ids must differ")
    images = table[columns].apply(lambda c: c.str.lower().str.split().str.join(" "))
    check_numbers(csv, images)
    images.insert(0, "image", table[settings.id])
    own = own_splits(csv, table, (settings.id, *columns))
    if own is not None:
        _check_own(csv, own, settings)
        images.insert(1, "split", own)
    # A caption with a gap would be a caption of something else, so such rows cannot be used.
    gap = images[columns].apply(lambda column: column.map(absent)).any(axis=1)
    left_out.append(f"rows with an empty attribute: {checks.some(images['image'][gap])}")
    images = images[~gap]
    listed = len(images)
    if not listed:
        raise InputError(f"{csv}: every row has an empty attribute; take others for --attributes")
    _check_names(csv, images["image"], settings)

    digests, lost = pixel_digests(files_of(folder, images["image"], settings))
    if lost.any() and not allow_missing:
        raise InputError(
            f"{digests[lost.argmax()]}; {lost.sum():,} of the {listed:,} pictures, before they are "
            f"split, cannot be read ({checks.some(images['image'][lost])}); --allow-missing leaves "
            "them out"
        )
    left_out.append(f"pictures that cannot be read: {checks.some(images['image'][lost])}")
    coverage = missing.coverage(None if own is None else images["split"], ~lost)
    if own is not None and coverage.get("test images", {}).get("here") == 0:
        raise InputError(
            f"{digests[lost.argmax()]}; no picture of test is left ({left_out[-1]}), so nothing "
            "could be scored; get them again"
        )
    images, digests = images[~lost], digests[~lost]

    first = first_of(digests)
    copy = first != np.arange(len(first))
    other = (images[columns].to_numpy() != images[columns].to_numpy()[first]).any(axis=1)
    left_out.append(
        f"pictures with the pixels of an earlier one: {checks.some(images['image'][copy])}; "
        f"{int(other.sum()):,} of them had other attributes than that one"
    )
    if own is not None:
        moved = int((images["split"].to_numpy() != images["split"].to_numpy()[first]).sum())
        left_out.append(f"of these, in another split than the earlier one: {moved:,}")
    images, digests = images[~copy].reset_index(drop=True), digests[~copy]

    images["caption"] = images["label"] = images[columns].agg(" ".join, axis=1)
    meanings = images[[*columns, "caption"]].drop_duplicates()["caption"]
    if meanings.duplicated().any():
        raise InputError(
            f"{csv}: different values make one caption, "
            f"{meanings[meanings.duplicated()].iloc[0]!r}; rename one of them"
        )
    if own is None:
        held, rng = np.zeros(len(images), dtype=bool), generator_of(settings.seed, 0)
        if settings.unseen:
            held = hold_out_pairs(images[list(settings.unseen)], settings.unseen_share, rng)
        images["split"] = splits.at_random(held, settings.val, settings.test, rng)
    images = _place(images, columns)
    rule = {"rule": "attributes", "columns": columns}
    how = (settings.seed, settings.queries_per_image, settings.unseen)
    with naming(csv):
        queries = draw_queries(images, rule, *how)
    return Made(
        images,
        _number(name, queries),
        digests,
        {
            "protocol": "own/same-caption",
            "training_pairs": rule,
            "left_out": left_out,
            "coverage": coverage,
            "audit": _audit(images, queries, settings),
        },
    )


def _check_own(csv: Path, own: pd.Series, settings: Settings) -> None:
    """Refuse a column of splits with which nothing can be trained or tested, or --unseen."""
    if settings.unseen:
        raise InputError(
            f"{csv} has a column split, and --unseen draws splits of its own; leave one of them out"
        )
    if not (own == "test").any():
        raise InputError(f"{csv}: the column split has no row of test; add some")


def _audit(images: pd.DataFrame, queries: pd.DataFrame, settings: Settings) -> list[dict]:
    train, test = (images.loc[images["split"] == s, "caption"] for s in ("train", "test"))
    facts = {
        "pictures": len(images),
        "distinct captions": images["caption"].nunique(),
        "test images with a caption of train": int(test.isin(train).sum()),
    }
    if settings.unseen:
        both = " and ".join(settings.unseen)
        homes = images.groupby(list(settings.unseen))["split"].agg(set)
        facts[f"pairs of {both}"] = len(homes)
        facts[f"pairs of {both} that only test has"] = int((homes == {"test"}).sum())
        for split, here in queries.groupby("split"):
            facts[f"{split} queries that want a pair unseen in train"] = int(here["unseen"].sum())
    return _facts(facts)


def _facts(counts: dict[str, int]) -> list[dict]:
    return [{"fact": fact, "found": found} for fact, found in counts.items()]


def from_rows(
    name: str,
    csv: Path,
    table: pd.DataFrame,
    folder: Path,
    settings: Settings,
    allow_missing: bool,
) -> Made:
    """Queries as the CSV has them; relevant is the target alone."""
    lacking = [column for column in ROWS if column not in table]
    if lacking:
        raise InputError(
            f"{csv} has no column {', '.join(lacking)}; give --attributes to make captions, or "
            f"the columns {', '.join(ROWS)}"
        )
    for column in ROWS:
        if (table[column] == "").any():
            raise InputError(f"{csv}, row {(table[column] == '').idxmax() + 1}: {column} is empty")
    for column in ("source", "target"):
        _check_names(csv, table[column], settings)
    silent = table["text"].map(absent)
    if silent.any():
        row = table[silent].iloc[0]
        raise InputError(
            f"{csv}, row {silent.idxmax() + 1}: the text {row['text']!r:.60} of source "
            f"{row['source']!r} has no word, and so have {int(silent.sum()):,} in all; correct "
            "them, or take out these rows"
        )
    names = table[["source", "target"]].melt()["value"].drop_duplicates(ignore_index=True)
    digests, broken = pixel_digests(files_of(folder, names, settings))
    kept = names[first_of(digests)].set_axis(names)  # of equal pictures the first stands for all
    table = table.assign(source=kept[table["source"]].array, target=kept[table["target"]].array)
    same = table["source"] == table["target"]

    own = own_splits(csv, table)
    if own is not None:
        table["split"] = own
    else:
        shares, rng = (settings.val, settings.test), generator_of(settings.seed, 0)
        with naming(csv):
            table["split"] = splits.connected(table["source"], table["target"], *shares, rng)
    images = table.melt(["split"], ["source", "target"], value_name="image")
    images = images[["image", "split"]].drop_duplicates(ignore_index=True)
    twice = images.loc[images["image"].duplicated(), "image"]
    if len(twice):
        here = images.loc[images["image"] == twice.iloc[0], "split"]
        copies = [name for name in kept.index[kept == twice.iloc[0]] if name != twice.iloc[0]]
        also = f" (the same picture as {', '.join(copies)})" if copies else ""
        raise InputError(
            f"{csv}: image {twice.iloc[0]!r}{also} is in {' and '.join(here)}, and so are "
            f"{len(twice):,} images in all; an image belongs to one split"
        )

    lost = images["image"].isin(names[broken])
    cut = table["source"].isin(names[broken]) | table["target"].isin(names[broken])
    coverage = {}
    for split in images["split"].unique():
        for what, of, gone in (("images", images, lost), ("queries", table, cut)):
            here = of["split"] == split
            counts = {"here": int((here & ~gone).sum()), "listed": int(here.sum())}
            coverage[f"{split} {what}"] = counts
    if broken.any() and not allow_missing:
        raise InputError(
            f"{digests[broken.argmax()]}; {_costs(coverage)} (all in all "
            f"{checks.some(names[broken])}); --allow-missing leaves them out"
        )
    copies = names[kept.array != names.array]
    left_out = [
        f"pictures that cannot be read: {checks.some(images['image'][lost])}",
        f"queries that need one of them: {int(cut.sum()):,}",
        f"pictures with the pixels of an earlier one: {checks.some(copies)}",
        f"queries whose source and target are one picture: {int(same.sum()):,}",
    ]
    images = images[~lost].reset_index(drop=True)
    images["label"] = images["image"]
    queries, counts = answers.merged(table.loc[~cut & ~same, ["split", "source", "target", "text"]])
    if not len(queries):
        raise InputError(f"{csv}: no query is left; {'; '.join(left_out)}")
    return Made(
        _place(images, []),
        _number(name, queries),
        pd.Series(digests, names)[images["image"]].to_numpy(),
        {
            "protocol": "own/target",
            "left_out": left_out,
            "coverage": coverage,
            "audit": _facts(counts),
        },
    )


def _costs(coverage: dict[str, dict[str, int]]) -> str:
    """What the pictures that cannot be read cost, in words, split by split."""
    costs = []
    for split in SPLITS:
        images, queries = (coverage.get(f"{split} {what}") for what in ("images", "queries"))
        if images and images["here"] < images["listed"]:
            costs.append(
                f"{images['listed'] - images['here']:,} of the {images['listed']:,} pictures of "
                f"{split} cannot be read, which {queries['listed'] - queries['here']:,} of its "
                f"{queries['listed']:,} queries need"
            )
    return "; ".join(costs)


def _check_names(csv: Path, names: pd.Series, settings: Settings) -> None:
    """Refuse names of pictures that lead out of their folder; the index counts the rows from 0."""
    for row, name in names.items():
        located(f"{csv}, row {row + 1}", name + settings.suffix)


def files_of(folder: Path, names: pd.Series, settings: Settings) -> list[Path]:
    """The files of the images: as they are named, else with a known ending.

    Raises:
        InputError: the folder does not exist, or as `find_pictures`.
    """
    files = [on_disk(folder / (name + settings.suffix)) for name in names]
    lost = [row for row, file in enumerate(files) if not file.is_file()]
    paths = [without_ending(names.iloc[row] + settings.suffix) for row in lost]
    for row, found in zip(lost, find_pictures(folder, paths), strict=True):
        files[row] = found or files[row]
    return files


def _place(images: pd.DataFrame, attributes: list[str]) -> pd.DataFrame:
    """The image table with its own columns first; a split is a part, rows in the CSV's order."""
    images = images.assign(part=images["split"], row=images.groupby("split").cumcount())
    columns = ["image", "split", "part", "row", "label"]
    return images[[*columns, *(["caption", *attributes] if attributes else [])]]


def _number(name: str, queries: pd.DataFrame) -> pd.DataFrame:
    number = queries.groupby("split").cumcount()
    ids = [f"{name}_{s}_query_{i:06d}" for s, i in zip(queries["split"], number, strict=True)]
    queries.insert(0, "query", ids)
    return queries
