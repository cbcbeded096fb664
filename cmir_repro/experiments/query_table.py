"""How well a run does on each query: text columns name it, the last column holds the value."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic
from cmir_repro.core.tables import read_parquet


def write(path: Path, queries: pd.DataFrame) -> None:
    """Write a table of queries, small: text columns, counts (whole numbers), and last the value.

    Values, be they ranks or percentages, are kept to a thousandth as float32: ranks are whole or
    halves up to millions, and the many digits of a precision would make up most of the ledger.
    Ids follow each other and come again with each scoring: kept as differences they need little.
    """
    *names, value = queries.columns
    counts = [name for name in names if queries[name].dtype.kind in "iu"]
    texts = [name for name in names if name not in counts]
    kept = np.round(queries[value].to_numpy(dtype=np.float64), 3).astype(np.float32)
    columns = {name: pa.array(queries[name].astype(str), pa.string()) for name in texts}
    columns |= {name: pa.array(queries[name], pa.int32()) for name in counts}
    with atomic(path) as temporary:
        pq.write_table(
            pa.table({**columns, value: kept}),
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=False,
            column_encoding=dict.fromkeys(texts, "DELTA_BYTE_ARRAY")
            | dict.fromkeys(counts, "DELTA_BINARY_PACKED"),
            write_statistics=False,
            store_schema=False,
        )


def read(path: Path) -> pd.DataFrame:
    """A table of queries as `write` wrote it.

    Raises:
        InputError: it is missing or damaged.
    """
    table = read_parquet(path, mend=f"run {Path(path).stem} again")
    if not len(table.columns) or len(set(table.columns)) < len(table.columns):
        raise InputError(f"{path} is no table of queries; run {Path(path).stem} again")
    *names, value = table.columns
    if table[value].dtype.kind not in "fiu":
        raise InputError(f"{path}: the last column, {value}, holds no numbers")
    texts = [name for name in names if table[name].dtype.kind not in "iu"]
    if table[texts].isna().any(axis=None):
        raise InputError(f"{path}: a query without a name; run {Path(path).stem} again")
    counts = dict.fromkeys(set(names) - set(texts), np.int64)
    return table.astype({**dict.fromkeys(texts, "str"), **counts, value: np.float64})
