"""Missing and damaged pictures are found, listed and left out all at once."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import missing
from cmir_repro.data.prepare.missing import by_split, damage, present
from cmir_repro.data.prepare.pictures import draw_pictures, places

NAMES = [f"p{number}" for number in range(8)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Eight pictures; p1 is empty, p4 broken off, p6 missing."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    folder = tmp_path / "im"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
    for name, pixels in zip(NAMES, noise, strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.jpg")
    (folder / "p1.jpg").write_bytes(b"")
    (folder / "p4.jpg").write_bytes((folder / "p4.jpg").read_bytes()[:-60])
    (folder / "p6.jpg").unlink()
    return folder


def costs(here):
    return [f"train {(~here).sum()} of {len(here)} images"]


def test_all_are_refused_in_one_line(folder):
    with pytest.raises(InputError) as found:
        present(folder, NAMES, costs, False)
    message = str(found.value)
    assert "train 3 of 8 images" in message
    assert "missing are 1 (p6) and damaged are 2 (p1, p4)" in message
    assert "--allow-missing" in message
    assert "\n" not in message
    with pytest.raises(InputError, match=r"Replace what is damaged$"):
        present(folder, NAMES, costs, None)


def test_all_are_left_out_at_once_and_said(folder, capsys):
    files, here, notes = present(folder, NAMES, costs, True)
    assert [file.stem for file in files] == ["p0", "p2", "p3", "p5", "p7"]
    assert np.flatnonzero(~here).tolist() == [1, 4, 6]
    assert notes == ["images that are damaged, counted as missing: 2 (p1, p4)"]
    assert "damaged are 2 (p1, p4): train 3 of 8 images" in capsys.readouterr().out


def test_where_nothing_is_whole_nothing_can_be_left_out(folder):
    with pytest.raises(InputError, match="none is there"):
        present(folder, ["p1", "p4", "p6"], costs, True)


def test_what_was_found_is_kept_until_a_file_changes(folder, monkeypatch):
    files = [folder / f"{name}.jpg" for name in NAMES[:6]]
    first = damage(files)
    assert (first != "").tolist() == [False, True, False, False, True, False]
    monkeypatch.setattr(missing, "reasons", None)  # nothing is decoded again
    assert damage(files).tolist() == first.tolist()
    monkeypatch.undo()
    monkeypatch.setenv("CMIR_DATA", str(folder.parent / "data"))
    (folder / "p1.jpg").write_bytes((folder / "p0.jpg").read_bytes())
    assert (damage(files) != "").tolist() == [False, False, False, False, True, False]


def test_damage_that_is_met_while_drawing_is_listed_in_full(folder, tmp_path):
    names = NAMES[:6]
    images = places(pd.DataFrame({"image": names, "label": names, "split": "train"}))
    files = [folder / f"{name}.jpg" for name in names]
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"p1\.jpg is no .*damaged are 2 \(p1\.jpg, p4\.jpg\)"):
        draw_pictures(tmp_path / "out", images, files, 8)


def test_costs_are_told_split_by_split():
    here = np.array([True, False, False, True, False])
    costs = by_split(["train", "train", "test", "val", "test"])
    assert costs(here) == ["train 1 of 2 pictures", "test 2 of 2 pictures"]
    assert costs(here | True) == []


def test_pictures_that_differ_in_their_endings_alone_are_refused(folder):
    Image.new("RGB", (24, 24)).save(folder / "p5.png")
    with pytest.raises(InputError, match=r"p5.jpg and p5.png differ in their endings alone"):
        present(folder, NAMES, costs, True)
    assert len(present(folder, ["p0", "p2"], costs, True)[0]) == 2  # nobody asks for p5


def test_what_is_here_is_counted_split_by_split():
    here = np.array([True, False, True])
    assert missing.coverage(None, here) == {"images": {"here": 2, "listed": 3}}
    assert missing.coverage(["train", "val", "train"], here) == {
        "train images": {"here": 2, "listed": 2},
        "val images": {"here": 0, "listed": 1},
    }
