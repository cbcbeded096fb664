"""Both kinds of .mat file give MATLAB's arrays, and nothing else of them is touched."""

import os
import resource
import signal
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import child, mat_arrays
from cmir_repro.data.readers.mat_arrays import MatArrays
from cmir_repro.data.readers.matlab import MatFile

LABELS = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)
PICTURES = np.arange(2 * 3 * 3 * 4, dtype=np.uint8).reshape(2, 3, 3, 4)  # h, w, 3, N


def version_73(path, **arrays):
    """As MATLAB writes it: text before the HDF5, and the axes of every array turned round."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array.T, compression="gzip")
    with path.open("rb+") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_version_5_as_matlab_sees_it(tmp_path, packed):
    path = tmp_path / "x.mat"
    values = {"LAll": LABELS, "YAll": LABELS / 2.0, "IAll": PICTURES, "yes": LABELS > 0}
    savemat(path, values, do_compression=packed)
    with MatFile(path) as mat:
        assert mat.shapes == {name: array.shape for name, array in values.items()}
        assert np.array_equal(mat.take("YAll"), LABELS / 2.0)
        assert np.array_equal(mat.take("LAll", 1, slice(1, 3)), LABELS.T[1:3])
        assert np.array_equal(mat.take("yes", 0, slice(2, None)), LABELS[2:] > 0)
        assert np.array_equal(mat.take("IAll", 3, slice(1, 2))[0], PICTURES[..., 1])


def test_version_73_as_matlab_sees_it(tmp_path):
    path = version_73(tmp_path / "x.mat", LAll=LABELS, IAll=PICTURES)
    with MatFile(path) as mat:
        assert mat.shapes == {"IAll": (2, 3, 3, 4), "LAll": (4, 3)}
        assert np.array_equal(mat.take("LAll"), LABELS)
        assert np.array_equal(mat.take("LAll", 0, slice(1, 3)), LABELS[1:3])
        assert np.array_equal(mat.take("LAll", 1, slice(0, 2)), LABELS.T[:2])
        pictures = mat.take("IAll", 3, slice(1, 3))
        assert pictures.shape == (2, 2, 3, 3)
        # DCMH's own reading of the same bytes: (N, 3, w, h), and axes 0, 3, 2, 1.
        stored = PICTURES.T
        assert np.array_equal(pictures, stored.transpose(0, 3, 2, 1)[1:3])


def test_a_part_of_hdf5_is_read_without_the_rest(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    path = version_73(tmp_path / "x.mat", IAll=PICTURES)
    asked = []
    plain = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda d, at: asked.append(at) or plain(d, at))
    mat_arrays.MatArrays(path).take("IAll", 3, 1, 2)
    assert asked == [(slice(1, 2),)]


def test_cells_structures_and_objects_are_not_arrays(tmp_path):
    path = tmp_path / "x.mat"
    names = np.array(["im1.jpg", "im2.jpg"], dtype=object)
    odd = np.array(["im1.jpg", np.zeros(2)], dtype=object)
    savemat(path, {"FAll": names, "odd": odd, "s": {"a": 1}, "word": "hello", "LAll": LABELS})
    with MatFile(path) as mat:
        assert list(mat.shapes) == ["LAll"]
        assert mat.texts("FAll") == ["im1.jpg", "im2.jpg"]
        assert mat.texts("word") == ["hello"]
        for name, message in (("odd", "no line of text"), ("s", "no lines"), ("LAll", "no lines")):
            with pytest.raises(InputError, match=message):
                mat.texts(name)
        with pytest.raises(InputError, match=r"called s or YAll; it has: LAll \(4, 3\)"):
            mat.first("s", "YAll")
        with pytest.raises(InputError, match="called FAll"):
            mat.take("FAll")


def test_nothing_outside_an_hdf5_file_is_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    secret = version_73(tmp_path / "secret.mat", LAll=LABELS)
    path = tmp_path / "links.mat"
    with h5py.File(path, "w") as file:
        file["out"] = h5py.ExternalLink(secret.name, "LAll")
        file["soft"] = h5py.SoftLink("/here")
        file["here"] = LABELS
    with MatFile(path) as mat:
        assert list(mat.shapes) == ["here"]
    with h5py.File(tmp_path / "bytes.mat", "w") as file:
        file.create_dataset("LAll", (12,), "u1", external=[(str(secret), 0, 12)])
    with h5py.File(tmp_path / "view.mat", "w") as file:
        layout = h5py.VirtualLayout((3, 4), "u1")
        layout[:] = h5py.VirtualSource(secret.name, "LAll", shape=(3, 4))
        file.create_virtual_dataset("LAll", layout)
    with h5py.File(tmp_path / "empty.mat", "w") as file:
        file.create_dataset("LAll", (10, 10), "u1", chunks=(5, 5))
    for name in ("bytes", "view", "empty"):
        with pytest.raises(InputError, match=f"{name}.mat: LAll holds nothing itself"):
            MatFile(tmp_path / f"{name}.mat")


def test_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    savemat(tmp_path / "5.mat", {"a": np.zeros((10, 10))}, do_compression=True)
    monkeypatch.setattr(mat_arrays, "TIMES", 0)
    monkeypatch.setattr(mat_arrays, "MOST_WHOLE", 799)
    with pytest.raises(InputError, match="take 800 bytes"):
        MatArrays(tmp_path / "5.mat").take("a", 0, None, None)
    version_73(tmp_path / "7.mat", a=np.zeros((10, 10)))
    monkeypatch.setattr(mat_arrays, "MOST_PIECES", 799)
    with pytest.raises(InputError, match="a would take 800 bytes, over 799"):
        MatArrays(tmp_path / "7.mat")


def test_without_h5py_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "x.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + mat_arrays.HDF5_START + b"\x00" * 100)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        InputError, match=r"x.mat is a MATLAB file of version 7.3.*pip install h5py"
    ):
        MatArrays(path)


def test_damaged_files_are_one_line(tmp_path):
    whole = tmp_path / "whole.mat"
    savemat(whole, {"a": np.random.default_rng(0).random((50, 50))}, do_compression=True)
    data = whole.read_bytes()
    for name, content in {
        "cut": data[: len(data) // 2],
        "short": data[:60],
        "empty": b"",
        "text": b"no mat file\n" * 40,
        "hdf5": mat_arrays.HDF5_START + b"\x00" * 40,
    }.items():
        (tmp_path / f"{name}.mat").write_bytes(content)
        with (
            pytest.raises(InputError, match=f"{name}.mat is ") as caught,
            MatFile(tmp_path / f"{name}.mat") as mat,
        ):
            mat.take("a")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"none.mat does not exist"):
        MatFile(tmp_path / "none.mat")


def test_the_real_file_of_the_wikipedia_benchmark(real_data):
    with MatFile(real_data("wikipedia") / "wikiData.mat") as mat:
        assert mat.shapes["I_tr"] == (2173, 128)
        assert mat.shapes["L_te"] == (693, 1)
        assert sorted(np.unique(mat.take("L_te"))) == list(range(1, 11))


SPARSE = np.where(np.arange(24).reshape(6, 4) % 3 == 0, 1.0, 0.0)


def sparse_hdf5(path, **changed):
    """As MATLAB writes it: a group of data, ir (rows) and jc (where columns begin)."""
    h5py = pytest.importorskip("h5py")
    columns = csc_array(SPARSE)
    parts = {"data": columns.data, "ir": columns.indices, "jc": columns.indptr, **changed}
    with h5py.File(path, "w") as file:
        group = file.create_group("LAll")
        group.attrs["MATLAB_sparse"] = np.uint64(changed.pop("rows", len(SPARSE)))
        for key in ("data", "ir", "jc"):
            group[key] = parts[key]
    return path


def test_sparse_arrays_of_both_versions(tmp_path):
    savemat(tmp_path / "a.mat", {"LAll": csc_array(SPARSE), "YAll": csc_array(SPARSE) > 0})
    for path in (tmp_path / "a.mat", sparse_hdf5(tmp_path / "b.mat")):
        with MatFile(path) as mat:
            assert mat.shapes["LAll"] == SPARSE.shape
            assert np.array_equal(mat.take("LAll"), SPARSE)
            assert np.array_equal(mat.take("LAll", 1, slice(1, 3)), SPARSE.T[1:3])
            for name in mat.shapes:
                assert mat.take(name).dtype == np.float32


@pytest.mark.parametrize(
    "changed",
    [
        {"ir": np.full(8, 10**6)},  # beyond the rows: it would be written outside of the array
        {"ir": np.full(8, -1)},
        {"jc": np.array([0, 3, 2, 6, 8])},
        {"jc": np.array([0, 2, 4, 6, 9])},
        {"rows": 2**40},
        {"data": np.ones((8, 1))},
    ],
)
def test_a_damaged_sparse_array_is_one_line(tmp_path, changed):
    path = sparse_hdf5(tmp_path / "b.mat", **changed)
    with pytest.raises(InputError, match=r"b\.mat") as caught, MatFile(path) as mat:
        mat.take("LAll")
    assert "\n" not in str(caught.value)


def packed_73(path, written=None):
    """6.4 GB of zeros as doubles in 7 MB, or only the first `written` of its 64 pieces."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        array = file.create_dataset("LAll", (2**20, 800), "f8", chunks=(2**14, 800), compression=9)
        packed = zlib.compress(np.zeros(array.chunks).tobytes(), 9)
        for start in range(0, len(array), 2**14)[:written]:
            array.id.write_direct_chunk((start, 0), packed)
    return path


def packed_5(path, size=2**30, there=2**24):
    """A version 5 file of one packed matrix of `size` bytes, of which some zeros are there."""
    head = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, size // 8, 1)
    head += struct.pack("<HH4s", 1, 1, b"a") + struct.pack("<II", 9, size)
    pack = zlib.compressobj(9)
    data = pack.compress(struct.pack("<II", 14, len(head) + size) + head)
    data += pack.compress(bytes(there)) + pack.flush()
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    path.write_bytes(start + struct.pack("<II", 15, len(data)) + data)
    return path


BOMBS = {
    "6.7 GB in pieces": (packed_73, "would take 6,710,886,400 bytes"),
    "pieces that are not there": (lambda path: packed_73(path, 3), "would take|holds 3 of 64"),
    "1 GB whole": (packed_5, "would take 1,073,741,824 bytes"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_line(tmp_path, name):
    make, message = BOMBS[name]
    # A child begins as large as this process is; and others may have been larger before.
    before = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)
    )
    with (
        pytest.raises(InputError, match=rf"a\.mat: .*({message})"),
        MatFile(make(tmp_path / "a.mat")) as mat,
    ):
        mat.take(mat.first("LAll", "a"))
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert largest <= max(2**20, before + 2**18)  # kB; the bomb would take 1 GB more


class Bad:
    """What a file may make a C library do."""

    def __init__(self, path):
        getattr(self, path.read_text())()

    def crash(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def hang(self):
        while True:
            pass

    def fill_memory(self):
        list(range(2**30))

    def write(self):
        Path("written").write_bytes(b"x")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("crash", "crashes the library"),
        ("hang", "takes far too long"),
        ("fill_memory", "far too much memory"),
    ],
)
def test_what_befalls_the_child_is_one_line(tmp_path, monkeypatch, what, message):
    monkeypatch.setattr(child, "SECONDS", 1)
    (tmp_path / "a.mat").write_text(what)
    with pytest.raises(InputError, match=rf"a\.mat .*{message}"):
        child.Child(tmp_path / "a.mat", f"{__name__}:Bad")


def test_the_child_writes_nothing_and_a_fault_of_ours_is_no_bad_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mat").write_text("write")
    with pytest.raises(RuntimeError, match="File too large"):
        child.Child(tmp_path / "a.mat", f"{__name__}:Bad")
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").read_bytes()


def test_pipes_and_folders_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.mat")
    for path in (tmp_path / "pipe.mat", tmp_path):
        with pytest.raises(InputError, match="is no file"):
            MatFile(path)
