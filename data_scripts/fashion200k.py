"""Fashion200k (Han et al. 2017) into the prepared layout, with the queries of TIRG."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer

from cmir_repro.core.errors import InputError, naming, one_of
from cmir_repro.core.files import sha256
from cmir_repro.core.protocol import incomplete
from cmir_repro.data import training_pairs
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.archive import unpacked
from cmir_repro.data.prepare.image_features import ImageFeatures
from cmir_repro.data.prepare.missing import damage
from cmir_repro.data.prepare.on_disk import on_disk
from cmir_repro.data.prepare.pictures import VIEW, draw_pictures, states
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.fashion200k import (
    LABELS,
    PARTS,
    QUERIES,
    difference,
    read_labels,
    read_queries,
)
from data_scripts import options

NAME, PROTOCOL = "fashion200k", "tirg/fashion200k"
SEED = 0
VAL_FRACTION = 0.1  # of the train products; our choice, the original selects on test
VAL_QUERIES = 5000  # at most, our choice
SOURCES = [
    "https://github.com/xthan/fashion-200k (labels, women.tar.gz: cropped pictures)",
    "https://storage.googleapis.com/image_retrieval_css/test_queries.txt",
]
# What the reference reads from the released files, as its run log in a third-party loader says.
RELEASED = {
    "train images": 172_049,
    "distinct train captions": 53_099,
    "train images with a sibling, substring removal": 106_464,
    "test images": 29_789,
    "test queries": 33_480,
}


def _protocol(differing: list[str], lost: np.ndarray) -> str:
    lacks = [f"{lost.sum():,} pictures missing"] if lost.any() else []
    lacks += ["label files not those of the release"] if differing else []
    return incomplete(PROTOCOL, " and ".join(lacks)) if lacks else PROTOCOL


def audit_raw(lines: pd.DataFrame, queries: pd.DataFrame) -> dict[str, int]:
    """What the raw files hold, before anything is left out."""
    train, test = (lines[lines["split"] == part] for part in PARTS)
    known = queries[(queries >= 0).all(axis=1)]
    ends = zip(*(lines["caption"].to_numpy()[known[end]] for end in known), strict=True)
    return {
        "train images": len(train),
        "distinct train captions": train["caption"].nunique(),
        "train images with a sibling, substring removal": _with_sibling(train, "substring"),
        "train images with a sibling, whole words": _with_sibling(train, "word"),
        "test images": len(test),
        "distinct test captions": test["caption"].nunique(),
        "test queries": len(queries),
        "test queries with a caption that has no word of its own": sum(
            not difference(*both)[1] for both in ends if all(both)
        ),
        "empty train captions": int((train["caption"] == "").sum()),
        "empty test captions": int((test["caption"] == "").sum()),
        "lines that list a path again": int(lines["path"].duplicated().sum()),
        "pictures in train and test": len(set(train["path"]) & set(test["path"])),
        "products in train and test": len(set(train["product"]) & set(test["product"])),
        "captions in train and test": len(set(train["caption"]) & set(test["caption"])),
        "test images with a caption of train": int(test["caption"].isin(train["caption"]).sum()),
    }


def _rule(removal: str) -> dict:
    return {"rule": "siblings", "column": "caption", "removal": removal}


def _with_sibling(images: pd.DataFrame, removal: str) -> int:
    images = images[images["caption"] != ""]
    try:
        return len(training_pairs.build(_rule(removal), images).sources)
    except InputError:  # none has
        return 0


def _audit_val(images: pd.DataFrame, val: pd.DataFrame) -> dict[str, int]:
    train, held_out = (images[images["split"] == split] for split in ("train", "val"))
    return {
        "train images after validation was held out": len(train),
        "validation images": len(held_out),
        "validation queries": len(val),
        "products in train and validation": len(set(train["product"]) & set(held_out["product"])),
        "captions in train and validation": len(set(train["caption"]) & set(held_out["caption"])),
    }


def _costs(lines: pd.DataFrame, queries: pd.DataFrame, lost: np.ndarray) -> str:
    """In words what the lost pictures are, and how many test queries need them."""
    counts = [
        f"{(here & lost).sum():,} of the {here.sum():,} images of {part}"
        for part in PARTS
        for here in [(lines["split"] == part).to_numpy()]
        if (here & lost).any()
    ]
    needed = _of_any(lost, queries).sum()
    return f"{' and '.join(counts)}, which {needed:,} of the {len(queries):,} test queries need"


def _check_missing(
    root: Path, lines: pd.DataFrame, queries: pd.DataFrame, lost: np.ndarray, allowed: bool
) -> None:
    for part in PARTS:
        here = (lines["split"] == part).to_numpy()
        if lost[here].all():
            raise InputError(
                f"{root}: none of the {here.sum():,} pictures of {part} is there; unpack "
                "women.tar.gz into that folder"
            )
    if lost.any() and not allowed:
        raise InputError(
            f"{root / lines['path'][lost.argmax()]} is missing; so are "
            f"{_costs(lines, queries, lost)}; get them again, or leave them out with "
            "--allow-missing"
        )


def _lost(
    root: Path, lines: pd.DataFrame, queries: pd.DataFrame, allow_missing: bool
) -> np.ndarray:
    """(N,) bool: the pictures that are missing or, where that is allowed, damaged."""
    lost = np.array([state is None for state in states(root, lines["path"])])
    if allow_missing:  # else drawing them finds and lists the damaged ones
        there = np.flatnonzero(~lost)
        lost[there] = (
            damage([on_disk(root / path) for path in lines["path"].to_numpy()[there]]) != ""
        )
    _check_missing(root, lines, queries, lost, allow_missing)
    return lost


def _of_any(mask: np.ndarray, queries: pd.DataFrame) -> np.ndarray:
    """(Q,) bool: an end of the query is known and in `mask` (rows of the lines)."""
    rows = queries.to_numpy()
    return (mask[rows] & (rows >= 0)).any(axis=1)


def _images(lines: pd.DataFrame, keep: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The image table, validation held out, and the row of `lines` of each of its rows."""
    kept = np.flatnonzero(keep)
    lines = lines.loc[kept].reset_index(drop=True)
    train = lines["split"] == "train"
    products = np.sort(lines.loc[train, "product"].unique())
    rng = np.random.Generator(np.random.Philox(key=SEED))
    number = max(1, round(VAL_FRACTION * len(products)))
    moved = train & lines["product"].isin(rng.choice(products, number, replace=False))
    images = pd.DataFrame(
        {
            "image": lines["image"],
            "split": lines["split"].mask(moved, "val"),
            "part": lines["split"],
            "row": lines.groupby("split").cumcount(),
            "label": lines["caption"],
            "caption": lines["caption"],
            "category": lines["category"],
            "product": lines["product"],
        }
    )
    return images, kept


def _test_queries(lines: pd.DataFrame, queries: pd.DataFrame, lost: np.ndarray) -> pd.DataFrame:
    """The test queries whose images are there and have captions; numbers are those of the file."""
    blank = (lines["caption"] == "").to_numpy()
    usable = queries[(queries >= 0).all(axis=1) & ~_of_any(lost | blank, queries)]
    captions, ids = (lines[column].to_numpy() for column in ("caption", "image"))
    source, target = usable["source"].to_numpy(), usable["target"].to_numpy()
    return pd.DataFrame(
        {
            "query": [f"fashion200k_test_{number:05d}" for number in usable.index],
            "split": "test",
            "source": ids[source],
            "target": ids[target],
            "text": [
                difference(*both)[0]
                for both in zip(captions[source], captions[target], strict=True)
            ],
        }
    )


def _val_queries(images: pd.DataFrame, removal: str) -> pd.DataFrame:
    """One query each for up to VAL_QUERIES of the held-out images that have a sibling there."""
    held_out = images[images["split"] == "val"].reset_index(drop=True)
    try:
        index = training_pairs.build(_rule(removal), held_out)
    except InputError as error:
        raise InputError(
            f"no validation query can be made: {error}; the {len(held_out):,} images held out are "
            "too few, more label files are needed"
        ) from error
    rng = np.random.Generator(np.random.Philox(key=SEED + 1))
    sources = np.sort(rng.permutation(index.sources)[:VAL_QUERIES])
    drawn = index.draw_from(sources, rng)
    ids = held_out["image"].to_numpy()
    return pd.DataFrame(
        {
            "query": [f"fashion200k_val_{number:05d}" for number in range(len(sources))],
            "split": "val",
            "source": ids[drawn.source],
            "target": ids[drawn.target],
            "text": drawn.texts,
        }
    )


def _left_out(
    root: Path,
    lines: pd.DataFrame,
    queries: pd.DataFrame,
    test: pd.DataFrame,
    lost: np.ndarray,
    blank: pd.Series,
) -> list[str]:
    absent = [name for name in LABELS if not (root / name).exists()]
    found = sorted(f"labels/{file.name}" for file in (root / "labels").iterdir())
    other = [name for name in found if name not in LABELS]
    captions = (lines["caption"] == "").to_numpy()
    return [
        "detection scores: no protocol uses them",
        f"label files that are not there: {', '.join(absent) or 'none'}",
        f"other files in labels, not read: {', '.join(other) or 'none'}",
        f"lines with more than three fields, of which the rest is not read: {lines['more'].sum()}",
        f"train images without a caption, which no pair can use: {(blank & ~lost).sum()}",
        f"images without a picture: {lost.sum()}",
        f"test queries left out: {len(queries) - len(test)}, of these "
        f"{(queries < 0).any(axis=1).sum()} name an image that no label file lists, "
        f"{_of_any(lost, queries).sum()} need a missing picture, "
        f"{_of_any(captions, queries).sum()} have an empty caption",
    ]


def _coverage(
    lines: pd.DataFrame, lost: np.ndarray, queries: pd.DataFrame, test: pd.DataFrame
) -> dict:
    """What is there of what the files list and of what was released."""
    out = {}
    for part in PARTS:
        here = (lines["split"] == part).to_numpy()
        counts = {"here": int((here & ~lost).sum()), "listed": int(here.sum())}
        out[f"{part} images"] = {**counts, "released": RELEASED[f"{part} images"]}
    counts = {"here": len(test), "listed": len(queries)}
    out["test queries"] = {**counts, "released": RELEASED["test queries"]}
    return out


def _rows(audit: dict[str, int]) -> list[dict]:
    """The audit with the released counts beside it, None where they are unknown."""
    return [
        {"fact": fact, "found": found, "released": RELEASED.get(fact)}
        for fact, found in audit.items()
    ]


def _digests(root: Path) -> dict[str, str]:
    return {name: sha256(root / name) for name in (*LABELS, QUERIES) if (root / name).exists()}


def prepare(
    *,
    root: options.Root = None,
    archive: options.Archives = None,
    image_features: options.ImageFeatures = None,
    removal: Annotated[
        Literal[tuple(training_pairs.REMOVALS)], typer.Option(help="how training pairs are found")
    ] = "word",
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """Fashion200k (Han et al. 2017) with the queries of TIRG.

    FOLDER holds labels/{dress,jacket,pants,skirt,top}_{train,test}_detect_all.txt,
    test_queries.txt and, but with --image-features, the folder women/ of the cropped pictures.
    What is read lies in data/fashion200k afterwards: 30 GB of pixels at 224, 10 GB at --size 128.
    Where something is missing (--partial, --allow-missing) the protocol's name says so, which
    keeps the results out of the tables of the full set.
    """
    one_of("--removal", removal, training_pairs.REMOVALS)
    if not 16 <= size <= 1024:
        raise InputError(f"--size {size} is out of range; 16 to 1024 pixels")
    root = unpacked(root, archive, NAME)
    lines = read_labels(root, partial)
    queries = read_queries(root, lines, partial)
    audit = audit_raw(lines, queries)
    differing = [
        f"{count:,} {fact} instead of {RELEASED[fact]:,}"
        for fact, count in audit.items()
        if RELEASED.get(fact, count) != count
    ]
    if differing and not partial:
        raise InputError(
            f"{root} is not the released set: {'; '.join(differing)}; get the files again, or "
            "give --partial if some is all you have"
        )
    features = ImageFeatures(image_features) if image_features else None
    if features is None:
        lost = _lost(root, lines, queries, allow_missing)
    else:
        rows = features.present(
            [lines["image"], lines["path"]],
            lambda here: [_costs(lines, queries, ~here)],
            allow_missing,
        )
        lost = rows < 0

    provenance = {
        "kind": "released",
        "files": _digests(root),
        "missing pictures": int(lost.sum()),
        "removal": removal,
        **(features.told() if features else {"size": size}),
        "val_fraction": VAL_FRACTION,
        "val_queries": VAL_QUERIES,
        "seed": SEED,
    }

    def make() -> Content:
        blank = (lines["caption"] == "") & (lines["split"] == "train")
        images, kept = _images(lines, ~(lost | blank))
        test = _test_queries(lines, queries, lost)
        with naming(root):
            val = _val_queries(images, removal)

        def draw(target: Path) -> dict[str, int] | None:
            if features is not None:
                return features.draw(target, images, rows[kept])
            files = [on_disk(root / path) for path in lines["path"].to_numpy()[kept]]
            return draw_pictures(target, images, files, size)

        info = {
            "sources": SOURCES,
            "licence": "not stated by the source",
            "protocol": _protocol(differing, lost),
            "tasks": {VIEW: [VIEW, VIEW]},
            "training_pairs": _rule(removal),
            "left_out": _left_out(root, lines, queries, test, lost, blank),
            "coverage": _coverage(lines, lost, queries, test),
            "audit": _rows({**audit, **_audit_val(images, val)}),
        }
        return Content(
            images,
            pd.concat([val, test], ignore_index=True),
            info,
            draw=draw,
        )

    return checks.tell(writer.prepare(NAME, provenance, make))


if __name__ == "__main__":
    options.as_command(__file__)
