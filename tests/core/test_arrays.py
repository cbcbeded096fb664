"""Arrays from untrusted files: the same values as numpy reads, or one line that names the file."""

import io
import zipfile

import numpy as np
import pytest

from cmir_repro.core.arrays import SPARE, read_npy, read_npz
from cmir_repro.core.errors import InputError

ARRAYS = {
    "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.random.default_rng(0).random((3, 5))),
    "empty": np.zeros((0, 7), np.float16),
    "number": np.array(3.5),
    "texts": np.array(["a", "\u00e9\U0001f600", ""]),
}


def header(shape="(3,)", descr="'<f4'", tail=b"", version=b"\x01\x00"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    size = len(text) + 1
    return b"\x93NUMPY" + version + size.to_bytes(2 * version[0], "little") + text + b"\n" + tail


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(tmp_path, name):
    np.save(tmp_path / "a.npy", ARRAYS[name])
    np.savez_compressed(tmp_path / "a.npz", a=ARRAYS[name])
    for found in (read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz", ["a", "b"])[0]["a"]):
        assert found.dtype == ARRAYS[name].dtype
        assert np.array_equal(found, ARRAYS[name])
        found[...] = found  # not read-only


def test_a_mapped_array_is_read_only_and_not_in_memory(tmp_path):
    np.save(tmp_path / "a.npy", ARRAYS["bytes"])
    found = read_npy(tmp_path / "a.npy", mapped=True)
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, ARRAYS["bytes"])
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


BAD = {
    "is missing": (None, "does not exist"),
    "is empty": (b"", "cannot be read"),
    "is a pickle": (b"\x80\x04K\x01.", "cannot be read"),
    "has objects": (header(descr="'|O'", tail=bytes(24)), "Python objects"),
    "is cut off": (header(tail=bytes(11)), "is truncated: .* 12 bytes, and it has 11"),
    "claims an absurd shape": (header("(10**9, 10**9)"), "cannot be read"),
    "claims more than any memory": (header("(999999999999, 999999999999)"), "is truncated"),
    "has texts of no size": (header("(10000000000,)", "'<U0'"), "is truncated"),
    "has a negative shape": (header("(-1, -3)", tail=bytes(12)), "cannot be read"),
    "has an open bracket": (header("(3,"), "cannot be read"),
    "is nested too deep": (header("(" * 300 + ")" * 300), "cannot be read"),
    "has a long header": (header("(3,)" + " " * 20_000, tail=bytes(12)), "cannot be read"),
    "has fields": (header(descr="[('a', '<f4')]", tail=bytes(12)), "expected numbers or texts"),
    "has dates": (header(descr="'<M8[s]'", tail=bytes(24)), "expected numbers or texts"),
    "has signs that are none": (header(descr="'<U1'", tail=b"\xff" * 12), "holds what is no text"),
    "has half a sign": (header(descr="'<U1'", tail=b"\x00\xd8\0\0" * 3), "holds what is no text"),
    "is of version 9": (header(tail=bytes(12), version=b"\x09\x00"), "cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
def test_a_bad_array_is_refused(tmp_path, what, packed):
    content, message = BAD[what]
    path = tmp_path / ("a.npz" if packed else "a.npy")
    if content is not None and packed:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.npy", content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_npz(path, ["a"]) if packed else read_npy(path)
    assert path.name in str(caught.value)


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    start = header(f"({SPARE},)", "'|u1'")
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(start)
        for _ in range(SPARE >> 22):
            member.write(bytes(1 << 22))
        member.write(bytes(1 << 23))
    with pytest.raises(InputError, match=r"a\.npz would unpack to 27\d,\d{3},\d{3} bytes"):
        read_npz(tmp_path / "a.npz", ["a"])
    assert read_npz(tmp_path / "a.npz", ["b"]) == ({}, ["a"])


def test_the_other_format_is_named(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    (tmp_path / "a.npy").write_bytes(buffer.getvalue())
    np.save(tmp_path / "b.npy", np.zeros(3))
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    with pytest.raises(InputError, match=r"a\.npy is an npz"):
        read_npy(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"b\.npz is a single array"):
        read_npz(tmp_path / "b.npz", ["a"])
