"""Archives that lie, reach outside or are cut off."""

import stat
import zipfile

import numpy as np
import pytest

from cmir_repro.data import archive as archives
from cmir_repro.errors import InputError


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
        ({"/tmp/evil": b"x"}, "lies outside"),
        ({"..\\evil": b"x"}, "lies outside"),
        ({"C:/evil": b"x"}, "lies outside"),
        ({link(): b"/etc"}, "'images' is a link"),
        ({"big": b"0" * 2_000}, "unpacks to 2,000 bytes; at most 1,000"),
    ],
)
def test_an_archive_that_reaches_outside_or_is_too_large_is_refused(
    tmp_path, monkeypatch, entries, message
):
    monkeypatch.setattr(archives, "MAX_ARCHIVE", 1_000)
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
