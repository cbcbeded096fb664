"""Codes: packing of any number of bits, distances counted bit by bit, and what is not a code."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.hamming import as_codes, nearest, pack, words


def some(N, L, seed=0):
    return np.random.default_rng(seed).random((N, L)) < 0.5


@pytest.mark.parametrize("L", [1, 7, 8, 12, 16, 63, 64, 65, 128])
def test_packing_is_undone_and_keeps_distances(L):
    a, b = some(5, L), some(6, L, 1)
    packed = pack(a)
    assert packed.shape == (5, -(-L // 8))
    assert packed.dtype == np.uint8
    np.testing.assert_array_equal(np.unpackbits(packed, axis=1, count=L).astype(bool), a)
    by_bit = (a[:, None] != b).sum(2)
    wide_a, wide_b = words(a), words(b)
    assert wide_a.shape == (-(-L // 64), 5)
    differ = np.bitwise_count(wide_a[:, :, None] ^ wide_b[:, None]).sum(0)
    np.testing.assert_array_equal(differ, by_bit)


@pytest.mark.parametrize("L", [8, 12, 64, 100])
def test_nearest_are_those_of_all_distances_sorted(L):
    query, database = some(4, L), some(30, L, 1)
    ids, distances = nearest(pack(query), pack(database), 10)
    every = (query[:, None] != database).sum(2)
    np.testing.assert_array_equal(distances, np.sort(every, axis=1)[:, :10])
    np.testing.assert_array_equal(np.take_along_axis(every, ids, 1), distances)
    assert all(len(set(row)) == 10 for row in ids.tolist())


def test_what_is_beyond_the_database_is_marked():
    codes = np.array([[1, 1, 1], [0, 1, 1]], bool)
    ids, distances = nearest(pack(codes[:1]), pack(codes), 4)
    assert ids.tolist() == [[0, 1, -1, -1]]
    assert distances.tolist() == [[0, 1, -1, -1]]
    assert (ids.dtype, distances.dtype) == (np.int64, np.int32)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int8, np.float32])
def test_codes_of_every_usual_kind(kind):
    bits = some(3, 9)
    np.testing.assert_array_equal(as_codes(bits.astype(kind), "query"), bits)
    if kind in (np.int8, np.float32):
        np.testing.assert_array_equal(as_codes((2 * bits.astype(kind) - 1), "query"), bits)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([[0.0, 1.0], [0.5, 1.0]]), r"query code row 1 holds 0.5, not 0 or 1; .*signs"),
        (np.array([[-1, 1], [0, 1]]), r"query code row 1 holds 0, not -1 or 1"),
        (np.array([[np.nan, 1.0]]), "row 0 holds nan"),
        (np.zeros(4), "must be"),
        (np.zeros((0, 4)), "must be"),
        (np.array([["a"]]), "must be"),
    ],
)
def test_what_is_not_a_code(codes, message):
    with pytest.raises(InputError, match=message):
        as_codes(codes, "query")


@pytest.mark.parametrize(
    ("query", "database", "k", "message"),
    [
        (pack(some(2, 8)), pack(some(2, 16)), 1, "query codes have 1 bytes, database codes 2"),
        (some(2, 8), pack(some(2, 8)), 1, "query codes must be packed"),
        (pack(some(2, 8)), np.zeros((0, 1), np.uint8), 1, "database codes must be packed"),
        (pack(some(2, 8)), pack(some(2, 8)), 0, "k must be at least 1"),
    ],
)
def test_bad_input_to_nearest(query, database, k, message):
    with pytest.raises(InputError, match=message):
        nearest(query, database, k)
