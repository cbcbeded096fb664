"""Ready region features through their script: from SCAN's layout, made small, to ours."""

import shutil

import command_line
import numpy as np
import pytest
import tiny_captions as tiny

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import sentences
from cmir_repro.data.prepared import Prepared
from data_scripts import regions as script


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    return tiny.regions(tmp_path / "f30k_precomp")


def run(root, *more) -> Prepared:
    command_line.run(script.prepare, "--root", str(root), "--partial", *more)
    return Prepared(paths.data() / "flickr30k-regions")


def refused(root, message, *more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(root, *more)
    assert "\n" not in str(caught.value)
    assert not (paths.data() / "flickr30k-regions" / "dataset.json").exists()


def change(file, edit) -> None:
    np.save(file, edit(np.load(file)))


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_one_row_an_image_whatever_the_file_repeats(root, precision):
    data = run(root, "--precision", precision)
    assert data.info["tasks"] == {"regions": ["regions", "regions"]}
    table = sentences.sentences(data)
    for split, part in (("train", "train"), ("val", "dev"), ("test", "test")):
        raw = np.load(root / f"{part}_ims.npy")
        raw = raw if part == "train" else raw[::5]
        found = sentences.pairs(data, table, split)
        assert found.image_ids.tolist() == tiny.ids(split)
        assert found.texts == [text for image in tiny.ids(split) for text in tiny.said(image)]
        stored = data.ready("regions", split)
        assert stored.dtype == precision
        assert (stored == raw.astype(precision)).all()
        taken = data.gather(found.images, lambda p: data.ready("regions", p))
        assert (taken == stored).all()
    assert "ready-regions-train.npy" in data.info["files"]
    assert data.views == []


def test_features_longer_than_a_chunk(root, monkeypatch):
    monkeypatch.setattr(script, "_CHUNK", 1)
    raw = np.load(root / "dev_ims.npy")[::5]
    assert (run(root).ready("regions", "val") == raw.astype(np.float16)).all()


def test_ids_an_image_or_none_at_all(root, tmp_path):
    shutil.rmtree(root)
    tiny.regions(root, ids_a_caption=False)
    assert run(root).images["image"].tolist() == [i for s in tiny.SPLITS for i in tiny.ids(s)]
    for file in root.glob("*_ids.txt"):
        file.unlink()
    command_line.run(script.prepare, "--root", str(root), "--partial", "--name", "no-ids")
    data = Prepared(paths.data() / "no-ids")
    assert data.images["image"][:2].tolist() == ["train_000000", "train_000001"]


def test_testall_comes_before_test(root):
    shutil.rmtree(root)
    tiny.regions(root, testall=True)
    data = run(root)
    files = data.info["provenance"]["files"]
    assert "testall_ims.npy" in files
    assert "test_ims.npy" not in files
    assert (data.images["split"] == "test").sum() == 2


def test_known_counts_are_demanded(root, capsys):
    with pytest.raises(InputError, match=r"6 of 6 counts .* flickr30k"):
        command_line.run(script.prepare, "--root", str(root))
    assert "expected 29,000" in capsys.readouterr().out
    assert not paths.data().exists()


def test_objects_are_never_unpickled(root):
    np.save(root / "dev_ims.npy", np.array([{"a": 1}] * 10, dtype=object), allow_pickle=True)
    refused(root, r"dev_ims.npy holds Python objects")


def test_arrays_that_are_damaged_or_others(root):
    file = root / "dev_ims.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    refused(root, r"dev_ims.npy is truncated")
    file.write_bytes(b"")
    refused(root, r"dev_ims.npy cannot be read")
    for edit in (lambda x: x[0], lambda x: x.astype(int)):
        file.write_bytes(whole)
        change(file, edit)
        refused(root, r"dev_ims.npy must be \(images, regions, D\) float")
    file.write_bytes(whole)
    change(file, lambda x: x[..., :3])
    refused(root, "features of different shapes")
    file.unlink()
    refused(root, r"dev_ims.npy does not exist")


def test_rows_and_captions_must_agree(root):
    change(root / "test_ims.npy", lambda x: x[:7])
    refused(root, r"test_ims.npy has 7 rows for 10 captions")


def test_rows_of_one_image_must_be_equal(root):
    def edit(array):
        array[8, 2, 1] += 1
        return array

    change(root / "test_ims.npy", edit)
    refused(root, r"test_ims.npy has a row a caption, but the 5 of an image differ \(images 1 to 2")


@pytest.mark.parametrize("value", [1e6, np.inf])
def test_values_that_do_not_fit_are_refused(root, value):
    def edit(array):
        array[0, 0, 0] = value
        return array

    change(root / "train_ims.npy", edit)
    refused(root, "train_ims.npy has values that float16 cannot hold; --precision float32")
    if np.isfinite(value):
        assert run(root, "--precision", "float32").ready("regions", "train")[0, 0, 0] == value


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("dev_caps.txt", lambda t: t.replace("A dog, number one, of 2000.", ""), "line 1 is blank"),
        ("dev_caps.txt", lambda t: "", "10 rows for 0 captions|has 10 rows"),
        ("dev_ids.txt", lambda t: t.replace("2000", "../etc", 1), "have different ids"),
        ("dev_ids.txt", lambda t: t.replace("2000", "../etc"), "dev_ids.txt, image 1: .* no path"),
        ("dev_ids.txt", lambda t: t.replace("2000", "1000"), "image '1000' is listed twice"),
        ("dev_ids.txt", lambda t: t[:-5], "dev_ids.txt has 9 lines for 2 images"),
    ],
)
def test_bad_text_files(root, name, edit, message):
    file = root / name
    file.write_text(edit(file.read_text()))
    refused(root, message)


def test_a_second_run_opens_and_other_files_are_refused(root):
    before = run(root).manifest_hash
    assert run(root).manifest_hash == before
    with pytest.raises(InputError, match="precision 'float16', now asked for 'float32'"):
        run(root, "--precision", "float32")
    change(root / "train_ims.npy", lambda x: x + 1)
    with pytest.raises(InputError, match="other files"):
        run(root)


def test_the_test_alone_can_be_scored_and_the_rest_is_told(root, capsys):
    for part in ("train", "dev"):
        (root / f"{part}_caps.txt").unlink()
    data = run(root)
    assert set(data.images["split"]) == {"test"}
    told = capsys.readouterr().out
    assert "absent: dev_caps.txt, so there is nothing of val" in told
    assert "no image is for training, so this can be scored, not trained on" in told


def test_a_folder_without_captions_is_refused(root):
    for file in root.glob("*_caps.txt"):
        file.unlink()
    refused(root, r"has no PART_caps.txt of train, dev, testall, test")
