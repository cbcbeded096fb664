"""Rows of square arrays lie where something shows it, and are asked for where nothing does."""

import numpy as np
import pytest
from scipy.io import savemat

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.hashing_arrays import find
from cmir_repro.data.readers.matlab import MatFile

N = 9
RNG = np.random.default_rng(0)
SQUARE = RNG.random((N, N)).astype(np.float32)
TEXT, LABELS = ((RNG.random((N, k)) < 0.4).astype(np.uint8) for k in (5, 4))


def hdf5(path, **arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array
    return MatFile(path)


def version_5(path, **arrays):
    savemat(path, arrays)
    return MatFile(path)


def pictures(*mats, samples=None):
    return find(mats, samples).picture.take(np.arange(N))


@pytest.mark.parametrize("write", [hdf5, version_5])
def test_a_square_array_is_as_the_others_of_its_file(tmp_path, write):
    mat = write(tmp_path / "a", XAll=SQUARE, YAll=TEXT, LAll=LABELS)
    assert np.array_equal(pictures(mat), SQUARE)
    mat = write(tmp_path / "b", XAll=SQUARE.T, YAll=TEXT.T, LAll=LABELS.T)
    assert np.array_equal(pictures(mat), SQUARE)


def test_one_file_for_each_array_of_one_kind(tmp_path):
    rest = hdf5(tmp_path / "rest", YAll=TEXT, LAll=LABELS)
    assert np.array_equal(pictures(hdf5(tmp_path / "x", XAll=SQUARE), rest), SQUARE)
    other = version_5(tmp_path / "x.mat", XAll=SQUARE)  # of another program, it may seem
    with pytest.raises(InputError, match="--samples-axis first or last"):
        pictures(other, rest)


@pytest.mark.parametrize("write", [hdf5, version_5])
def test_where_others_differ_or_do_not_tell_it_must_be_said(tmp_path, write):
    differ = write(tmp_path / "a", XAll=SQUARE, YAll=TEXT.T, LAll=LABELS)
    silent = write(tmp_path / "b", XAll=SQUARE, YAll=SQUARE, LAll=np.arange(N))
    for mat in (differ, silent):
        with pytest.raises(InputError, match=r"XAll \(9, 9\) has one size twice"):
            pictures(mat)
        assert np.array_equal(pictures(mat, samples="first"), SQUARE)
        assert np.array_equal(pictures(mat, samples="last"), SQUARE.T)
    assert np.array_equal(find([differ], "last").text.matrix(), TEXT)  # what tells stays


@pytest.mark.parametrize("size", [(N, N), (N, 7), (7, N)])
def test_pictures_as_high_or_wide_as_there_are_of_them(tmp_path, size):
    pixels = RNG.integers(0, 256, (N, *size, 3), dtype=np.uint8)
    mat = version_5(tmp_path / "a.mat", IAll=pixels.transpose(1, 2, 3, 0), YAll=TEXT, LAll=LABELS)
    assert np.array_equal(pictures(mat), pixels)
