"""Features as a table that databases of vectors load: LanceDB, pgvector, Qdrant, DuckDB.

Parquet with the columns id (string) and vector (D float32), written file by file of the features.
docs/large_galleries.md has the lines that load it.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic
from cmir_repro.data.feature_store import files_of, read_shard

ROWS = 2**14  # of a group: what is in memory at a time (our choice)


def write(features: Path, out: Path) -> int:
    """Write features as one parquet file; how many rows.

    Vectors have length 1, so that cosine, inner product and Euclidean distance rank alike.

    Args:
        features: a file or folder of shards, see data/feature_store.py; a vector an item.
        out: ends in .parquet; appears whole or not at all.

    Raises:
        InputError: as `read_shard`, rows are no vectors of one width, or a row is zero.
    """
    features, out = Path(features), Path(out)
    if out.suffix != ".parquet":
        raise InputError(f"{out} must end in .parquet")
    width, count, writer = 0, 0, None
    with atomic(out) as temporary:
        try:
            for file in files_of(features):
                shard = read_shard(file)
                width = width or shard.features.shape[-1]
                if shard.features.shape[1:] != (width,):
                    found = shard.features.shape[1:]
                    raise InputError(f"{file}: rows must be vectors of {width}; they are {found}")
                schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32(), width))])
                writer = writer or pq.ParquetWriter(temporary, schema)
                for start in range(0, len(shard.ids), ROWS):
                    unit = _unit(file, shard.features[start : start + ROWS])
                    vectors = pa.FixedSizeListArray.from_arrays(pa.array(unit.reshape(-1)), width)
                    ids = pa.array(shard.ids[start : start + ROWS], pa.string())
                    writer.write_table(pa.table([ids, vectors], schema=schema))
                count += len(shard.ids)
        finally:
            if writer is not None:
                writer.close()
    return count


def _unit(file: Path, rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1)
    if not lengths.all():
        raise InputError(f"{file}: a row is zero; its cosine is undefined")
    return rows / lengths[:, None]
