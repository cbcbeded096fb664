"""Binary codes: eight bits to a byte, and the nearest of them by Hamming distance.

The distance is the number of bits that differ. Letters: N codes of L bits, B = ceil(L / 8) bytes.
"""

import numpy as np

from cmir_repro.core.errors import InputError


def as_codes(codes: np.ndarray, what: str) -> np.ndarray:
    """(N, L) bool of codes that are bool, 0 and 1, or -1 and 1.

    Raises:
        InputError: not (N, L), empty, or another value, named by `what`: features that are not
            binary have no Hamming distance.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or not codes.size or codes.dtype.kind not in "bfiu":
        got = f"{codes.shape} {codes.dtype}"
        raise InputError(f"{what} codes must be (N, L) bool, 0 and 1, or -1 and 1, got {got}")
    if codes.dtype.kind == "b":
        return codes
    low = -1 if (codes < 0).any() else 0
    ones = codes == 1
    odd = np.flatnonzero((~ones & (codes != low)).any(1))
    if len(odd):
        other = codes[odd[0]][~ones[odd[0]] & (codes[odd[0]] != low)][0]
        raise InputError(
            f"{what} code row {odd[0]} holds {other}, not {low} or 1; give codes, such as the signs"
        )
    return ones


def pack(codes: np.ndarray) -> np.ndarray:
    """(N, L) bool -> (N, B) uint8, the first bit highest; bits beyond L are 0."""
    return np.packbits(codes, axis=1)


def words(codes: np.ndarray) -> np.ndarray:
    """(N, L) bool -> (ceil(L / 64), N) uint64: what one operation of the processor compares."""
    packed = pack(codes)
    whole = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return np.ascontiguousarray(whole.view(np.uint64).T)


def nearest(query: np.ndarray, database: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k codes of the database nearest to each query: for looking, not for scoring.

    The order of equal distances is whatever faiss leaves; `mean_average_precision` is exact there.

    Args:
        query: (Q, B) uint8, from `pack`.
        database: (N, B) uint8.
        k: at least 1; may exceed N.

    Returns:
        ids, (Q, k) int64: rows of the database, nearest first; -1 where fewer than k are left.
        distances, (Q, k) int32: bits that differ; -1 where the id is -1.

    Raises:
        InputError: faiss is not installed; not packed codes of one length; a bad k.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    for what, packed in (("query", query), ("database", database)):
        if packed.ndim != 2 or packed.dtype != np.uint8 or not packed.size:
            got = f"{packed.shape} {packed.dtype}"
            raise InputError(f"{what} codes must be packed, (N, bytes) uint8, got {got}")
    if query.shape[1] != database.shape[1]:
        raise InputError(
            f"query codes have {query.shape[1]} bytes, database codes {database.shape[1]}; they "
            "must come from the same model"
        )
    try:
        import faiss
    except ImportError as error:
        raise InputError("nearest needs faiss; install faiss-cpu") from error
    index = faiss.IndexBinaryFlat(8 * database.shape[1])
    index.add(np.ascontiguousarray(database))
    distances, ids = index.search(np.ascontiguousarray(query), min(k, len(database)))
    spare = ((0, 0), (0, k - ids.shape[1]))
    return np.pad(ids, spare, constant_values=-1), np.pad(distances, spare, constant_values=-1)
