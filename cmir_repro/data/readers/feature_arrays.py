"""Files of features as arrays: .npz, .npy with ids, .safetensors, .parquet; nothing can run code.

What they hold is said in `data.feature_store`, which also checks it.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cmir_repro.core.arrays import read_npy, read_npz
from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.files import lines, read_csv

Arrays = tuple[list[str], np.ndarray, np.ndarray | None]  # ids, features, lengths
IDS, FEATURES, LENGTHS = "ids", "features", "lengths"
# Of safetensors; bfloat16 is unknown to numpy.
_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def read(path: Path) -> Arrays:
    """Ids, features and lengths of one file, features memory-mapped where the kind allows.

    Raises:
        InputError: the file or its ids are missing or damaged, or a key is.
    """
    check_kind(path)
    try:
        return KINDS[path.suffix](path)
    except InputError:
        raise
    except Exception as error:  # the libraries raise many kinds for a damaged file
        reason = (str(error).splitlines() or [""])[0][:120] or type(error).__name__
        raise InputError(f"{path} cannot be read ({reason}); write or copy it again") from error


def check_kind(path: Path) -> None:
    """Refuse a file of a kind that is none of KINDS."""
    if path.suffix not in KINDS:
        raise InputError(f"{path} is no file of features; its name must end in {', '.join(KINDS)}")


def belonging(path: Path) -> list[Path]:
    """A file and, of .npy, the one with its ids."""
    return [path, ids_file(path)] if path.suffix == ".npy" else [path]


def ids_file(path: Path) -> Path:
    """Where the ids of an .npy lie.

    Raises:
        InputError: nowhere.
    """
    for suffix in (".txt", ".csv"):
        if path.with_suffix(suffix).exists():
            return path.with_suffix(suffix)
    raise InputError(
        f"{path} has no ids; write them to {path.with_suffix('.txt').name} beside it, one a line, "
        f"or to {path.with_suffix('.csv').name} with the column id"
    )


def _npz(path: Path) -> Arrays:
    arrays, names = read_npz(path, (IDS, FEATURES, LENGTHS))
    _need(path, (IDS, FEATURES), names)
    ids, features, lengths = arrays[IDS], arrays[FEATURES], arrays.get(LENGTHS)
    if ids.ndim != 1 or ids.dtype.kind != "U":
        raise InputError(f"{path}: ids must be (N,) strings, got {ids.shape} {ids.dtype}")
    return ids.tolist(), features, lengths


def _npy(path: Path) -> Arrays:
    beside = ids_file(path)
    ids = read_csv(beside, ["id"])["id"].tolist() if beside.suffix == ".csv" else lines(beside)
    return ids, read_npy(path, mapped=True), None


def _safetensors(path: Path) -> Arrays:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:  # checks header and sizes
            keys, told = list(file.keys()), file.metadata() or {}
            _need(path, (FEATURES,), keys)
            lengths = file.get_tensor(LENGTHS) if LENGTHS in keys else None
    except SafetensorError as error:
        raise ValueError(error) from error
    if IDS not in told:
        raise InputError(
            f'{path}: its metadata lack ids; save_file(tensors, path, {{"ids": json.dumps(ids)}})'
        )
    ids = json.loads(told[IDS])
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise InputError(f"{path}: ids in the metadata must be a JSON list of strings")
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(size))[FEATURES]
    if entry["dtype"] not in _TYPES:
        raise InputError(f"{path}: features are {entry['dtype']}; save float16 or float32")
    start = 8 + size + entry["data_offsets"][0]
    if 0 in entry["shape"]:
        return ids, np.empty(entry["shape"], _TYPES[entry["dtype"]]), lengths
    shape = tuple(entry["shape"])
    return ids, np.memmap(path, _TYPES[entry["dtype"]], "r", start, shape), lengths


def _parquet(path: Path) -> Arrays:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    _need(path, ("id", FEATURES), table.column_names)
    values, shape = table[FEATURES].combine_chunks(), [len(table)]
    types = pa.types
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    while len(values) and not values.null_count and any(kind(values.type) for kind in lists):
        sizes = np.unique(values.value_lengths().to_numpy(zero_copy_only=False))
        if len(sizes) > 1:
            raise InputError(
                f"{path}: features are lists of {sizes[0]} to {sizes[-1]} numbers; all rows need "
                "the same"
            )
        shape.append(int(sizes[0]))
        values = values.flatten()
    if values.null_count or not len(values):
        raise InputError(f"{path}: features are empty in some rows; compute them again")
    features = values.to_numpy(zero_copy_only=False).reshape(shape)
    lengths = table[LENGTHS].to_numpy() if LENGTHS in table.column_names else None
    ids = table["id"].to_pylist()
    if not all(isinstance(name, str) for name in ids):
        raise InputError(f"{path}: the column id must hold strings in every row")
    return ids, features, lengths


def _need(path: Path, keys: tuple[str, ...], there: list[str]) -> None:
    if missing := [key for key in keys if key not in there]:
        has = ", ".join(there)[:200] or "nothing"
        raise InputError(
            f"{path} has no {' and no '.join(missing)} (it has {has}); name them {', '.join(keys)}"
        )


KINDS: dict[str, Callable[[Path], Arrays]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
