"""Files are whole or absent, and what cannot be used is named in one line."""

import errno
import hashlib
import os
import platform
import signal
import subprocess
import sys

import pytest

from cmir_repro.core import files
from cmir_repro.core.errors import MAX_SIDE, InputError, check_size, naming, one_of


@pytest.fixture
def old(tmp_path):
    """A file that was there before, alone in its folder."""
    path = tmp_path / "table.json"
    path.write_text("old")
    return path


def untouched(path):
    return path.read_text() == "old" and [*path.parent.iterdir()] == [path]


def test_the_target_appears_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "array.npy"
    with files.atomic(path) as temporary:
        assert temporary.suffix == ".npy"  # numpy would append it otherwise
        # On the same disk, and in no reader's way.
        assert temporary.parent.parent == path.parent
        assert not list(path.parent.glob("*.npy"))
        temporary.write_bytes(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert [*path.parent.iterdir()] == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(old, error):
    def fail_halfway():
        with files.atomic(old) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert untouched(old)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(old, step, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(InputError, match=r"^cannot write \S*table\.json: No space left .*free"):
        files.write_text(old, "new")
    assert untouched(old)


def test_it_is_on_disk_before_it_replaces_the_old_file(old, monkeypatch):
    calls = []
    for step in ("fsync", "replace"):
        real = getattr(os, step)
        monkeypatch.setattr(os, step, lambda *a, s=step, f=real: (calls.append(s), f(*a))[1])
    files.write_text(old, "new")
    assert calls == ["fsync", "replace"]
    assert old.read_text() == "new"


def test_what_a_killed_process_left_is_never_read_and_removed_at_the_next_start(tmp_path):
    killed = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom cmir_repro.core import files\n"
        "with files.atomic(Path(sys.argv[1])) as path:\n"
        "    path.write_text('{')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, tmp_path / "record.json"], check=False)
    assert done.returncode == -signal.SIGKILL
    other, old = tmp_path / ".partial-1-elsewhere-x", tmp_path / ".partial-2-elsewhere-x"
    mine = tmp_path / f".partial-{os.getpid()}-{platform.node()}-x"
    for folder in (other, old, mine):
        folder.mkdir()
    os.utime(old, (0, 0))
    assert len([*tmp_path.iterdir()]) == 4
    assert not list(tmp_path.glob("*.json"))
    files.write_text(tmp_path / "record.json", "{}")
    assert {*tmp_path.iterdir()} == {tmp_path / "record.json", other, mine}


def test_what_a_process_left_that_had_our_number_is_a_leftover(tmp_path):
    left = tmp_path / f".partial-{os.getpid()}-{platform.node()}-x"
    left.mkdir()
    os.utime(left, (0, 0))  # before this process began: containers count from 1 each time
    files.write_text(tmp_path / "record.json", "{}")
    assert [*tmp_path.iterdir()] == [tmp_path / "record.json"]


def test_a_folder_that_cannot_be_made_is_named(old, monkeypatch):
    """CMIR_HOME is the way out only where the file lies under it."""
    monkeypatch.setenv("CMIR_HOME", str(old.parent / "home"))
    with pytest.raises(InputError, match=r"cannot write \S*inside\.txt: .*writable folder$"):
        files.write_text(old / "inside.txt", "text")
    monkeypatch.setenv("CMIR_HOME", str(old.parent))
    with pytest.raises(InputError, match=r"writable folder by CMIR_HOME$"):
        files.write_text(old / "inside.txt", "text")


def test_what_is_written_replaces_results_of_its_own_kind_alone(old):
    new = old.parent / "no" / "such" / "folder" / "new.html"
    files.check_output(None, (".json",), old)
    files.check_output(old, (".json", ".trec"), old.with_name("q.npz"), None)
    files.check_output(new, (".json",), old.parent)
    assert untouched(old)  # and no folder is made before the work
    with pytest.raises(InputError, match=r"table\.json is there .* not end in \.trec or \.txt, "):
        files.check_output(old, (".trec", ".txt"))
    with pytest.raises(InputError, match=r"is a folder; name a file that ends in \.json$"):
        files.check_output(old.parent, (".json",))


def test_what_is_read_is_not_replaced(old, monkeypatch):
    link = old.with_name("link.json")
    link.symlink_to(old)
    monkeypatch.chdir(old.parent)
    for path, read in ((old, "table.json"), (link, old), ("table.json", link)):
        with pytest.raises(InputError, match=r"\.json is read here and would be replaced; name"):
            files.check_output(path, (".json",), None, read)
    with pytest.raises(InputError, match=r"table\.json lies in \S+, which is read here and"):
        files.check_output(old, (".json",), old.parent)


def test_a_folder_that_cannot_be_written_is_seen_before_the_work(old, monkeypatch):
    with pytest.raises(InputError, match=r"^cannot write \S*a\.json: \S*table\.json is no folder"):
        files.check_output(old / "inside" / "a.json", (".json",))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(InputError, match=r"^cannot write \S*table\.json: Permission denied; "):
        files.check_output(old, (".json",))


def test_json_comes_back_and_is_the_same_bytes_whatever_the_order(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"b": [1, None], "a": "é"})
    first = path.read_bytes()
    assert files.read_json(path) == {"a": "é", "b": [1, None]}
    files.write_json(path, {"a": "é", "b": [1, None]})
    assert path.read_bytes() == first


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(old, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(old, {"recall": value})
    assert untouched(old)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"{", "is not readable JSON .* make it again"),
        (b"\xff{}", "is not readable JSON"),
        (b"[1]", "holds list, expected a JSON object"),
    ],
)
def test_json_that_cannot_be_used_is_named(tmp_path, content, message):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^\S*x\.json {message}"):
        files.read_json(path)


def test_sha256_is_of_the_content(old):
    assert files.sha256(old) == hashlib.sha256(b"old").hexdigest()


def test_one_of_lists_what_is_allowed():
    one_of("scale", "mini", {"mini": 1, "paper": 2})
    with pytest.raises(InputError, match=r"^scale 'huge' is unknown; allowed: mini, paper$"):
        one_of("scale", "huge", (name for name in ("mini", "paper")))
    with pytest.raises(InputError, match=r"allowed: CCA, ITQ; DCMH$"):  # names that hold commas
        one_of("method", "CCA", ("CCA, ITQ", "DCMH"))


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a": ' * 300 + "1" + "}" * 300,
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": ' + "9" * 400 + "}",
        '{"a": 1e999}',
        '{"a": [-1E+400]}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": "\\ud800"}',
    ],
    ids=lambda content: content[:10],
)
def test_json_that_would_break_its_readers_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"^\S*x\.json is not readable JSON \(.*\); make it again"):
        files.read_json(tmp_path / "x.json")


def test_json_of_large_numbers_that_fit_is_read(tmp_path):
    value = {"a": 1.7e308, "b": 5e-324, "c": "1e999", "d": 10**200, "e": "ab1e999"}
    files.write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == value


@pytest.mark.parametrize("size", [0, -1, MAX_SIDE + 1, 1.5, "16", None, True])
def test_a_size_out_of_bounds_is_refused(size):
    with pytest.raises(InputError, match=f"must be a whole number from 1 to {MAX_SIDE}"):
        check_size(size)
    assert check_size(MAX_SIDE) == MAX_SIDE


def test_a_culprit_is_named_once():
    with pytest.raises(InputError, match=r"^folder: no file$"), naming("folder"):
        raise InputError("no file")
    with pytest.raises(InputError, match=r"^folder/a.npz: no file$"), naming("folder"):
        raise InputError("folder/a.npz: no file")
