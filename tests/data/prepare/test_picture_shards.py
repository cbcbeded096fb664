"""Pictures in and out as WebDataset shards."""

import io
import tarfile

import numpy as np
import pytest
from tiny_folder import ATTRIBUTES, prepare, write_photos

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.picture_shards import folder_of, write


@pytest.fixture
def photos(tmp_path, monkeypatch):
    return write_photos(tmp_path, monkeypatch)


def test_webdataset_reads_the_files_of_a_folder_as_they_were(photos, tmp_path):
    wds = pytest.importorskip("webdataset")
    count = write(photos / "images", tmp_path / "shards", 50, progress=False)
    files = sorted((tmp_path / "shards").glob("*.tar"))
    assert [file.name for file in files] == [f"pictures-0000{n}-of-00003.tar" for n in range(3)]
    read = wds.WebDataset([str(file) for file in files], shardshuffle=False)
    found = {sample["__key__"]: sample["jpg"] for sample in read}
    assert len(found) == count == 120
    for key, content in found.items():
        assert content == (photos / "images" / f"{key}.jpg").read_bytes()


def test_a_data_set_prepared_from_shards_is_that_of_the_folder(photos, tmp_path, monkeypatch):
    from_folder = prepare(photos, ATTRIBUTES, "photos.csv")
    write(photos / "images", tmp_path / "shards", 50, progress=False)
    (photos / "images").rename(photos / "elsewhere")
    (tmp_path / "shards").rename(photos / "images")
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "again"))
    from_shards = prepare(photos, ATTRIBUTES, "photos.csv")
    assert from_shards.folder != from_folder.folder
    assert from_shards.info["tables_sha256"] == from_folder.info["tables_sha256"]
    rows = np.arange(len(from_folder.images))
    np.testing.assert_array_equal(from_shards.take("photo", rows), from_folder.take("photo", rows))


def test_written_pixels_of_a_data_set_come_back(photos, tmp_path):
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    write(data.folder, tmp_path / "shards", 200, progress=False)
    (file,) = (tmp_path / "shards").glob("*.tar")
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert names == [f"{name}.png" for name in data.images["image"]]


def test_a_stopped_command_goes_on(photos, tmp_path):
    write(photos / "images", tmp_path / "shards", 50, progress=False)
    first, *others = sorted((tmp_path / "shards").glob("*.tar"))
    kept, stamp = first.read_bytes(), others[0].stat().st_mtime_ns
    first.unlink()
    write(photos / "images", tmp_path / "shards", 50, progress=False)
    assert first.read_bytes() == kept
    assert others[0].stat().st_mtime_ns == stamp


def refused(call, *parts):
    with pytest.raises(InputError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


def opened(folder):
    with folder_of(folder):
        pass


def test_what_cannot_be_a_shard_is_refused(photos, tmp_path):
    out = tmp_path / "shards"
    refused(lambda: write(tmp_path / "nowhere", out), "nowhere is neither a prepared data set")
    some = sorted((photos / "images").iterdir())[0]
    some.rename(some.with_name("a.b.jpg"))
    refused(lambda: write(photos / "images", out), "'a.b.jpg' has a dot")
    (photos / "images" / "a.b.jpg").unlink()
    write(photos / "images", out, 50, progress=False)
    refused(lambda: write(photos / "images", out, 40), "holds other shards")


def test_shards_that_are_missing_damaged_or_hostile_are_refused(photos, tmp_path):
    out = tmp_path / "shards"
    write(photos / "images", out, 50, progress=False)
    second = out / "pictures-00001-of-00003.tar"
    kept = second.read_bytes()
    second.unlink()
    refused(lambda: opened(out), "lacks the shard pictures-00001-of-00003.tar")
    second.write_bytes(kept[: len(kept) // 2])
    refused(lambda: opened(out), "pictures-00001-of-00003.tar is truncated")
    second.write_bytes((out / "pictures-00000-of-00003.tar").read_bytes())
    refused(lambda: opened(out), "pictures-00001-of-00003.tar holds ", "again")
    with tarfile.open(second, "w") as tar:
        member = tarfile.TarInfo("../outside.jpg")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    refused(lambda: opened(out), "lies outside the folder")
