"""What is opened is what was written: a sample always, every byte when asked."""

import json

import pytest
import tiny_photos

from cmir_repro import cli
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import digests
from cmir_repro.data.prepared import Prepared

PIXELS = "pixels-photo-a.npy"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Data of which the pixel files are larger than a sample of eight pieces."""
    monkeypatch.setattr(digests, "PIECES", 8)
    monkeypatch.setattr(digests, "PIECE", 64)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path))
    tiny_photos.write(tmp_path / "data" / "photos")
    return tmp_path / "data" / "photos"


def change(path, place):
    """Another byte at a place; the size stays."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def said(capsys, *words):
    with pytest.raises(SystemExit) as end:
        cli.app(list(words))
    return end.value.code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("place", [0, 63, -64, -1])
def test_a_change_within_the_sample_is_found_when_data_are_opened(photos, place):
    Prepared(photos)
    change(photos / PIXELS, place)
    with pytest.raises(InputError, match=rf"{PIXELS} is not what was written; delete photos"):
        Prepared(photos)


def test_samples_are_spread_over_the_file(photos):
    path = photos / PIXELS
    size, before = path.stat().st_size, digests.sample(path)
    found = set()
    for place in range(0, size, 31):
        change(path, place)
        if digests.sample(path) != before:
            found.add(place * 10 // size)  # which tenth
        change(path, place)
    assert len(found) >= 8


def test_verify_finds_what_a_sample_passes_over(photos, capsys):
    assert said(capsys, "verify", "photos") == (
        0,
        [f"{paths.shown(photos)}: every file is as it was written"],
    )
    change(photos / PIXELS, 64 + 5)  # between two pieces
    Prepared(photos)
    (photos / "queries.parquet").unlink()
    (photos / "pixels-photo-b.npy").write_bytes(b"short")
    status, lines = said(capsys, "verify", "photos")
    size = json.loads((photos / "dataset.json").read_text())["files"]["pixels-photo-b.npy"]["bytes"]
    assert (status, sorted(line.rpartition(": ")[2] for line in lines)) == (
        1,
        [
            f"{PIXELS} has the right size, but other content",
            f"pixels-photo-b.npy has 5 bytes, not {size:,}",
            "queries.parquet is missing",
        ],
    )


def test_data_without_samples_open_and_get_them_once_they_are_verified(photos, capsys):
    before, identity = (photos / digests.NAME).read_bytes(), Prepared(photos).manifest_hash
    (photos / digests.NAME).unlink()
    assert Prepared(photos).manifest_hash == identity
    change(photos / PIXELS, 0)
    assert said(capsys, "verify", "photos")[0] == 1
    assert not (photos / digests.NAME).exists()
    change(photos / PIXELS, 0)
    assert said(capsys, "verify", "photos")[0] == 0
    assert (photos / digests.NAME).read_bytes() == before


def test_samples_of_another_preparation_say_nothing(photos):
    stale = json.loads((photos / digests.NAME).read_text())
    stale[PIXELS] = {"sha256": "0", "sample": "0"}
    (photos / digests.NAME).write_text(json.dumps(stale))
    Prepared(photos)


def test_verify_refuses_what_is_no_data_set(photos, capsys):
    assert said(capsys, "verify", "bags")[0] == 2
    (photos / "dataset.json").write_text('{"files": 3}')
    with pytest.raises(InputError, match=r"dataset\.json: .*; delete the folder"):
        digests.verify(photos)
