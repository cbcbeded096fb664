"""Files from elsewhere, which are not trusted: lines of text, CSV, JSON, and names of pictures."""

import gzip
import json
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from cmir_repro.core.errors import InputError

MAX_TEXT = 2**28  # bytes unpacked, our choice; a small gz can hold far more
ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a picture
NO_VALUE = ("", "na", "n/a", "nan", "null")  # what tables write where they know nothing


def read_csv(file: Path) -> pd.DataFrame:
    """The CSV as strings without blanks around them; nothing is taken for a number or a gap.

    Raises:
        InputError: the file is missing, no CSV in UTF-8, or empty.
    """
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as lines:
            table = pd.read_csv(lines, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise InputError(f"{file} is no readable CSV file in UTF-8 ({reason})") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{file}: rows have more fields than the first line; quote the commas")
    if table.empty:
        raise InputError(f"{file} has no rows")
    table.columns = table.columns.str.strip()
    return table.apply(lambda column: column.str.strip())


def lines(path: Path) -> list[str]:
    """The lines of a text file, packed if it ends in .gz, without blanks around them.

    Raises:
        InputError: the file is missing, damaged, too large or not UTF-8.
    """
    path = Path(path)
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


def read_json(path: Path, kind: type, where: str = "") -> dict | list:
    """The value of a JSON file, a dict or list that is not empty.

    Args:
        where: what to say of the place of the file if it is missing.

    Raises:
        InputError: the file is missing, no JSON, empty, or holds another kind of value.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist" + (where and f"; {where}")) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON ({error}); get it again") from error
    if not isinstance(value, kind) or not value:
        raise InputError(f"{path} is no {kind.__name__} or empty; is it of another layout?")
    return value


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


def inside_path(where: str, path: object) -> str:
    """A picture's path without "./" and ending."""
    plain = PurePosixPath(path) if isinstance(path, str) else None
    if plain is None or plain.is_absolute() or ".." in plain.parts or "\\" in path:
        raise InputError(f"{where}: {path!r} is no path inside the folder of pictures")
    return str(plain.with_suffix(""))


def located(place: str, file: str) -> tuple[str, str]:
    """Image id and path without ending of a file named in a release.

    Raises:
        InputError: the name leads out of the folder or has signs that no picture has.
    """
    path = inside_path(place, file) if file.strip("./") else ""
    parts = path.split("/")
    for part in parts:
        if not ID.fullmatch(part):
            raise InputError(f"{place}: {file!r} is no file name (letters, digits, . _ - and /)")
    return parts[-1], path
