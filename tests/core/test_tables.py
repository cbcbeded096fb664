"""Tables from untrusted files: columns of the kinds that are asked for, or one line."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.tables import SPARE_ROWS, read_parquet

KINDS = {"image": str, "row": int, "score": float, "trains": bool}
TABLE = pd.DataFrame(
    {"image": ["a", "\u00e9"], "row": [0, 1], "score": [0.5, 2.0], "trains": [True, False]}
)


def test_a_table_comes_back(tmp_path):
    TABLE.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "t.parquet", KINDS), TABLE)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.drop(columns="row"), "the column row is missing; mend it"),
        (TABLE.assign(row=0.5), "the column row holds double, expected int; mend it"),
        (TABLE.assign(image=3), "the column image holds int64, expected str; mend it"),
        (TABLE.assign(trains="yes"), "the column trains holds .*string, expected bool"),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path, table, message):
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=rf"t\.parquet: {message}"):
        read_parquet(tmp_path / "t.parquet", KINDS, "mend it")


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_named(tmp_path, content):
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"t\.parquet (does not exist|is no readable parquet)"):
        read_parquet(path)


def test_texts_that_are_not_utf_8_are_refused(tmp_path):
    texts = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"image": texts}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet is no readable parquet"):
        read_parquet(tmp_path / "t.parquet")


def test_a_few_bytes_of_many_equal_rows_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    rows = 2 * SPARE_ROWS
    pq.write_table(pa.table({"a": pa.nulls(rows, pa.int8())}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"t\.parquet would unpack to 10,000,000 rows"):
        read_parquet(path)
