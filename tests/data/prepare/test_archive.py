"""Archives that lie, reach outside or are cut off."""

import io
import stat
import tarfile
import zipfile

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import archive as archives


def pack(path, entries: dict):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("images")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"../evil": b"x"}, r"'\.\./evil' lies outside"),
        ({"a/../../evil": b"x"}, "lies outside"),
        ({"/evil": b"x"}, "lies outside"),
        ({"..\\evil": b"x"}, "lies outside"),
        ({"C:/evil": b"x"}, "lies outside"),
        ({link(): b"/etc"}, "'images' is a link"),
        ({"big": b"0" * 2_000}, "unpacks to more than 1,000 bytes"),
    ],
)
def test_an_archive_that_reaches_outside_or_is_too_large_is_refused(
    tmp_path, monkeypatch, entries, message
):
    monkeypatch.setattr(archives, "MOST", 1_000)
    monkeypatch.setattr(archives, "TIMES", 0)
    archive = pack(tmp_path / "bad.zip", entries)
    with pytest.raises(InputError, match=message) as caught:
        archives.unpack(archive, tmp_path / "in" / "raw")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "in").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_truncated_or_damaged_archive_leaves_nothing(tmp_path):
    content = np.random.default_rng(0).bytes(500)
    whole = pack(tmp_path / "whole.zip", {"a": content, "b": content}).read_bytes()
    bad = tmp_path / "bad.zip"
    changed = bytearray(whole)
    changed[200] ^= 255
    for data in (*(whole[:n] for n in range(0, len(whole), 50)), whole[:-1], bytes(changed)):
        bad.write_bytes(data)
        with pytest.raises(InputError, match=r"bad\.zip is truncated or no zip") as caught:
            archives.unpack(bad, tmp_path / "in" / "raw")
        assert "\n" not in str(caught.value)
        assert list((tmp_path / "in").iterdir()) == []
    with pytest.raises(InputError, match=r"none\.zip does not exist"):
        archives.unpack(tmp_path / "none.zip", tmp_path / "in" / "raw")


def tar(path, entries: dict, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as file:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(content), kind, "/etc"
            file.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("../evil", tarfile.REGTYPE, r"'\.\./evil' lies outside"),
        ("/evil", tarfile.REGTYPE, "lies outside"),
        ("women", tarfile.SYMTYPE, "'women' is a link or a device"),
        ("women", tarfile.LNKTYPE, "'women' is a link or a device"),
        ("women", tarfile.FIFOTYPE, "'women' is a link or a device"),
    ],
)
def test_a_tar_file_that_reaches_outside_is_refused(tmp_path, name, kind, message):
    archive = tar(tmp_path / "bad.tar.gz", {name: b""}, kind)
    with pytest.raises(InputError, match=message):
        archives.unpack(archive, tmp_path / "in" / "raw")
    assert list((tmp_path / "in").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_cut_off_or_huge_tar_file_leaves_nothing(tmp_path, monkeypatch):
    content = np.random.default_rng(0).bytes(20_000)
    archive = tar(tmp_path / "women.tar.gz", {f"women/{i}.jpeg": content for i in range(3)})
    whole = archive.read_bytes()
    for length in (len(whole) // 3, len(whole) - 200):
        archive.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"women\.tar\.gz is truncated or no zip or tar"):
            archives.unpack(archive, tmp_path / "in" / "raw")
        assert list((tmp_path / "in").iterdir()) == []
    archive.write_bytes(whole)
    monkeypatch.setattr(archives, "MOST", 50_000)
    monkeypatch.setattr(archives, "TIMES", 0)
    with pytest.raises(InputError, match="unpacks to more than 50,000 bytes"):
        archives.unpack(archive, tmp_path / "in" / "raw")


@pytest.mark.parametrize("kind", [pack, tar])
def test_an_archive_comes_out_as_it_went_in(tmp_path, kind):
    content = {"a/x.txt": b"one", "a/b/y.txt": b"two", "z": b""}
    archives.unpack(kind(tmp_path / "archive", content), tmp_path / "raw")
    found = {
        str(path.relative_to(tmp_path / "raw")): path.read_bytes()
        for path in (tmp_path / "raw").rglob("*")
        if path.is_file()
    }
    assert found == content


def test_several_archives_share_a_folder_and_none_writes_over_another(tmp_path):
    pictures = tar(tmp_path / "pictures.tar.gz", {"women/a.jpeg": b"1"})
    texts = pack(tmp_path / "texts.zip", {"labels/a.txt": b"2", "queries.txt": b"3"})
    archives.unpack_into([pictures, texts], tmp_path / "raw")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [
        "labels", "queries.txt", "women",
    ]  # fmt: skip
    again = pack(tmp_path / "again.zip", {"new": b"4", "women/b.jpeg": b"5"})
    with pytest.raises(InputError, match=r"women exists, .*again\.zip holds it again"):
        archives.unpack_into([again], tmp_path / "raw")
    assert not (tmp_path / "raw" / "new").exists()


def test_unpacking_that_was_broken_off_starts_again(tmp_path, monkeypatch):
    """What stood there before stays, whatever the note says of it."""
    archive = pack(tmp_path / "raw.zip", {"a/1": b"1", "b": b"2", "c": b"3"})
    root = tmp_path / "raw"
    (root / "mine").mkdir(parents=True)
    moved = []
    rename = archives.Path.rename

    def stops(path, target):
        if len(moved) == 3:  # "content" itself, then two of three
            raise KeyboardInterrupt
        moved.append(path.name)
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(archives.Path, "rename", stops)
        with pytest.raises(KeyboardInterrupt):
            archives.unpack_into([archive], root)
    assert sorted(path.name for path in root.iterdir()) == ["a", "b", "mine"]
    archives.unpack_into([archive], root)
    assert sorted(path.name for path in root.iterdir()) == ["a", "b", "c", "mine"]
    assert not (tmp_path / ".raw.unpacking").exists()
    with pytest.raises(InputError, match=r"exists, .* holds it again"):
        archives.unpack_into([archive], root)
