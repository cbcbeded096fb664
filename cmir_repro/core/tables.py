"""The one reader of parquet tables, which are not trusted."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cmir_repro.core.config import MEND
from cmir_repro.core.errors import InputError, one_line

# A table of a few bytes can have any number of equal rows; as many as this, and a row a byte more.
SPARE_ROWS = 5_000_000  # our choice
SPARE_BYTES = 2**28  # and its columns may unpack to this, and as many times its size more
RATIO = 50


def read_parquet(
    path: Path, kinds: Mapping[str, type] | None = None, mend: str = MEND
) -> pd.DataFrame:
    """The table of a parquet file.

    Args:
        kinds: column -> str, int, float or bool: columns that must be there, and hold what is said
            or nothing; others may be there too.
        mend: what to do where it cannot be used.

    Raises:
        InputError: the file is missing, damaged or no parquet, unpacks to too much, lacks a column,
            or has one of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; {mend}")
    try:
        with pq.ParquetFile(path) as file:
            _check_size(path, file.metadata, mend)
            table = file.read(use_threads=False)
        table.validate(full=True)  # texts are UTF-8
        frame = table.to_pandas(use_threads=False)
    except InputError:
        raise
    except Exception as error:  # pyarrow and pandas raise many kinds for a damaged file
        reason = one_line(str(error).split("\n")[0] or type(error).__name__, 100)
        raise InputError(f"{path} is no readable parquet table ({reason}); {mend}") from error
    for column, kind in (kinds or {}).items():
        _check_column(path, table.schema, column, kind, mend)
    return frame


def _check_size(path: Path, facts: pq.FileMetaData, mend: str) -> None:
    rows, size = facts.num_rows, path.stat().st_size
    unpacked = sum(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups))
    if rows > SPARE_ROWS + size or unpacked > SPARE_BYTES + RATIO * size:
        raise InputError(
            f"{path} would unpack to {rows:,} rows, {unpacked:,} bytes, from {size:,}; {mend}"
        )


def _check_column(path: Path, schema: pa.Schema, column: str, kind: type, mend: str) -> None:
    place = schema.get_all_field_indices(column)
    if len(place) != 1:
        there = "is there several times" if place else "is missing"
        raise InputError(f"{path}: the column {column} {there}; {mend}")
    found = schema.field(place[0]).type
    if pa.types.is_dictionary(found):
        found = found.value_type
    fits = {
        str: pa.types.is_string(found) or pa.types.is_large_string(found),
        int: pa.types.is_integer(found),
        float: pa.types.is_floating(found) or pa.types.is_integer(found),
        bool: pa.types.is_boolean(found),
    }[kind]
    if not (fits or pa.types.is_null(found)):
        what = f"holds {one_line(found, 60)}, expected {kind.__name__}"
        raise InputError(f"{path}: the column {column} {what}; {mend}")
