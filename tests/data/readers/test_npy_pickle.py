"""A pickled .npy file is read, and nothing in it is run."""

import os
import pickle
import re
import resource
import subprocess
import sys

import numpy as np
import pytest

from cmir_repro.core import errors
from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import child
from cmir_repro.data.readers.npy_pickle import PickledFile, load_npy

HEADER = (
    b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117)
    + b"\n"
)


def write(path, body: bytes, header: bytes = HEADER):
    path.write_bytes(header + body)
    return path


class Call:
    """Pickles as a call of `function`, the way an attack is written."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def test_what_numpy_saves_comes_back_as_plain_python(tmp_path):
    value = {
        "list": [1, 2.5, None, True, "x", b"\xff\x00", b"", 10**30],
        "tuple": (1, (2, ())),
        "set": {1, 2},
        "scalars": [np.float64(1.5), np.int64(-3), np.bool_(True), np.str_("é"), np.float32(2)],
        "numbers": np.arange(6).reshape(2, 3),
        "columns first": np.arange(6).reshape(2, 3).T,
        "big endian": np.arange(3, dtype=">i4"),
        "text": np.array(["ab", "c"]),
        "empty": np.zeros((0, 3)),
        "objects": np.array([[1, "x"], [None, [2]]], dtype=object),
        "objects, columns first": np.array([[1, "x"], [None, 2]], dtype=object, order="F"),
    }
    np.save(tmp_path / "a.npy", value, allow_pickle=True)
    assert load_npy(tmp_path / "a.npy") == {
        **value,
        "scalars": [1.5, -3, True, "é", 2.0],
        "numbers": [[0, 1, 2], [3, 4, 5]],
        "columns first": [[0, 3], [1, 4], [2, 5]],
        "big endian": [0, 1, 2],
        "text": ["ab", "c"],
        "empty": [],
        "objects": [[1, "x"], [None, [2]]],
        "objects, columns first": [[1, "x"], [None, 2]],
    }


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_every_protocol_that_numpy_has_used_is_read(tmp_path, protocol):
    value = {"a": [np.int64(7), np.arange(3.0), {1}, b"", b"\xe9"], "b": "text"}
    body = pickle.dumps(np.array(value, dtype=object), protocol=protocol)
    assert load_npy(write(tmp_path / "a.npy", body)) == {
        "a": [7, [0.0, 1.0, 2.0], {1}, b"", b"\xe9"],
        "b": "text",
    }


def test_strings_of_python_2_are_latin_1(tmp_path):
    # Written byte by byte: Python 3 has no way to write Python 2's str.
    body = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01)cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff"
        b"\xffK?tb\x89]("
        b"}(U\x05colorU\x03r\xe9dU\x03posh\x01cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x80?\x00\x00\x80\xbftbu"
        b"etb."
    )
    path = write(tmp_path / "a.npy", body)
    assert load_npy(path) == {"color": "réd", "pos": [1.0, -1.0]}
    theirs = np.load(path, allow_pickle=True, encoding="latin1").item()
    assert theirs["color"] == "réd"
    np.testing.assert_array_equal(theirs["pos"], [1.0, -1.0])


GADGETS = {
    "posix.system": lambda mark: Call(os.system, f"touch {mark}"),
    "builtins.eval": lambda mark: Call(eval, f"open({str(mark)!r}, 'w')"),
    "builtins.exec": lambda mark: Call(exec, f"open({str(mark)!r}, 'w')"),
    "io.open": lambda mark: Call(open, str(mark), "w"),
    "subprocess.call": lambda mark: Call(subprocess.call, ["touch", str(mark)]),
    "numpy.save": lambda mark: Call(np.save, str(mark), 1),
    "numpy.load": lambda mark: Call(np.load, str(mark), None, True),
    "builtins.getattr": lambda mark: Call(getattr, "text", "format"),
    "builtins.bytearray": lambda mark: Call(bytearray, 5),
}


@pytest.mark.parametrize("name", GADGETS)
def test_calls_are_refused_by_name(tmp_path, name):
    attack = pickle.dumps({"a": GADGETS[name](tmp_path / "mark")}, protocol=4)
    with pytest.raises(InputError, match=rf"a\.npy is refused: it asks for {name};") as caught:
        load_npy(write(tmp_path / "a.npy", attack))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "subprocess.call"])
def test_what_is_refused_does_not_run(tmp_path, name, protocol):
    mark = tmp_path / "mark"
    attack = pickle.dumps([GADGETS[name](mark)], protocol=protocol)
    with pytest.raises(InputError, match="asks for"):
        load_npy(write(tmp_path / "a.npy", attack))
    assert not mark.exists()
    pickle.loads(attack)  # the attack is real
    assert mark.exists()


def reconstruct(shape: bytes, state: bytes) -> bytes:
    return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + shape + b"Vb\ntR" + state


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # Object dtype with the object flag cleared: NumPy would take the bytes for pointers.
        (
            b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO8\nI0\nI1\ntR"
            b"(I3\nV|\nNNNI-1\nI-1\nI0\ntbVAAAAAAAA\ntR.",
            "bytes for objects",
        ),
        (
            reconstruct(
                b"(I0\nt",
                b"(I1\n(I1\ntcnumpy\ndtype\n(VO8\nI0\nI1\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb"
                b"I00\nVAAAAAAAA\ntb.",
            ),
            "bytes for objects",
        ),
        # Structured dtypes may hide objects.
        (b"cnumpy\ndtype\n(VV16\nI0\nI1\ntR.", "V16"),
        (b"cnumpy\ndtype\n(VO8,O8\nI0\nI1\ntR.", "O8,O8"),
        (b"cnumpy\ndtype\n(]tR.", "of type"),
        (
            b"cnumpy\ndtype\n(Vi8\nI0\nI1\ntR(I3\nV<\nN(Va\nt}I-1\nI-1\nI0\ntb.",
            "structured",
        ),
        (b"c_codecs\nencode\n(Vx\nVzip\ntR.", "'zip'"),
        (b"cnumpy.core.multiarray\nscalar.__globals__\n.", "scalar.__globals__"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0bdtype.alias\x93.", "numpy.dtype.alias"),
        (b"cnumpy\nos.system\n.", "numpy.os.system"),
        (b"\x80\x04\x8c\x04a\r\nb\x8c\x05\x1b[31m\x93.", r"a b\.\?\[31m"),
        # Twelve values in no bytes.
        (
            reconstruct(
                b"(I0\nt",
                b"(I1\n(I3\nI4\ntcnumpy\ndtype\n(Vi8\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
                b"I00\nV\ntb.",
            ),
            "shape",
        ),
    ],
)
def test_forged_arrays_are_refused(tmp_path, body, message):
    with pytest.raises(InputError, match=message) as caught:
        load_npy(write(tmp_path / "a.npy", body))
    assert "\n" not in str(caught.value)


def test_sizes_a_file_only_claims_are_not_allocated(tmp_path):
    body = reconstruct(b"(L1000000000000000L\nt", b"") + b"."
    with pytest.raises(InputError):
        load_npy(write(tmp_path / "a.npy", body))


def test_a_file_cannot_change_how_the_next_one_is_read(tmp_path):
    # BUILD with a second dictionary sets attributes of the function it was given.
    body = b"c_codecs\nencode\n(N}V__defaults__\n(Vlatin1\ntstb."
    with pytest.raises(InputError):
        load_npy(write(tmp_path / "a.npy", body))
    with pytest.raises(InputError, match="truncated"):
        load_npy(write(tmp_path / "b.npy", b"c_codecs\nencode\n(Vx\ntR."))


def test_every_truncation_is_one_line(tmp_path):
    np.save(tmp_path / "a.npy", {"a": [np.int64(1), "xy", np.arange(3)]}, allow_pickle=True)
    whole = (tmp_path / "a.npy").read_bytes()
    for length in range(len(whole)):
        with pytest.raises(InputError) as caught:  # as the child does, without starting one
            PickledFile(write(tmp_path / "b.npy", whole[:length], b"")).encoded()
        assert "\n" not in str(caught.value)
        assert "b.npy" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a file of numpy", b"\x93NUMPY\x09\x00", b"PK\3\4"])
def test_what_is_no_npy_file_is_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"a\.npy"):
        load_npy(write(tmp_path / "a.npy", content, b""))


def test_a_missing_file_a_plain_array_and_a_wrong_shape_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_npy(tmp_path / "none.npy")
    np.save(tmp_path / "plain.npy", np.arange(3))
    with pytest.raises(InputError, match="plain array of int64"):
        load_npy(tmp_path / "plain.npy")
    two = pickle.dumps(np.array([1, 2], dtype=object))
    with pytest.raises(InputError, match="header"):
        load_npy(write(tmp_path / "two.npy", two))
    with pytest.raises(InputError, match="header"):
        load_npy(write(tmp_path / "list.npy", pickle.dumps([1])))


def test_large_containers_are_read(tmp_path):
    large = [{"color": "red", "pos": [0.1, 0.2]}] * 3 + list(range(200_000))
    np.save(tmp_path / "large.npy", {"a": large, (1, "x"): frozenset({2})}, allow_pickle=True)
    assert load_npy(tmp_path / "large.npy") == {"a": large, (1, "x"): frozenset({2})}


def shell(content: bytes) -> bytes:
    """A pickled 0-dimensional array whose one value these opcodes make."""
    whole = pickle.dumps(np.array(None, dtype=object), protocol=2)
    return re.sub(
        rb"](q.)Na", lambda found: b"]" + found[1] + content + b"a", whole, flags=re.DOTALL
    )


PUT = b"q\x7f0h\x7fh\x7f"  # keep the top of the stack, and push it twice
BOMBS = {
    # Hashing walks through all 2^40 items.
    "a set of doubling tuples": (b"\x8f(" + b")" + (PUT + b"\x86") * 40 + b"\x90", "too long"),
    "doubling lists": (b"]" + (PUT + b"\x86") * 40, "over and over"),
    "a memo index of 2^28": (b"Nr\x00\x00\x00\x10", "too much memory"),
    "a tuple nested 200,000 deep as a key": (b"}" + b")" + b"\x85" * 200_000 + b"Ns", "crashes"),
    "lists nested 900 deep": (b"]" * 900 + b"a" * 899, "nested over 64 deep"),
    "a list in itself": (b"]q\x7fh\x7fa", "nested over 64 deep"),
    "half of a pair": (b"V\\ud800\n", "surrogates not allowed"),
    "a number of 5,000 digits": (
        b"\x8b" + (2500).to_bytes(4, "little") + b"\x7f" * 2500,
        "19,999 bits",
    ),
    "a name of 10 MB": (b"c" + b"x" * 10_000_000 + b"\nsystem\n", "asks for x"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_line_soon(tmp_path, monkeypatch, name):
    monkeypatch.setattr(child, "SECONDS", 2)
    content, message = BOMBS[name]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(InputError, match=rf"a\.npy .*{message}") as caught:
        load_npy(write(tmp_path / "a.npy", shell(content)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= errors.LONGEST
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime < 5
    # kB, of the largest child so far: others may have been larger before, and a child begins as
    # large as this process is.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert used.ru_maxrss <= max(2**20, children.ru_maxrss + 2**18, own + 2**18)


def test_a_reader_of_pickles_needs_no_torch_and_no_pandas():
    code = f"import sys, {PickledFile.__module__}; print({{'torch', 'pandas'}} & {{*sys.modules}})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"
