"""What the scripts for data with categories share: splits, bags of words, data/NAME written."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.arrays import read_npy
from cmir_repro.core.errors import InputError, first, naming, one_of
from cmir_repro.core.protocol import incomplete
from cmir_repro.data import labelled
from cmir_repro.data.labelled import KINDS, LABELS, TEXT, array_file
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.missing import present
from cmir_repro.data.prepare.pictures import VIEW, draw_pictures, pixels_told
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers.tags import Tagged, unpacked

PROTOCOL = "map-all"  # what all of them are scored by
DATABASE = "database"  # in `coverage`: images of the split train that are not trained on
ORDER = ("train", "test", "val")  # in which the released code takes slices of a shuffle


def finish(
    name: str,
    record: Mapping,
    images: pd.DataFrame,
    arrays: Mapping[str, np.ndarray],
    draw: Callable[[Path], Mapping[str, int] | None] | None = None,
    release: str = "",
) -> Prepared:
    """Write images with text and categories to data/NAME, or open what lies there if it is equal.

    Args:
        name: of the folder, and in dataset.json: lower-case letters, digits, - and _.
        record: for dataset.json: as in `content`, and provenance, sources, licence, left_out, and
            perhaps audit, coverage, protocol and tasks.
        images, arrays, draw: as in `content`. release: as in `writer.prepare`.

    Raises:
        InputError: the name cannot be used, something else was prepared there before, or
            something does not fit together.
    """
    named = [*record["text"]["names"], *record["categories"]]
    tables = checks.tables_hash(images, pd.DataFrame({"word": named}))
    record = {"protocol": PROTOCOL, "tasks": {}, **record, "tables_sha256": tables}
    same = {key: record[key] for key in ("protocol", "sources", "licence", "tables_sha256")}
    provenance = record["provenance"]

    def make() -> Content:
        return content(record, images, arrays, draw)

    return writer.prepare(name, provenance, make, same, release=release)


def content(
    info: Mapping,
    images: pd.DataFrame,
    arrays: Mapping[str, np.ndarray],
    draw: Callable[[Path], Mapping[str, int] | None] | None = None,
) -> Content:
    """A data set of one part, "all".

    Args:
        info: for dataset.json, with "text", {"kind": a key of KINDS, "names": D names}, and
            "categories", C names.
        images: columns image, split, label and, where only a share of train is trained on, trains
            (bool); part and row are added, in this order.
        arrays: TEXT (N, D), LABELS (N, C) and perhaps IMAGE (N, F), in the order of `images`.
        draw: called with the folder, for pixels and what is too large for memory: it writes TEXT
            where `arrays` has none.

    Raises:
        InputError: something does not fit together.
    """
    one_of("text kind", info["text"]["kind"], KINDS)
    table = images.assign(part="all", row=np.arange(len(images)))

    def check(text: np.ndarray) -> None:
        rows, names = np.arange(len(table)), info["text"]["names"]
        labelled.assemble(table, rows, text, arrays[LABELS], names, info["categories"])

    def draw_and_check(folder: Path) -> Mapping[str, int] | None:
        done = draw(folder) if draw is not None else None
        if TEXT not in arrays:
            check(read_npy(array_file(folder, TEXT), mapped=True))
        return done

    if TEXT in arrays:
        check(arrays[TEXT])
    return Content(table, info=info, arrays=arrays, draw=draw_and_check)


def prepare_tagged(
    release: str,
    found: Tagged,
    facts: Mapping[str, int],
    expected: Mapping[str, int],
    split: Callable[[np.ndarray, dict[str, int], int], dict[str, np.ndarray]],
    rule: str,
    sizes: dict[str, int],
    seed: int,
    pictures: Path | None,
    *,
    name: str | None = None,
    size: int = 224,
    allow_missing: bool = False,
    partial: bool = False,
) -> Prepared:
    """Audit pictures with tags and categories, split them, and write them or open what is there.

    Args:
        release: names the data, and what is audited; without pictures they are RELEASE-tags.
        found: what was read.
        facts, expected: counts of what was read, and those that the release must give.
        split: from labels (N, C), `sizes` and `seed` to "train", "val", "test" -> (n,) int64, rows
            of `found`. The others are in the database only. They are drawn before anything is left
            out, so a missing picture moves no other.
        rule: in words what `split` does, for dataset.json.
        sizes: train, val, test -> how many images.
        pictures: folder of the photographs; None writes tags and categories alone.
        name: of the folder, if another one: lower-case letters, digits, - and _.
        size: of the squares, in pixels.
        allow_missing: leave out pictures that are not there.
        partial: take other counts than the expected ones.

    Raises:
        InputError: counts differ, there are too few images, a picture is missing or damaged,
            something else was prepared there before, or the folder cannot be written.
    """
    checks.audit(facts, expected, release, partial)
    if size < 1:
        raise InputError("--size must be at least 1")
    with naming(first([*found.files])):
        chosen = split(found.labels, sizes, seed)
    use = np.full(len(found.ids), DATABASE, dtype=object)
    for part in SPLITS:
        use[chosen[part]] = part
    files, here, notes = None, np.ones(len(use), dtype=bool), []

    def covered(here: np.ndarray) -> dict[str, dict]:
        return {
            part: {"images": int((use == part).sum()), "missing": int((use[~here] == part).sum())}
            for part in (*SPLITS, DATABASE)
        }

    def costs(here: np.ndarray) -> list[str]:
        return [
            f"{part} {count['missing']:,} of {count['images']:,} images"
            + (", each of them a query" if part == "test" else "")
            for part, count in covered(here).items()
            if count["missing"]
        ]

    if pictures is not None:
        files, here, notes = present(pictures, found.paths, costs, allow_missing)
    kept = np.flatnonzero(here)
    categories = np.array(found.categories, dtype=object)
    images = pd.DataFrame(
        {
            "image": np.asarray(found.ids, dtype=object)[kept],
            "split": np.where(use == DATABASE, "train", use)[kept],
            "label": ["; ".join(categories[row]) for row in found.labels[kept]],
            "trains": (use == "train")[kept],
        }
    )
    gone = len(here) - len(kept)
    record = {
        "provenance": {
            "kind": "released",
            "files": found.files,
            "pixels": pixels_told(size if pictures else None),
            "splits": {"rule": rule, "seed": seed, **sizes},
        },
        "coverage": covered(here),
        "sources": found.sources,
        "licence": found.licence,
        "left_out": [*found.left_out, f"images that are missing: {gone:,}", *notes],
        "tasks": {VIEW: [VIEW, VIEW]} if pictures else {},
        "text": {"kind": "tags", "names": found.words},
        "categories": found.categories,
    }
    if gone:
        record["protocol"] = incomplete(PROTOCOL, f"{gone:,} pictures missing")

    text = found.text[kept]

    def draw(target: Path) -> dict[str, int]:
        file, shape = array_file(target, TEXT), (len(kept), len(found.words))
        key = hashlib.sha256(text.tobytes()).hexdigest()
        fill(file, shape, lambda rows: unpacked(text[rows], shape[1]), key, None)
        if files is None:
            return {}
        table = images.assign(part="all", row=np.arange(len(images)))
        return draw_pictures(target, table, files, size)

    arrays = {LABELS: found.labels[kept].astype(np.uint8)}
    name = name or (release if pictures else f"{release}-tags")
    return checks.tell(finish(name, record, images, arrays, draw))


def hold_out(split: np.ndarray, val: float, seed: int) -> np.ndarray:
    """A share of the training images, drawn at random, as "val".

    Args:
        split: (N,) str, "train" or "test".
        val: share of those of train, in [0, 1).
        seed: of the draw.

    Returns:
        (N,) str, as objects.

    Raises:
        InputError: the share is impossible.
    """
    train = np.flatnonzero(split == "train")
    if not 0 <= val < 1 or round(val * len(train)) >= len(train):
        raise InputError(f"--val {val} must be a share of the {len(train):,} training images")
    rng = np.random.Generator(np.random.Philox(key=seed))
    out = np.array(split, dtype=object)
    out[rng.choice(train, round(val * len(train)), replace=False)] = "val"
    return out


# What `shuffled` does, for dataset.json.
SHUFFLED = (
    "one shuffle of the images; train, test, val in this order, the others in the database only"
)


def shuffled(labels: np.ndarray, sizes: Mapping[str, int], seed: int) -> dict[str, np.ndarray]:
    """Slices of one shuffle of all images: "train", "val", "test" -> (n,) int64, rows.

    Args:
        labels: (N, C), of which only N matters. sizes: train, val, test -> n.
        seed: of the shuffle.

    Raises:
        InputError: there are too few images.
    """
    if min(sizes.values()) < 0 or sum(sizes.values()) > len(labels):
        asked = " ".join(f"--{part} {size}" for part, size in sizes.items())
        raise InputError(f"{len(labels):,} images are too few for {asked}; ask for fewer")
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(labels))
    ends = np.cumsum([sizes[part] for part in ORDER])
    return dict(zip(ORDER, np.split(order, ends)[:3], strict=True))


def bag_of_words(rows: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> np.ndarray:
    """(N, D) uint8, 1: the row has the word; words that are not in the vocabulary do not count.

    Args:
        rows: N rows of words, however often. vocabulary: D different words.
    """
    out = np.zeros((len(rows), len(vocabulary)), dtype=np.uint8)
    row, word = _flat(rows)
    column = pd.Index(vocabulary, dtype=str).get_indexer(word)
    out[row[column >= 0], column[column >= 0]] = 1
    return out


def rows_with(rows: Sequence[Sequence[str]]) -> pd.Series:
    """In how many rows each word is, word -> count, in the order of the first mention."""
    row, word = _flat(rows)
    once = pd.DataFrame({"row": row, "word": word}).drop_duplicates()
    return once["word"].value_counts(sort=False)


def related(query: np.ndarray, database: np.ndarray) -> float:
    """The share, in percent, of the pairs (query, image) that share a category.

    Args:
        query: (Q, C), true where one carries the category. database: (N, C), the same.

    Raises:
        InputError: there are no queries, no images that are none, or no pair shares a category.
    """
    if not len(query) or not len(database):
        raise InputError(
            f"{len(query):,} queries of the test and {len(database):,} other images leave nothing "
            "to score; give both splits some images"
        )
    database = database.astype(np.float32)
    hits = sum(
        int((query[start : start + 500].astype(np.float32) @ database.T > 0).sum())
        for start in range(0, len(query), 500)  # not all pairs in memory at once
    )
    if not hits:
        raise InputError(
            f"none of {len(query):,} queries of the test shares a category with any of "
            f"{len(database):,} other images; take categories that several images have"
        )
    return 100 * hits / (len(query) * len(database))


def _flat(rows: Sequence[Sequence[str]]) -> tuple[np.ndarray, pd.Series]:
    row = np.repeat(np.arange(len(rows)), [len(words) for words in rows])
    return row, pd.Series([word for words in rows for word in words], dtype=str)
