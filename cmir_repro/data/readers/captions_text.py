"""Images with captions from text files: Multi30K's lists, and any CSV with a column of texts."""

import gzip
from pathlib import Path

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import sha256
from cmir_repro.data.readers.captions_json import MOST, Captions, located, tables
from cmir_repro.data.readers.csv_table import read_csv

# Ours -> Multi30K's. Its splits of Flickr30K have the counts of Karpathy's.
MULTI30K_SPLITS = {"train": "train", "val": "val", "test": "test_2016"}
MAX_TEXT = 2**28  # bytes unpacked, our choice; a small gz can hold far more
UNSPLIT = ""  # split of images that are still to be split


def multi30k(root: Path, most: int | None = MOST) -> Captions:
    """Multi30K's English descriptions of Flickr30K (Elliott et al. 2016), five an image.

    Under the root lie image_splits/SPLIT_images.txt, one file name a line, and SPLIT.K.en.gz or
    raw/SPLIT.K.en.gz, K from 1 to 5, one sentence a line in the same order.

    Args:
        root: the folder.
        most: captions kept of an image, the first ones; None keeps all.

    Raises:
        InputError: a file is missing, damaged, or has another number of lines.
    """
    root, files, rows = Path(root), {}, []
    raw = "raw/" if (root / "raw").is_dir() else ""
    for split, released in MULTI30K_SPLITS.items():
        listed = f"image_splits/{released}_images.txt"
        names = lines(root / listed)
        files[listed] = sha256(root / listed)
        columns = []
        for number in range(1, 6):
            name = f"{raw}{released}.{number}.en.gz"
            columns.append(lines(root / name))
            files[name] = sha256(root / name)
            if len(columns[-1]) != len(names):
                raise InputError(
                    f"{root / name} has {len(columns[-1]):,} lines, {listed} {len(names):,}; "
                    "get them again"
                )
        for number, (name, *texts) in enumerate(zip(names, *columns, strict=True)):
            image, path = located(f"{listed}, line {number + 1}", name)
            rows.append((image, path, split, texts))
    return tables(str(root), rows, files, most)


def csv_column(csv: Path, id_column: str, text_column: str, suffix: str = "") -> Captions:
    """One sentence an image from a CSV; the images are not split yet (UNSPLIT).

    Args:
        csv: with a header line, in UTF-8.
        id_column, text_column: which columns hold the image and its sentence.
        suffix: added to the id for the picture's file name.

    Raises:
        InputError: the file or a column is missing, or an id is impossible or occurs twice.
    """
    csv = Path(csv)
    table = read_csv(csv)
    for column in (id_column, text_column):
        one_of(f"{csv}: column", column, table.columns)
    rows = []
    for number, (name, text) in enumerate(zip(table[id_column], table[text_column], strict=True)):
        image, path = located(f"{csv.name}, row {number + 1}", name + suffix)
        rows.append((image, path, UNSPLIT, [text]))
    return tables(csv.name, rows, {csv.name: sha256(csv)}, None)


def lines(path: Path) -> list[str]:
    """The lines of a text file, packed if it ends in .gz, without blanks around them.

    Raises:
        InputError: the file is missing, damaged, too large or not UTF-8.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            data = file.read(MAX_TEXT + 1)
        if len(data) > MAX_TEXT:
            raise ValueError(f"over {MAX_TEXT:,} bytes")
        # Only this sign ends a line: others that Unicode knows stand in captions.
        found = data.decode().split("\n")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, EOFError, ValueError, gzip.zlib.error) as error:
        raise InputError(f"{path} is no whole text file ({error}); get it again") from error
    if found[-1] == "":
        found.pop()
    return [line.strip() for line in found]
