"""Fashion200k (Han et al. 2017) into the prepared layout, with the queries of TIRG.

    python data_scripts/fashion200k.py --root DIR [--size 224] [--removal word|substring]
    python data_scripts/fashion200k.py --archive women.tar.gz labels.zip [--root DIR]

DIR holds labels/{dress,jacket,pants,skirt,top}_{train,test}_detect_all.txt, the folder women/ of
the cropped pictures and test_queries.txt; fashion200k.md says how to get them. What is read lies
in data/fashion200k afterwards: 30 GB of pixels at 224, 10 GB at --size 128.

With --partial (you have some of the label files only) or --allow-missing (some pictures are
lost) the data set is called fashion200k-incomplete and lies in a folder of that name. Its
protocol is tirg/fashion200k all the same, for a ranking is scored in the same way; it is the data
that are others, and the name keeps their results out of the tables of the full set.
"""

import argparse
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cmir_repro import paths
from cmir_repro.data import pairs, prepared
from cmir_repro.data.archive import MAX_ARCHIVE, unpack
from cmir_repro.data.pixels import fill
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.resize import squares
from cmir_repro.errors import InputError, one_of
from cmir_repro.files import sha256

CATEGORIES = ("dress", "jacket", "pants", "skirt", "top")
PARTS = ("train", "test")
LABELS = {
    f"labels/{category}_{part}_detect_all.txt": (category, part)
    for part in PARTS
    for category in CATEGORIES
}
QUERIES = "test_queries.txt"
PROTOCOL = "tirg/fashion200k"
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


def released(
    root: Path,
    removal: str = "word",
    size: int = 224,
    allow_missing: bool = False,
    partial: bool = False,
    progress: bool = True,
) -> Prepared:
    """Check the released files and write them to the prepared layout, or open what lies there.

    Args:
        root: folder with `labels`, `women` and test_queries.txt.
        removal: how training pairs are found, "word" or "substring": see data.pairs.
        size: side of the square that pictures are resized to, in pixels.
        allow_missing: leave out pictures that are not there, and the queries that need them.
        partial: accept label files that are not all there or say something else than released.
        progress: show bars.

    Raises:
        InputError: a file is missing or damaged, leads out of `root` or differs from the release,
            other files or arguments were prepared there before, or the disk is full.
    """
    one_of("--removal", removal, pairs.REMOVALS)
    if not 16 <= size <= 1024:
        raise InputError(f"--size {size} is out of range; 16 to 1024 pixels")
    root = Path(root)
    lines = read_labels(root, partial)
    queries = read_queries(root, lines, partial)
    audit = audit_raw(lines, queries)
    differing = [
        f"{found:,} {fact} instead of {RELEASED[fact]:,}"
        for fact, found in audit.items()
        if RELEASED.get(fact, found) != found
    ]
    if differing and not partial:
        raise InputError(
            f"{root} is not the released set: {'; '.join(differing)}; get the files again, or "
            "give --partial if some is all you have"
        )
    states = _states(root, lines["path"])
    lost = np.array([state is None for state in states])
    _check_missing(root, lines, queries, lost, allow_missing)

    name = "fashion200k-incomplete" if differing or lost.any() else "fashion200k"
    target = paths.data() / name
    provenance = {
        "kind": "released",
        "files": _digests(root),
        "missing pictures": int(lost.sum()),
        "removal": removal,
        "size": size,
        "val_fraction": VAL_FRACTION,
        "val_queries": VAL_QUERIES,
        "seed": SEED,
    }
    if (target / "dataset.json").exists():
        return _same(target, provenance)

    blank = (lines["caption"] == "") & (lines["split"] == "train")
    images, kept = _images(lines, ~(lost | blank))
    test = _test_queries(lines, queries, lost)
    val = _val_queries(images, removal)
    table = pd.concat([val, test], ignore_index=True)
    prepared.check_tables(images, table, name)  # before hours of reading pictures
    for part in PARTS:
        rows = kept[images["part"] == part]
        files = [root / path for path in lines["path"].to_numpy()[rows]]
        # A picture exchanged between two tries must not be taken for the one already read.
        seen = [(lines["path"][row], states[row]) for row in rows]
        key = hashlib.sha256(str(seen).encode()).hexdigest()
        _draw(target / f"pixels-photo-{part}.npy", files, size, key, progress)
    info = {
        "name": name,
        "provenance": provenance,
        "sources": SOURCES,
        "licence": "not stated by the source",
        "protocol": PROTOCOL,
        "tasks": {"photo": ["photo", "photo"]},
        "training_pairs": _rule(removal),
        "left_out": _left_out(root, lines, queries, test, lost, blank),
        "coverage": _coverage(lines, lost, queries, test),
        "audit": _rows({**audit, **_audit_val(images, val)}),
    }
    prepared.write(target, info, images, table)
    return Prepared(target)


def read_labels(root: Path, partial: bool = False) -> pd.DataFrame:
    """The lines of the label files, train before test: each is an image, as in google/tirg.

    Returns:
        Columns image (id), path, product (folder of the picture), category, split, caption, more
        (the line has more fields than are read). A path listed again gets an id with a number,
        `path#2`: nothing is lost, and the counts are those of the reference.

    Raises:
        InputError: a label file is missing and not `partial`, or a line is damaged.
    """
    rows = []
    for name, kind in LABELS.items():
        file = root / name
        if partial and not file.exists():
            continue
        for number, line in enumerate(_lines(file), 1):
            path, *rest = line.split("\t")
            where = f"{file}, line {number}"
            if len(rest) < 2:
                raise InputError(
                    f"{where}: {len(rest) + 1} fields, expected path, score and description with "
                    "tabs between; get the file again"
                )
            product = _parts(where, path)[-2]
            rows.append((path, product, *kind, caption(rest[1]), len(rest) > 2))
    columns = ["path", "product", "category", "split", "caption", "more"]
    table = pd.DataFrame(rows, columns=columns)
    for split in PARTS:
        if not (table["split"] == split).any():
            raise InputError(f"{root / 'labels'} has no line for {split}; get a label file of it")
    again = table.groupby("path").cumcount()
    table["image"] = table["path"].where(again == 0, table["path"] + "#" + (again + 1).astype(str))
    return table


def read_queries(root: Path, lines: pd.DataFrame, partial: bool = False) -> pd.DataFrame:
    """The lines of test_queries.txt.

    Returns:
        Columns source, target: rows of `lines`, -1 for an image that no label file of test has.
        Of a path listed several times it is the last, as in google/tirg.

    Raises:
        InputError: the file is missing, a line is damaged, or names an unknown image and not
            `partial`.
    """
    file = root / QUERIES
    test = lines.index[lines["split"] == "test"]
    row_of = dict(zip(lines.loc[test, "path"], test, strict=True))
    rows, unknown = [], []
    for number, line in enumerate(_lines(file), 1):
        fields = line.split()
        if len(fields) != 2:
            raise InputError(
                f"{file}, line {number}: {len(fields)} fields, expected the paths of source and "
                "target; get the file again"
            )
        unknown += [(number, path) for path in fields if path not in row_of][:1]
        rows.append([row_of.get(path, -1) for path in fields])
    if unknown and not partial:
        number, path = unknown[0]
        raise InputError(
            f"{file}, line {number}: {path!r} is in no label file of test; {len(unknown):,} of "
            f"the {len(rows):,} queries name such an image; get the files again or give --partial"
        )
    return pd.DataFrame(rows, columns=["source", "target"], dtype=np.int64)


def caption(description: str) -> str:
    """A description as the reference writes it: marks that cut words become words."""
    marks = {".": "dotmark", "?": "questionmark", "&": "andmark", "*": "starmark"}
    return description.strip().translate(str.maketrans(marks))


def difference(source: str, target: str) -> tuple[str, bool]:
    """The sentence of a test query, by the rule of google/tirg.

    "replace X with Y": X is the first word of the source's caption that the target's lacks, Y
    the first of the target's that the source's lacks. Where one has no such word, its last word
    stands there (the reference's behaviour, kept so that every query stays in the test).

    Returns:
        The sentence, and whether both words were found.
    """
    a, b = source.split(), target.split()
    x = [word for word in a if word not in b]
    y = [word for word in b if word not in a]
    return f"replace {(x or a[-1:])[0]} with {(y or b[-1:])[0]}", bool(x and y)


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
        return len(pairs.build(_rule(removal), images).sources)
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


def _lines(file: Path) -> list[str]:
    """The lines of a text file; spaces at their ends are kept, empty lines at its end are not."""
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "; give --partial if you have some categories only" if "detect" in file.name else ""
        raise InputError(f"{file} cannot be read ({error.strerror}); get it{hint}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{file}, line {line}: not UTF-8; get the file again") from error
    # Not splitlines: it also cuts at characters that may stand in a description.
    return text.replace("\r\n", "\n").rstrip("\n").split("\n") if text.strip() else []


def _parts(where: str, path: str) -> list[str]:
    parts = path.split("/")
    if (
        not 2 <= len(parts) <= 32
        or {"", ".", ".."} & set(parts)
        or re.search(r"[\\\x00-\x1f]", path)
    ):
        raise InputError(f"{where}: {path!r} is no picture in a folder below the root")
    return parts


def _states(root: Path, files: Sequence[str]) -> list[tuple[int, int] | None]:
    """Size and time of each picture, None where there is none.

    Raises:
        InputError: a link leads out of the root.
    """
    base = os.path.realpath(root)

    @functools.cache
    def real(path: str) -> str:
        """os.path.realpath, which would look at each folder again for each of its pictures."""
        if path == base:
            return base
        folder, name = os.path.split(path)
        path = os.path.join(real(folder), name)
        return os.path.realpath(path) if os.path.islink(path) else path

    states = []
    for name in files:
        path = real(os.path.join(base, name))
        if not path.startswith(base + os.sep):
            raise InputError(f"{root / name} leads out of {root}; put the files themselves there")
        try:
            found = os.stat(path)
        except OSError:
            states.append(None)
            continue
        regular = stat.S_ISREG(found.st_mode)
        states.append((found.st_size, found.st_mtime_ns) if regular else None)
    return states


def _check_missing(
    root: Path, lines: pd.DataFrame, queries: pd.DataFrame, lost: np.ndarray, allowed: bool
) -> None:
    counts = []
    for part in PARTS:
        here = (lines["split"] == part).to_numpy()
        missing = (here & lost).sum()
        if missing == here.sum():
            raise InputError(
                f"{root}: none of the {missing:,} pictures of {part} is there; unpack women.tar.gz "
                "into that folder"
            )
        if missing:
            counts.append(f"{missing:,} of the {here.sum():,} images of {part}")
    if counts and not allowed:
        needed = _of_any(lost, queries).sum()
        raise InputError(
            f"{root / lines['path'][lost.argmax()]} is missing; so are {' and '.join(counts)}, "
            f"which {needed:,} of the {len(queries):,} test queries need; get them again, or leave "
            "them out with --allow-missing"
        )


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
        index = pairs.build(_rule(removal), held_out)
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


def _draw(path: Path, files: list[Path], size: int, key: str, progress: bool) -> None:
    def draw(rows: slice) -> np.ndarray:
        return squares(files[rows], size)

    title = f"{path.stem} ({len(files) * size * size * 3 / 1e9:.1f} GB)" if progress else None
    fill(path, (len(files), size, size, 3), draw, key, title)


def _digests(root: Path) -> dict[str, str]:
    return {name: sha256(root / name) for name in (*LABELS, QUERIES) if (root / name).exists()}


def _same(target: Path, wanted: dict) -> Prepared:
    """Open what was prepared before, if it is what is wanted now."""
    found = Prepared(target)
    for key, value in wanted.items():
        is_now = found.info["provenance"].get(key)
        if is_now != value:
            what = "other files" if key == "files" else f"{key} {is_now!r}, now {value!r}"
            raise InputError(
                f"{paths.shown(target)} was prepared from {what}; delete its dataset.json first "
                "(pixels that stay the same are kept)"
            )
    return found


def unpack_into(archives: Sequence[Path], root: Path) -> None:
    """Unpack archives into one folder; each gives all that it holds or nothing.

    Raises:
        InputError: as `unpack`, or the folder has a file or folder of that name already.
    """
    for archive in archives:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=root) as temporary:
            content = Path(temporary) / "content"
            if archive.is_file() and tarfile.is_tarfile(archive):
                _untar(archive, content)
            else:
                unpack(archive, content)
            for child in sorted(content.iterdir()):
                if (root / child.name).exists():
                    raise InputError(
                        f"{root / child.name} exists, {archive} holds it again; leave out one"
                    )
            for child in content.iterdir():
                child.rename(root / child.name)


def _untar(archive: Path, folder: Path) -> None:
    """As `unpack`, for a tar file, compressed or not; after an error part may be in `folder`."""
    total = 0
    try:
        with tarfile.open(archive) as file:
            for entry in file:
                total += entry.size
                if not (entry.isfile() or entry.isdir()):
                    raise InputError(f"{archive}: the entry {entry.name!r} is a link or a device")
                if entry.name.startswith("/") or ".." in PurePosixPath(entry.name).parts:
                    raise InputError(f"{archive}: the entry {entry.name!r} lies outside the folder")
                if total > MAX_ARCHIVE:
                    raise InputError(f"{archive} unpacks to more than {MAX_ARCHIVE:,} bytes")
                path = folder / entry.name
                (path if entry.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
                if entry.isfile():
                    with path.open("xb") as out:
                        shutil.copyfileobj(file.extractfile(entry), out, 2**20)
    except InputError:
        raise
    except Exception as error:  # tarfile and the packers raise many kinds for a damaged file
        raise InputError(f"cannot unpack {archive} ({error}); get it again") from error


def shown_audit(info: dict) -> str:
    """The audit of dataset.json as a table."""
    table = pd.DataFrame(info["audit"])
    known = {None: "unknown", **{n: f"{n:,}" for n in RELEASED.values()}}
    table["released"] = [known[row["released"]] for row in info["audit"]]
    return table.to_string(index=False)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder of the released files")
    parser.add_argument(
        "--archive", type=Path, nargs="+", default=[], help="zip or tar files, unpacked into it"
    )
    parser.add_argument("--removal", choices=pairs.REMOVALS, default="word", help="training pairs")
    parser.add_argument("--size", type=int, default=224, help="side of the pictures in pixels")
    parser.add_argument("--allow-missing", action="store_true", help="leave out missing pictures")
    parser.add_argument("--partial", action="store_true", help="accept other counts than released")
    given = parser.parse_args(arguments)
    if not given.root and not given.archive:
        parser.error("give --root, --archive or both")
    root = given.root or paths.data() / "raw" / "fashion200k"
    try:
        unpack_into(given.archive, root)
        data = released(root, given.removal, given.size, given.allow_missing, given.partial)
    except InputError as error:
        sys.exit(f"fashion200k.py: {error}")
    print(f"{data.info['name']} (released) in {paths.shown(data.folder)}")
    print(data.counts().to_string(), shown_audit(data.info), *data.info["left_out"], sep="\n")


if __name__ == "__main__":
    main()
