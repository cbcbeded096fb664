"""Copies between what is trained on and what is scored, told in every layout."""

import numpy as np
import pandas as pd
from PIL import Image
from tiny_captions import flickr30k, regions

from cmir_repro.data.prepare.overlap import overlap
from data_scripts import captions
from data_scripts import regions as region_script


def images(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "split", "part", "row"])


def test_copies_are_counted_by_their_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3), np.uint8)
    pixels[3] = pixels[0]
    np.save(tmp_path / "pixels-photo-a.npy", pixels)
    table = images(
        ("t", "train", "a", 0), ("v", "val", "a", 1), ("x", "test", "a", 2), ("y", "test", "a", 3)
    )
    assert overlap(tmp_path, table) == {"pictures of test that train has too (photo)": 1}


def test_one_picture_in_two_splits_is_a_copy_of_itself(tmp_path):
    np.save(tmp_path / "pixels-photo-a.npy", np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3))
    table = images(("t", "train", "a", 0), ("v", "val", "a", 0))
    assert overlap(tmp_path, table) == {"pictures of val that train has too (photo)": 1}


def test_what_is_in_the_database_alone_is_not_trained_on(tmp_path):
    np.save(tmp_path / "ready-image-all.npy", np.ones((2, 3), np.float32))
    table = images(("t", "train", "all", 0), ("x", "test", "all", 1))
    told = {"pictures of test that train has too (image)": 1}
    assert overlap(tmp_path, table.assign(trains=[True, False])) == told
    assert overlap(tmp_path, table.assign(trains=[False, False])) == {}


def test_a_release_of_captions_tells_its_copies(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    file = flickr30k(tmp_path / "dataset_flickr8k.json")
    for number, name in enumerate((1000, 1001, 1002, 2000, 2001, 3000, 3001)):
        colour = (0, 0, 0) if name in (1000, 3001) else (9, 25 * number, 99)
        (tmp_path / "im").mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), colour).save(tmp_path / "im" / f"{name}.png")
    data = captions.prepare(karpathy=file, images=tmp_path / "im", size=8)
    assert data.info["overlap"] == {"pictures of test that train has too (photo)": 1}
    assert "pictures of test that train has too (photo): 1" in capsys.readouterr().out


def test_a_release_of_regions_tells_its_copies(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = regions(tmp_path / "mine")
    train, test = (np.load(root / f"{part}_ims.npy") for part in ("train", "test"))
    test[:5] = train[0]
    np.save(root / "test_ims.npy", test)
    (root / "test_caps.txt").write_text((root / "train_caps.txt").read_text().split("\n", 5)[5])
    data = region_script.prepare(root=root)
    assert data.info["overlap"] == {
        "pictures of test that train has too (regions)": 1,
        "sentences of test that train has too": 10,
    }
