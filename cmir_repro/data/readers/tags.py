"""Pictures with tags and categories from text files.

The layouts of MIRFLICKR-25K and NUS-WIDE are made of four kinds of file, each with a reader here:
names (one a line), tags of one picture (one a line), numbers of the pictures of a category (one a
line), and matrices of 0 and 1 (a picture a line). The files are untrusted, and a damaged line is
refused by file and number, for the releases have some.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.core.progress import bar
from cmir_repro.data.readers.files import lines

CHUNK = 2**22  # bytes of a matrix read at a time, and the longest line; our choice
_BLANK, _DIGIT, _END, _OTHER = range(4)
_KIND = np.full(256, _OTHER, dtype=np.uint8)  # of each byte
_KIND[list(b" \t\r\v\f")] = _BLANK  # what bytes.split takes for blank
_KIND[list(b"01")], _KIND[ord("\n")] = _DIGIT, _END


class Tagged(NamedTuple):
    """N pictures with D tags and C categories, as read and not split yet.

    ids: N distinct names. paths: N paths without ending, relative to the folder of pictures.
    text: (N, ceil(D / 8)) uint8, a bit for each tag as np.packbits packs rows, since NUS-WIDE's
        190 MB are the less the better. labels: (N, C) bool.
    files: name -> sha256 of what was read. left_out: in words, and counted.
    sources, licence: what is known of them, for dataset.json.
    """

    ids: Sequence[str]
    paths: Sequence[str]
    text: np.ndarray
    labels: np.ndarray
    words: list[str]
    categories: list[str]
    files: dict[str, str]
    left_out: list[str]
    sources: list[str]
    licence: str


def names(path: Path, counted: bool = False) -> list[str]:
    """One name a line, all distinct; a blank line is none.

    Args:
        path: the file.
        counted: a number follows each name, after a blank.

    Raises:
        InputError: the file is missing or empty, or a line is damaged or there twice.
    """
    found = {}
    for number, line in enumerate(lines(path), start=1):
        name, *count = line.rsplit(maxsplit=1) if counted and line else [line]
        if not name or (counted and not (count and count[0].isdecimal())):
            expected = "a name and a number" if counted else "a name"
            raise InputError(f"{path}, line {number:,}: {line!r}, expected {expected}")
        if name in found:
            raise InputError(f"{path}, line {number:,}: {name!r} is in line {found[name]:,} too")
        found[name] = number
    if not found:
        raise InputError(f"{path} is empty; get it again")
    return list(found)


def tags(files: Sequence[Path], words: Sequence[str]) -> np.ndarray:
    """Which words each of N files lists, one tag a line; other tags do not matter.

    Returns:
        (N, D) uint8, 1: the file has the word.

    Raises:
        InputError: a file is missing, damaged, or no text in UTF-8.
    """
    place = {word: number for number, word in enumerate(words)}
    out = np.zeros((len(files), len(words)), dtype=np.uint8)
    for row, file in enumerate(bar(files, desc="tags", unit="file")):
        out[row, [place[tag] for tag in lines(file) if tag in place]] = 1
    return out


def members(path: Path) -> np.ndarray:
    """Numbers of pictures, from 1, one a line: (n,) int64.

    Raises:
        InputError: the file is missing, or a line holds something else.
    """
    found = lines(path)
    for number, line in enumerate(found, start=1):
        if not (line.isascii() and line.isdecimal() and 0 < int(line[:19]) < 2**31):
            raise InputError(
                f"{path}, line {number:,}: {line!r}, expected the number of a picture, from 1"
            )
    return np.array(found, dtype=np.int64)


def column(path: Path) -> np.ndarray:
    """A file of one 0 or 1 a line: (N,) bool.

    Raises:
        InputError: as `zeros_and_ones`.
    """
    return np.concatenate([*zeros_and_ones(path, 1), np.empty((0, 1), np.uint8)])[:, 0] == 1


def zeros_and_ones(path: Path, width: int, chunk: int = CHUNK) -> Iterator[np.ndarray]:
    """A matrix of 0 and 1, apart by blanks or tabs, a row a line, piece by piece.

    Args:
        path: the file. width: numbers in each line.
        chunk: bytes read at a time; memory is a few times that, whatever the file's size.

    Yields:
        (n, width) uint8, the next n rows.

    Raises:
        InputError: the file cannot be read, or a line holds anything else; it is named.
    """
    done, rest = 0, b""
    try:
        with Path(path).open("rb") as file:
            while True:
                read = file.read(chunk)
                block = rest + (read or b"\n" if rest else read)
                if not block:
                    return
                end = block.rfind(b"\n") + 1
                if not end and len(block) > chunk:
                    raise InputError(f"{path}, line {done + 1:,} has over {chunk:,} bytes")
                block, rest = block[:end], block[end:]
                if block:
                    rows = _parse(block, width)
                    if rows is None:
                        raise InputError(f"{path}, {_fault(block, width, done)}; get it again")
                    done += len(rows)
                    yield rows
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def rows_with_tags(
    path: Path, width: int, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Of a matrix of tags the wanted rows that have any; the others are never held.

    Args:
        path: as for `zeros_and_ones`. width: D.
        wanted: (N,) bool, of the N lines that the file must have.

    Returns:
        rows: (M,) int64, which ones. text: (M, ceil(D / 8)) uint8, packed as in `Tagged`.
        ones: how many the whole file has.

    Raises:
        InputError: as `zeros_and_ones`, or the file has another number of lines.
    """
    rows, text, done, ones = [], [np.empty((0, -(-width // 8)), np.uint8)], 0, 0
    with bar(total=len(wanted), desc="tags", unit="line") as shown:
        for block in zeros_and_ones(path, width):
            per_row = block.sum(1, dtype=np.int64)
            ones += int(per_row.sum())
            here = wanted[done : done + len(block)]
            kept = np.flatnonzero(here & (per_row[: len(here)] > 0))
            rows.append(done + kept)
            text.append(np.packbits(block[kept], axis=1))
            done += len(block)
            shown.update(len(block))
    if done != len(wanted):
        raise InputError(f"{path} has {done:,} lines, expected {len(wanted):,}; get it again")
    return np.concatenate(rows), np.concatenate(text), ones


def unpacked(text: np.ndarray, count: int) -> np.ndarray:
    """(N, count) uint8, 0 or 1, of what `Tagged.text` holds."""
    return np.unpackbits(text, axis=1, count=count)


def _parse(block: bytes, width: int) -> np.ndarray | None:
    """Whole lines as (n, width) uint8, or None where `_fault` finds something."""
    data = np.frombuffer(block, dtype=np.uint8)
    kind = _KIND[data]
    digit = kind == _DIGIT
    if (kind == _OTHER).any() or (digit[1:] & digit[:-1]).any():
        return None
    starts = np.concatenate([[0], np.flatnonzero(kind == _END)[:-1] + 1])
    if (np.add.reduceat(digit, starts, dtype=np.int64) != width).any():
        return None
    return (data[digit] - ord("0")).reshape(-1, width)


def _fault(block: bytes, width: int, before: int) -> str:
    """What is wrong with the first damaged line, `before` lines coming before the block."""
    for number, line in enumerate(block.split(b"\n"), start=before + 1):
        row = line.split()
        odd = next((field for field in row if field not in (b"0", b"1")), None)
        if odd is not None:
            return f"line {number:,}: {odd[:40].decode(errors='replace')!r}, expected 0 or 1"
        if len(row) != width:
            return f"line {number:,}: {len(row):,} numbers, expected {width:,}"
    raise AssertionError("no line is damaged")
