"""Files from elsewhere, which are not trusted: lines of text, CSV, JSON, and names of pictures."""

import codecs
import csv
import gzip
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import parse_json
from cmir_repro.data.prepared import SPLITS
from cmir_repro.data.words import plain

# Bytes of a text, lines of it, and bytes that a packed one unpacks to, besides so many for each of
# its own: our choice, so that a small gz of zeros or line ends does not fill the memory.
MAX_TEXT, MAX_LINES, MAX_UNPACKED, TIMES = 2**28, 5_000_000, 2**26, 20
SEPARATORS = (",", ";", "\t", "|")  # of CSV files
# Other names of splits, ours.
SPLIT_NAMES = {
    "training": "train",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "testing": "test",
}
MAX_COLUMNS = 10_000  # of CSV files, our choice
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")  # of pictures
ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a picture in FashionIQ and CIRR


def read_csv(file: Path, columns: Iterable[str] = (), separator: str | None = None) -> pd.DataFrame:
    """The CSV as strings without blanks around them; nothing is taken for a number or a gap.

    Lines without anything are passed over, a row that is too short ends in empty fields, and a
    column without a name is called "column K". Where fields go over several lines, the counts of
    rows and lines are printed, for a lost quote does that too.

    Args:
        file: in UTF-8, with a header line.
        columns: that must be there.
        separator: one of SEPARATORS; None: the one that most splits the header line.

    Raises:
        InputError: the file is missing, not UTF-8, or empty; a field is too long; a quote is not
            closed or swallows rows; a row has too many fields; a column is missing or there twice.
    """
    file = Path(file)
    text = _text_of(file, "no readable CSV file in UTF-8")
    separator = _separator(file, text, separator)
    rows, starts, last = [], [], 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                rows.append([plain(field).strip() for field in row])
                starts.append(last + 1)
            last = reader.line_num
    except csv.Error as error:
        if "field limit" in str(error):
            raise InputError(
                f"{file}, line {last + 1}: a field has more than {csv.field_size_limit():,} "
                "characters; close its quote, or shorten the text"
            ) from error
        raise InputError(
            f"{file}, line {last + 1}: is no readable CSV from here on ({error}); correct the "
            "quotes, or double those that belong to a text"
        ) from error
    if rows and rows[0] == ["sep=", ""]:  # spreadsheets write their separator there
        del rows[0], starts[0]
    if not rows:
        raise InputError(f"{file} is no readable CSV file in UTF-8 (it is empty)")
    header = _header(file, rows[0])
    for row, start in zip(rows, starts, strict=True):
        if len(row) > len(header):
            raise InputError(
                f"{file}, line {start}: rows have more fields than the first line, {len(row)} "
                f"against {len(header)}; quote fields that hold {separator!r}"
            )
    if len(rows) == 1:
        raise InputError(f"{file} has no rows")
    if (
        len(rows) * len(header) > len(text) + 2**20
    ):  # rows that are whole have a sign for each field
        raise InputError(
            f"{file}: most of {len(rows) - 1:,} rows have far fewer fields than the first line, "
            f"{len(header):,}; is {separator!r} the separator?"
        )
    _refuse_swallowed(file, rows, starts, separator)
    body = [row + [""] * (len(header) - len(row)) for row in rows[1:]]
    table = pd.DataFrame(body, columns=header, dtype=str)
    need_columns(file, table, columns)
    return table


def need_columns(file: Path, table: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a table that lacks one of the columns."""
    for column in columns:
        one_of(f"{file}: column", column, table.columns)


def check_numbers(file: Path, table: pd.DataFrame) -> None:
    """Refuse columns whose values would be compared as texts and hold one number in two spellings.

    Tables write whole numbers with .0 once a value of the column was absent.

    Raises:
        InputError: a column has say 1 and 1.0.
    """
    for column in table:
        values = pd.Series(table[column].dropna().unique(), dtype=str)
        decimal = values[values.str.fullmatch(r"-?\d+\.0+")]
        both = decimal[decimal.str.replace(r"\.0+", "", regex=True).isin(values)]
        if len(both):
            raise InputError(
                f"{file}: column {column!r} has {both.iloc[0].partition('.')[0]!r} and "
                f"{both.iloc[0]!r}, which are one number; write each number one way"
            )


def own_splits(
    file: Path, table: pd.DataFrame, used: Iterable[str | None] = ()
) -> pd.Series | None:
    """The split of each row, as the user's column `split` says; None where there is no such column.

    Small letters and capitals are one, also in the column's name, and so are the names of
    SPLIT_NAMES.

    Args:
        used: columns that mean something else.

    Raises:
        InputError: a value is no split, or several columns are called so.
    """
    columns = [name for name in table if name.lower() == "split" and name not in [*used]]
    if not columns:
        return None
    if len(columns) > 1:
        raise InputError(f"{file} has the columns {' and '.join(columns)}; keep one of them")
    found = table[columns[0]].str.lower().replace(SPLIT_NAMES)
    for number, split in enumerate(found, start=1):
        one_of(f"{file}, row {number}: split", split, SPLITS)
    return found


def _separator(file: Path, text: str, given: str | None) -> str:
    if given is not None:
        names = dict(zip(("comma", "semicolon", "tab", "bar"), SEPARATORS, strict=True))
        given = {**names, "\\t": "\t"}.get(given, given)
        if given not in SEPARATORS:
            one_of("--separator", given, names)  # a tab cannot be seen
        return given
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    first = re.sub(r'"[^"]*"', "", first)
    counts = {sign: first.count(sign) for sign in SEPARATORS}
    most = [sign for sign in SEPARATORS if counts[sign] == max(counts.values()) > 0]
    if len(most) > 1:
        raise InputError(
            f"{file}: the first line has as many {' as '.join(map(repr, most))}; say with "
            "--separator which of them stands between the columns"
        )
    return most[0] if most else SEPARATORS[0]


def _header(file: Path, row: list[str]) -> list[str]:
    if len(row) > MAX_COLUMNS:
        raise InputError(f"{file} has {len(row):,} columns; at most {MAX_COLUMNS:,} are read")
    names = [name or f"column {number}" for number, name in enumerate(row, start=1)]
    if len(set(names)) < len(names):
        twice = pd.Series(names)[pd.Series(names).duplicated()].iloc[0]
        raise InputError(
            f"{file}: the first line has the column {twice!r} {names.count(twice)} times; rename "
            "all but one"
        )
    return names


def _refuse_swallowed(file: Path, rows: list[list[str]], starts: list[int], separator: str) -> None:
    """Refuse fields of several lines of which one looks like a row: a quote was lost there.

    A line looks like a row if it has as many fields and, in each column where no row has a blank,
    a value of the shape (letters, digits, signs) that another row has there.
    """
    over = [k for k, row in enumerate(rows) if any("\n" in field for field in row)]
    over = [k for k in over if k]
    if not over:
        return
    several = set(over)
    single = [row for k, row in enumerate(rows) if k and k not in several]
    wide = len(rows[0])
    shapes = []
    for column in range(wide):
        values = [row[column] for row in single if len(row) == wide]
        named = values and all(value and not re.search(r"\s", value) for value in values)
        shapes.append({_shape(value) for value in values} if named else None)
    for k in over:
        for field in rows[k]:
            for number, line in enumerate(field.split("\n")[1:], start=1):
                cells = [cell.strip() for cell in line.split(separator)]
                if (
                    len(cells) == wide
                    and any(shapes)
                    and all(
                        known is None or _shape(cell) in known
                        for cell, known in zip(cells, shapes, strict=True)
                    )
                ):
                    raise InputError(
                        f"{file}, line {starts[k]}: a quote that opens here swallows line "
                        f"{starts[k] + number}, which looks like a row; close it, or double it"
                    )
    print(
        f"{file.name}: {len(rows) - 1:,} rows, of which {len(over):,} go over several lines, "
        f"first on line {starts[over[0]]:,}"
    )


def _shape(value: str) -> str:
    """p0012.jpg -> a0.a"""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", value))


def _text_of(path: Path, kind: str, where: str = "") -> str:
    """A file's text, without a byte order mark; `kind` says what it is not."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        place = f"{path} does not exist" + (where and f"; {where}")
        raise InputError(place) from error
    except OSError as error:
        raise InputError(f"{path} is {kind} ({error.strerror})") from error
    return decoded(path, data, kind)


def decoded(path: Path, data: bytes, kind: str) -> str:
    """Bytes in UTF-8 as text, without a byte order mark.

    Raises:
        InputError: they are in another encoding, which is named where it can be told.
    """
    way = "save it in UTF-8"
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if wide or b"\0" in data[:1000]:
        raise InputError(f"{path} is {kind} (it looks like UTF-16, not UTF-8); {way}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is {kind} (byte 0x{data[error.start]:02x} on line {line} is not UTF-8, "
            f"perhaps Windows-1252 or Latin-1); {way}"
        ) from error


def lines(path: Path) -> list[str]:
    """The lines of a text file, packed if it ends in .gz, without blanks around them.

    Raises:
        InputError: the file is missing, damaged, too large or not UTF-8.
    """
    path = Path(path)
    try:
        packed = path.suffix == ".gz"
        most = MAX_UNPACKED + TIMES * path.stat().st_size if packed else MAX_TEXT
        with (gzip.open if packed else open)(path, "rb") as file:
            data = file.read(min(most, MAX_TEXT) + 1)
        if len(data) > min(most, MAX_TEXT):
            raise ValueError(f"over {min(most, MAX_TEXT):,} bytes")
        if data.count(b"\n") > MAX_LINES:
            raise ValueError(f"over {MAX_LINES:,} lines")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, EOFError, ValueError, gzip.zlib.error) as error:
        raise InputError(f"{path} is no whole text file ({error}); get it again") from error
    # Only this sign ends a line: others that Unicode knows stand in captions.
    found = decoded(path, data, "no whole text file").split("\n")
    if found[-1] == "":
        found.pop()
    return [plain(line).strip() for line in found]


def read_json(path: Path, kind: type, where: str = "") -> dict | list:
    """The value of a JSON file, a dict or list that is not empty, its texts as `plain` makes them.

    Args:
        where: what to say of the place of the file if it is missing.

    Raises:
        InputError: the file is missing, no JSON, empty, or holds another kind of value.
    """
    text = _text_of(Path(path), "not readable JSON", where)
    try:
        value = _plain_value(parse_json(text))
    except ValueError as error:
        raise InputError(f"{path} is not readable JSON ({error}); {_mend(text)}") from error
    if not isinstance(value, kind) or not value:
        raise InputError(f"{path} is no {kind.__name__} or empty; is it of another layout?")
    return value


def _mend(text: str) -> str:
    """What to do about a text that is no JSON."""
    start = text.lstrip()
    for line in start.splitlines()[:1]:
        try:
            parse_json(line)
        except ValueError:
            continue
        return "a value a line is JSON lines; write one list of all"
    return "get it again, or correct it" if start[:1] in ("{", "[") else "is it of another format?"


def json_field(place: str, entry: object, key: str, kind: type) -> object:
    """The value of a key of an entry, of this kind and no other; `place` names the entry."""
    if not isinstance(entry, dict):
        raise InputError(f"{place} is no dictionary; get the file again")
    if type(entry.get(key)) is not kind:  # a bool is no number here
        raise InputError(f"{place}: {key} is {entry.get(key)!r:.60}, expected {kind.__name__}")
    return entry[key]


def json_fields(place: str, entry: object, **kinds: type) -> tuple:
    """The values of several keys, key -> kind, as `json_field` gives them."""
    return tuple(json_field(place, entry, key, kind) for key, kind in kinds.items())


def without_ending(name: str) -> str:
    """A name without the ending of a picture; other dots belong to the name."""
    ending = next((e for e in ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def inside_path(where: str, path: object) -> str:
    """A picture's path without "./" and ending, composed as `plain` does."""
    found = PurePosixPath(path) if isinstance(path, str) else None
    if (
        found is None
        or not found.name
        or found.is_absolute()
        or ".." in found.parts
        or "\\" in path
        or "\0" in path
    ):
        raise InputError(f"{where}: {path!r} is no path inside the folder of pictures")
    return without_ending(plain(str(found)))


def located(place: str, file: str) -> str:
    """The path without ending of a file named in a release.

    Raises:
        InputError: the name leads out of the folder or has signs that no picture has.
    """
    path = inside_path(place, file) if file.strip("./") else ""
    parts = PurePosixPath(plain(file)).parts
    if not path or not all(map(is_name, parts)) or PureWindowsPath(path).drive:
        raise InputError(
            f"{place}: {file!r} is no file name (no dot first, no blanks at its ends, no signs "
            "that cannot be seen)"
        )
    return path


def ids_of(paths: Sequence[str]) -> list[str]:
    """Ids of the pictures of a release: the names of their files, where all names differ.

    Where two folders have a file of one name, the ids of all are the paths.
    """
    names = [path.rpartition("/")[2] for path in paths]
    return names if len(set(names)) == len(set(paths)) else list(paths)


def is_name(part: str) -> bool:
    """Whether a file or folder of a user or a release may be called so."""
    seen = not any(unicodedata.category(sign)[0] == "C" or sign in "\u2028\u2029" for sign in part)
    return bool(part) and seen and part == part.strip() and part[0] != "."


def _plain_value(value: object) -> object:
    """A JSON value, all its texts and keys as `plain` makes them; containers are changed in place,
    for files of hundreds of MB are read."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        for place, item in enumerate(value):
            value[place] = _plain_value(item)
    elif isinstance(value, dict):
        for key in list(value):  # in their order, also of those that change
            value[_plain_value(key)] = _plain_value(value.pop(key))
    return value
