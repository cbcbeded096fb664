"""What is done with images and captions once they are read: audit, copies, splits, protocol."""

import json

import numpy as np
import pandas as pd
import pytest
import tiny_captions as tiny
from PIL import Image
from tiny_releases import draw, picture

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data import sentences
from cmir_repro.data.prepare import captions, checks
from cmir_repro.data.prepare.captions import ANY, RELEASES, Release
from cmir_repro.data.readers.captions import coco, csv_column, karpathy
from cmir_repro.evaluation import image_text


@pytest.fixture
def flickr(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    return karpathy(tiny.flickr30k(tmp_path / "dataset_flickr30k.json"))


@pytest.fixture
def photos(flickr, tmp_path):
    return draw(tmp_path / "photos", flickr.images["path"].tolist())


def prepare(found, pictures=None, name="tiny", release="other", made=None, **more):
    release = RELEASES[release] if isinstance(release, str) else release
    return captions.prepare(name, found, release, made or {}, pictures, size=8, **more)


def test_images_sentences_and_pixels(flickr, photos):
    data = prepare(flickr, photos)
    assert data.info["tasks"] == {"photo": ["photo", "photo"]}
    assert len(data.queries) == 0
    table = sentences.sentences(data)
    for split, count in tiny.SPLITS.items():
        found = sentences.pairs(data, table, split)
        assert found.image_ids.tolist() == tiny.ids(split)
        assert found.image_of.tolist() == [i for i in range(count) for _ in range(5)]
        assert found.texts == [text for image in tiny.ids(split) for text in tiny.said(image)]
        taken = data.take("photo", found.images)
        assert taken.shape == (count, 8, 8, 3)
        for image, pixels in zip(found.image_ids, taken, strict=True):
            assert (pixels == picture(image)[0, 0]).all()
    assert set(data.info["files"]) >= {"sentences.parquet", "pixels-photo-test.npy"}


def test_pictures_turned_upright_are_counted_and_told(flickr, photos, capsys):
    exif = Image.Exif()
    exif[0x112] = 3
    for path in flickr.images["path"][:2]:
        file = (photos / path).with_suffix(".png")
        with Image.open(file) as image:
            image.load()
        image.save(file, exif=exif)
    told = "pictures turned upright, as their EXIF says"
    data = checks.tell(prepare(flickr, photos))
    assert data.info["pictures"] == {told: 2}
    assert f"{told}: 2" in capsys.readouterr().out


def test_sentences_alone(flickr):
    data = prepare(flickr)
    assert data.views == []
    assert data.info["tasks"] == {}
    assert len(sentences.pairs(data, sentences.sentences(data), "train").texts) == 15


def test_the_audit_against_loops(tmp_path):
    found = coco(tiny.coco(tmp_path / "c.json"), None)
    change = found.sentences["text"].mask(found.sentences["image"] == f"{2:012d}", "A cat.")
    change = change.mask(found.sentences["sentence"] == f"{3:012d}#4", "A cat.")
    found = found._replace(sentences=found.sentences.assign(text=change))
    counts = captions.facts(found)
    assert counts["images, test"] == 10
    assert counts["images, train"] == counts["sentences, val"] == 0
    assert counts["sentences, test"] == 51
    assert counts["test images with other than five sentences"] == 1
    assert counts["test sentences that another test image has too"] == 6  # and not those of one
    assert counts["distinct sentences"] == 51 - 5
    for release in RELEASES.values():
        assert set(release.expected) <= set(counts)
        assert preset(release.protocol).direction == "both"


def test_a_missing_picture_says_what_it_costs(flickr, photos):
    (photos / "1001.png").unlink()
    (photos / "3000.png").unlink()
    with pytest.raises(
        InputError,
        match=r"photos/1001 .* is missing.*train 1 of 3 images, with 5 of its 15 sentences; "
        r"test 1 of 2 images, with 5 of its 10 sentences.*--allow-missing",
    ):
        prepare(flickr, photos)
    assert not (paths.data() / "tiny").exists()


def test_missing_pictures_can_be_left_out_and_are_named(flickr, photos):
    for name in ("1001", "3000"):
        (photos / f"{name}.png").unlink()
    data = prepare(flickr, photos, allow_missing=True)
    assert data.info["coverage"] == {
        "train/all": {"images": 3, "missing": 1, "sentences": 15, "lost": 5},
        "val/all": {"images": 2, "missing": 0, "sentences": 10, "lost": 0},
        "test/all": {"images": 2, "missing": 1, "sentences": 10, "lost": 5},
    }
    assert "images that are missing: 2; sentences about them: 10" in data.info["left_out"]
    table = sentences.sentences(data)
    assert len(table) == 25
    found = sentences.pairs(data, table, "test")
    assert found.image_ids.tolist() == ["3001"]
    assert (data.take("photo", found.images) == picture("3001")[0, 0]).all()
    protocol = preset(data.info["protocol"])
    assert "2 pictures missing" in protocol.name
    features = np.ones((1, 2)), np.ones((5, 2))
    assert image_text.ranks(*features, found.image_of, protocol).image_to_sentence.expected == [1]


def test_without_any_picture_there_is_nothing_to_allow(flickr, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"train 3 of 3 images.*Get them again, none is there"):
        prepare(flickr, tmp_path / "empty", allow_missing=True)
    with pytest.raises(InputError, match="is no folder; --images names"):
        prepare(flickr, tmp_path / "nowhere")


def test_a_truncated_picture_is_named(flickr, photos):
    file = photos / "2000.png"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"2000.png is no whole picture"):
        prepare(flickr, photos)
    assert not (paths.data() / "tiny" / "dataset.json").exists()
    data = prepare(flickr, photos, allow_missing=True)
    assert "2000" not in data.images["image"].tolist()
    assert "images that are damaged, counted as missing: 1 (2000)" in data.info["left_out"]


def test_a_protocol_needs_its_counts(flickr):
    exact = preset("flickr30k-1k")
    release = Release("flickr30k-1k", {}, [], "none")
    assert prepare(flickr, release=release).info["protocol"] == ANY  # 2 images, not 1,000
    fits = captions._protocol(
        release,
        *_many(exact.images, exact.sentences),
        {"test/all": {"missing": 0}},
    )
    assert fits == "flickr30k-1k"
    train = captions._protocol(
        release, *_many(exact.images, exact.sentences), {"train/all": {"missing": 3}}
    )
    assert preset(train).images == exact.images  # the test set is whole
    assert "3 pictures missing" in train
    six = captions._protocol(release, *_many(exact.images, 6), {"test/all": {"missing": 0}})
    assert six == ANY


def _many(images: int, each: int):
    names = [str(n) for n in range(images)]
    return (
        pd.DataFrame({"image": names, "split": "test"}),
        pd.DataFrame({"image": np.repeat(names, each)}),
    )


def test_a_second_run_opens_and_other_data_are_refused(flickr, photos):
    before = prepare(flickr, photos, made={"captions_per_image": 5}).manifest_hash
    assert prepare(flickr, photos, made={"captions_per_image": 5}).manifest_hash == before
    with pytest.raises(InputError, match="captions_per_image 5, now asked for 3"):
        prepare(flickr, photos, made={"captions_per_image": 3})
    with pytest.raises(InputError, match=r"prepared with pixels '8 x 8.*now asked for 'none'"):
        prepare(flickr, None, made={"captions_per_image": 5})
    other = flickr._replace(sentences=flickr.sentences.assign(text="a cat"))
    with pytest.raises(InputError, match="other tables_sha256"):
        prepare(other, photos, made={"captions_per_image": 5})


def test_the_manifest_names_files_and_no_folder_of_this_machine(flickr, photos, tmp_path):
    info = prepare(flickr, photos, release="flickr30k").info
    assert list(info["provenance"]["files"]) == ["dataset_flickr30k.json"]
    assert info["provenance"]["kind"] == "released"
    assert info["sources"]
    assert str(tmp_path) not in json.dumps(info)


@pytest.mark.parametrize("name", ["css", "../x", "A", "", "a b"])
def test_names_that_cannot_be_folders(flickr, name):
    with pytest.raises(InputError, match="cannot be used"):
        prepare(flickr, name=name)


def test_equal_pictures_are_one_with_all_their_sentences(tmp_path, photos):
    (tmp_path / "m.csv").write_text("id,name\na,one\nb,two\nc,three\nd,one\ngone,four\n")
    draw(photos, ["x/xxa", "x/xxb"])
    for name, like in (("a", "xxa"), ("b", "xxb"), ("c", "xxa"), ("d", "xxa")):
        (photos / f"{name}.png").write_bytes((photos / "x" / f"{like}.png").read_bytes())
    found = csv_column(tmp_path / "m.csv", "id", "name")
    merged = captions.merge_copies(found, photos)
    assert merged.images["image"].tolist() == ["a", "b", "gone"]
    told = merged.sentences.groupby("image", sort=False)["text"].agg(list).to_dict()
    assert told == {"a": ["one", "three", "one"], "b": ["two"], "gone": ["four"]}
    assert merged.sentences["sentence"].is_unique
    assert merged.left_out[-1].endswith("which got their sentences: 2")


def test_a_damaged_picture_is_no_copy_of_another(tmp_path, photos):
    (tmp_path / "m.csv").write_text("id,name\n1000,one\n1001,two\n")
    (photos / "1001.png").write_bytes(b"")
    found = csv_column(tmp_path / "m.csv", "id", "name")
    merged = captions.merge_copies(found, photos)  # with those that are missing, it is told later
    assert merged.images["image"].tolist() == ["1000", "1001"]
    with pytest.raises(InputError, match=r"1001.png is no whole picture.*damaged are 1 \(1001\)"):
        prepare(merged, photos)


def test_equal_bytes_in_another_shape_are_another_picture(tmp_path, photos):
    (tmp_path / "m.csv").write_text("id,name\na,one\nb,two\n")
    for name, shape in (("a", (2, 8, 3)), ("b", (8, 2, 3))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(photos / f"{name}.png")
    found = csv_column(tmp_path / "m.csv", "id", "name")
    assert len(captions.merge_copies(found, photos).images) == 2


def test_drawn_splits_have_their_shares_and_their_seed():
    splits = captions.drawn_splits(1000, 0.1, 0.25, 3)
    assert {s: int((splits == s).sum()) for s in tiny.SPLITS} == {
        "train": 650,
        "val": 100,
        "test": 250,
    }
    assert (splits == captions.drawn_splits(1000, 0.1, 0.25, 3)).all()
    assert (splits != captions.drawn_splits(1000, 0.1, 0.25, 4)).any()
    assert "val" not in captions.drawn_splits(10, 0.0, 0.2, 0)
    for val, test in ((0.5, 0.5), (-0.1, 0.2), (0.1, 0.0), (0.1, 0.001), (float("nan"), 0.2)):
        with pytest.raises(InputError, match="must be shares of the 10 images"):
            captions.drawn_splits(10, val, test, 0)


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("dataset_flickr30k.json", "flickr30k"),
        ("f30k_precomp", "flickr30k"),
        ("coco_karpathy_test.json", "coco"),
        ("coco_precomp", "coco"),
        ("dataset_flickr8k.json", "other"),
    ],
)
def test_a_file_says_what_it_is_of(name, release):
    assert captions.release_of(name) == release
