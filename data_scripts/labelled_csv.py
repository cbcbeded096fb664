"""Pictures with attributes and a text, one a row of a CSV, into the prepared layout."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from cmir_repro.core.errors import InputError, check_size
from cmir_repro.core.files import sha256
from cmir_repro.data.labelled import LABELS, TEXT
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare import labels as labelled_release
from cmir_repro.data.prepare.captions import drawn_splits
from cmir_repro.data.prepare.labels import bag_of_words, related
from cmir_repro.data.prepare.missing import by_split, coverage, present
from cmir_repro.data.prepare.pictures import (
    VIEW,
    draw_pictures,
    first_of,
    pixel_digests,
)
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers.files import check_numbers, located, own_splits, read_csv
from cmir_repro.data.tokenizers import clean
from cmir_repro.data.words import absent, has_word
from data_scripts import options


@dataclass(frozen=True)
class Settings:
    """What the prepared data depend on, besides the files."""

    id: str  # column that names the picture
    labels: tuple[str, ...]  # columns whose values become categories
    text: str  # column whose words become tags
    suffix: str = ""  # a picture's file is its id and this
    size: int = 224  # pixels
    at_least: int = 5  # training rows that have a word of the vocabulary; our choice
    val: float = 0.1  # shares of the pictures
    test: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        columns = (self.id, self.text, *self.labels)
        if not self.labels or len(set(columns)) < len(columns):
            raise InputError("--id, --text and --labels must name different columns, --labels some")
        check_size(self.size)
        if self.at_least < 1:
            raise InputError(f"--at-least {self.at_least} must be at least 1")


def counts(images: pd.DataFrame, tags: np.ndarray, labels: np.ndarray) -> dict[str, int | float]:
    """What is audited."""
    test = (images["split"] == "test").to_numpy()
    return {
        **{f"pictures, {split}": int((images["split"] == split).sum()) for split in SPLITS},
        "tags of the vocabulary": tags.shape[1],
        "tags a picture, mean": round(float(tags.sum(1).mean()), 2),
        "categories": labels.shape[1],
        "categories a picture, mean": round(float(labels.sum(1).mean()), 2),
        "categories that no training picture has": int(
            (~labels[(images["split"] == "train").to_numpy()].any(0)).sum()
        ),
        "pairs of query and database that are relevant, %": round(
            related(labels[test], labels[~test]), 2
        ),
    }


def _read(
    csv: Path, settings: Settings, separator: str | None
) -> tuple[pd.DataFrame, list[list[str]], list[str]]:
    """image, path (without ending), labels (numbers), perhaps split; words of each row; names."""
    table = read_csv(csv, (settings.id, settings.text, *settings.labels), separator)
    places = [
        located(f"{csv.name}, row {number}", name + settings.suffix)
        for number, name in enumerate(table[settings.id], start=1)
    ]
    found = pd.DataFrame({"image": places, "path": places})
    twice = found.loc[found["image"].duplicated(), "image"]
    if len(twice):
        raise InputError(f"{csv}: {settings.id} {twice.iloc[0]!r} occurs twice; ids must differ")
    split = own_splits(csv, table, (settings.id, settings.text, *settings.labels))
    if split is not None:
        found["split"] = split.array
    values = table[list(settings.labels)].apply(lambda c: c.str.lower().str.split().str.join(" "))
    check_numbers(csv, values)
    values = values.mask(values.apply(lambda column: column.map(absent)))
    named = pd.DataFrame({column: f"{column}: " + values[column] for column in values})
    names = [name for column in named for name in sorted(named[column].dropna().unique())]
    number = {name: position for position, name in enumerate(names)}
    found["labels"] = [
        [number[name] for name in row if isinstance(name, str)]
        for row in named.itertuples(index=False)
    ]
    return found, [_words(text) for text in table[settings.text]], names


def _words(text: str) -> list[str]:
    return [] if absent(text) else [word for word in clean(text, None).split() if has_word(word)]


def _merged(
    table: pd.DataFrame, said: list[list[str]], count: int, first: np.ndarray
) -> tuple[np.ndarray, pd.DataFrame, np.ndarray, list[list[str]]]:
    """Equal pictures as one, the first, with the categories and words of all.

    Args:
        table, said: of `_read`. count: of the categories.
        first: (N,) int64, the first row with the same picture.

    Returns:
        (N,) bool, the M rows that stay; their table, labels (M, C) uint8 and words.
    """
    kept = first == np.arange(len(first))
    place = (np.cumsum(kept) - 1)[first]
    labels = np.zeros((kept.sum(), count), dtype=np.uint8)
    words = [[] for _ in range(len(labels))]
    for row, numbers, more in zip(place, table["labels"], said, strict=True):
        labels[row, numbers] = 1
        words[row] += more
    return kept, table[kept].reset_index(drop=True), labels, words


def _label(row: np.ndarray, names: list[str]) -> str:
    return "; ".join(names[column] for column in np.flatnonzero(row))


def prepare(
    *,
    name: options.OwnName,
    csv: options.Csv,
    images: options.Pictures,
    id: Annotated[str, typer.Option(help="column that names the picture")],
    labels: Annotated[str, typer.Option(help="columns whose values are categories, comma between")],
    text: Annotated[str, typer.Option(help="column whose words become tags")],
    suffix: options.Suffix = Settings.suffix,
    separator: options.Separator = None,
    size: options.Size = Settings.size,
    at_least: Annotated[
        int, typer.Option(help="training rows that have a tag")
    ] = Settings.at_least,
    val: options.Val = Settings.val,
    test: options.Test = Settings.test,
    seed: options.Seed = Settings.seed,
    licence: options.Licence = "not stated",
    source: options.Source = None,
    allow_missing: options.AllowMissing = False,
) -> Prepared:
    """Your own pictures with attributes and a text, one a row of a CSV, for labels and tags.

    Each value of the columns --labels becomes a category, "baseColour: blue", and each word of the
    column --text a tag, if enough training rows have it. Of equal pictures the first is kept, with
    the tags and categories of all.
    """
    columns = options.names(labels)
    settings = Settings(id, columns, text, suffix, size, at_least, val, test, seed)
    table, said, names = _read(csv, settings, separator)
    listed, without_words = table, sum(not words for words in said)
    files, here, notes = present(
        images,
        table["path"],
        by_split(table.get("split", pd.Series("all", index=table.index))),
        allow_missing,
    )
    table, said = table[here].reset_index(drop=True), [said[row] for row in np.flatnonzero(here)]
    digests, _ = pixel_digests(files)
    kept, images_, labels_, words = _merged(table, said, len(names), first_of(digests))
    files = [files[row] for row in np.flatnonzero(kept)]

    own = "split" in images_
    if not own:
        shares = settings.val, settings.test, settings.seed
        images_["split"] = drawn_splits(len(images_), *shares, csv)
    for split in ("train", "test"):
        if not (images_["split"] == split).any():
            raise InputError(
                f"{csv}: no picture of {split} is left; words and categories are learnt from "
                "train and asked for in test, so give both some rows"
            )
    counted = labelled_release.rows_with(
        [words[row] for row in np.flatnonzero(images_["split"] == "train")]
    )
    vocabulary = sorted(counted.index[counted >= settings.at_least])
    if not vocabulary:
        raise InputError(f"{csv}: no word of {settings.text} is in {settings.at_least} training "
                         "rows; give another --text or --at-least")  # fmt: skip
    tags = bag_of_words(words, vocabulary)
    without = {"a category": ~labels_.any(1), "a word of the vocabulary": ~tags.any(1)}
    used = ~np.logical_or(*without.values())
    for split in ("train", "test"):
        if not used[images_["split"] == split].any():
            raise InputError(
                f"{csv}: no picture of {split} has both a value in --labels {','.join(columns)} "
                f"and a word of the vocabulary in --text {settings.text}; take other columns, or a "
                "smaller --at-least"
            )
    left_out = [
        f"rows without a word in {settings.text}: {without_words:,}",
        f"pictures that are missing: {len(listed) - len(table):,}",
        *notes,
        "pictures with the pixels of an earlier one, which got their categories and tags: "
        f"{checks.some(table['image'][~kept])}",
        *(
            f"pictures without {what}: {checks.some(images_['image'][no])}"
            for what, no in without.items()
        ),
    ]
    images_, tags, labels_ = images_[used].reset_index(drop=True), tags[used], labels_[used]
    files = [files[row] for row in np.flatnonzero(used)]
    there = labels_.any(0)  # the others were those of pictures that are left out
    labels_, names = labels_[:, there], [names[column] for column in np.flatnonzero(there)]
    images_["label"] = [_label(row, names) for row in labels_]
    facts = counts(images_, tags, labels_)
    print(checks.audit_table(facts, {}))
    record = {
        "provenance": {
            "kind": "photographs",
            "files": {csv.name: sha256(csv)},
            "pictures_sha256": checks.digest(digests),
            "allow_missing": allow_missing,
            **({"splits": "column split"} if own else {}),
            **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()},
        },
        "licence": licence,
        "sources": [source] if source else [],
        "left_out": left_out,
        "coverage": coverage(listed.get("split"), here),
        "audit": [{"fact": fact, "found": found} for fact, found in facts.items()],
        "tasks": {VIEW: [VIEW, VIEW]},
        "text": {"kind": "tags", "names": vocabulary},
        "categories": names,
    }
    table = images_[["image", "split", "label"]]

    def draw(target: Path) -> dict[str, int]:
        placed = table.assign(part="all", row=np.arange(len(table)))
        return draw_pictures(target, placed, files, settings.size)

    arrays = {TEXT: tags, LABELS: labels_}
    return checks.tell(labelled_release.finish(name, record, table, arrays, draw))


if __name__ == "__main__":
    options.as_command(__file__)
