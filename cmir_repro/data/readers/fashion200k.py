"""Fashion200k's text files as tables, and TIRG's sentences from its captions.

Under the root lie labels/CATEGORY_PART_detect_all.txt, with path, score and description of a
picture in each line and tabs between, and test_queries.txt, with the paths of source and target.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.data.words import plain

CATEGORIES = ("dress", "jacket", "pants", "skirt", "top")
PARTS = ("train", "test")
LABELS = {
    f"labels/{category}_{part}_detect_all.txt": (category, part)
    for part in PARTS
    for category in CATEGORIES
}
QUERIES = "test_queries.txt"


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
        file = Path(root) / name
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
    file = Path(root) / QUERIES
    test = lines.index[lines["split"] == "test"]
    row_of = dict(zip(lines.loc[test, "path"], test, strict=True))
    rows, unknown = [], []
    for number, line in enumerate(_lines(file), 1):
        fields = _two_paths(line, row_of)
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


def _two_paths(line: str, known: Mapping[str, int]) -> list[str]:
    """The fields of a line; where paths hold blanks, the two known ones that make it up."""
    fields = line.split()
    for cut in range(1, len(fields)) if len(fields) > 2 else ():
        two = [" ".join(fields[:cut]), " ".join(fields[cut:])]
        if all(path in known for path in two):
            return two
    return fields


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
    text = plain(text.replace("\r\n", "\n"))
    return text.rstrip("\n").split("\n") if text.strip() else []


def _parts(where: str, path: str) -> list[str]:
    parts = path.split("/")
    if (
        not 2 <= len(parts) <= 32
        or {"", ".", ".."} & set(parts)
        or re.search(r"[\\\x00-\x1f]", path)
    ):
        raise InputError(f"{where}: {path!r} is no picture in a folder below the root")
    return parts
