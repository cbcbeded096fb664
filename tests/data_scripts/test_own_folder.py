"""A folder of pictures and a CSV, made small here, through the script that reads it."""

import json
from dataclasses import replace

import command_line
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_folder import (
    ATTRIBUTES,
    COLUMNS,
    change,
    columns_of,
    edited,
    prepare,
    refused,
    save,
    write_photos,
)

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.core.protocol import preset
from cmir_repro.data import prepared, training_pairs
from cmir_repro.data.prepare import own, pixels
from cmir_repro.data.prepare import pictures as picture_files
from cmir_repro.data.prepare.pictures import load_picture, square
from cmir_repro.data.prepared import Prepared
from data_scripts import own_folder as script


@pytest.fixture
def photos(tmp_path, monkeypatch):
    return write_photos(tmp_path, monkeypatch)


def test_every_picture_is_there_once_under_its_caption(photos):
    data = prepare(photos, ATTRIBUTES, "photos.csv", licence="CC0", source="https://a.example")
    raw = pd.read_csv(photos / "photos.csv").set_index("id")
    assert len(data.images) == 120  # one a picture
    for i, image in data.images.iterrows():
        values = [" ".join(raw.loc[image["image"], c].lower().split()) for c in COLUMNS]
        assert [image[c] for c in COLUMNS] == values
        assert image["caption"] == image["label"] == " ".join(values)
        file = photos / "images" / f"{image['image']}.jpg"
        np.testing.assert_array_equal(
            data.take("photo", np.array([i]))[0], square(load_picture(file), 8)
        )
    assert preset(data.info["protocol"]).name == "own/same-caption"
    assert data.info["tasks"] == {"photo": ["photo", "photo"]}
    assert data.info["provenance"]["kind"] == "photographs"
    assert (data.info["licence"], data.info["sources"]) == ("CC0", ["https://a.example"])
    assert str(photos) not in json.dumps(data.info)


def test_a_query_replaces_the_one_value_that_differs(photos):
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    images = data.images.set_index("image")
    assert set(data.queries["split"]) == {"val", "test"}
    assert set(data.queries["form"]) == set(COLUMNS)
    for _, query in data.queries.iterrows():
        source, target = images.loc[query["source"]], images.loc[query["target"]]
        assert source["split"] == target["split"] == query["split"]
        assert [c for c in COLUMNS if source[c] != target[c]] == [query["form"]]
        form = query["form"]
        assert query["text"] == f"replace {source[form]} with {target[form]}"
        assert source["label"] != target["label"]  # dropping the source leaves an answer


def test_each_image_with_a_sibling_asks_as_often_as_wished(photos):
    once = prepare(photos, ATTRIBUTES, "photos.csv")
    test = once.queries[once.queries["split"] == "test"]
    here = once.images[once.images["split"] == "test"]
    sources = training_pairs.build(once.info["training_pairs"], here).sources
    assert sorted(test["source"]) == sorted(here["image"].iloc[sources])
    more = prepare(photos, replace(ATTRIBUTES, queries_per_image=4), "photos.csv", name="more")
    assert len(more.queries) > 2 * len(once.queries)
    assert not more.queries.duplicated(["source", "text"]).any()
    assert more.queries.groupby("source").size().max() <= 4


def test_training_pairs_come_from_training(photos):
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    train = data.images[data.images["split"] == "train"]
    drawn = training_pairs.build(data.info["training_pairs"], train).draw(
        50, np.random.default_rng(0)
    )
    assert all(text.startswith("replace ") for text in drawn.texts)


def test_shares_of_the_splits(photos):
    split = prepare(photos, ATTRIBUTES, "photos.csv").images["split"]
    assert split.value_counts().to_dict() == {"train": 60, "val": 12, "test": 48}
    more = replace(ATTRIBUTES, val=0.0, test=0.5)
    data = prepare(photos, more, "photos.csv", name="other")
    assert data.images["split"].value_counts().to_dict() == {"train": 60, "test": 60}
    assert not (data.folder / "pixels-photo-val.npy").exists()


def test_held_out_pairs_of_values_are_in_test_alone_and_unseen_says_so(photos):
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    split = {name: table for name, table in data.images.groupby("split")}
    train, test = (columns_of(split[name], "colour", "type") for name in ("train", "test"))
    only_test = test - train - columns_of(split["val"], "colour", "type")
    assert len(only_test) >= 4  # 0.2 of 20 pairs
    # All pictures of a held-out pair are in test, and each value is still in training.
    for colour, kind in only_test:
        images = data.images[(data.images["colour"] == colour) & (data.images["type"] == kind)]
        assert set(images["split"]) == {"test"}
    assert set(split["train"]["colour"]) == set(data.images["colour"])
    assert set(split["train"]["type"]) == set(data.images["type"])
    images = data.images.set_index("image")
    for _, query in data.queries.iterrows():
        target = images.loc[query["target"]]
        assert query["unseen"] == ((target["colour"], target["type"]) not in train)
    assert 0 < data.queries["unseen"].sum() < len(data.queries)


def test_without_unseen_there_is_no_such_column(photos):
    data = prepare(photos, replace(ATTRIBUTES, unseen=()), "photos.csv")
    assert "unseen" not in data.queries


def test_a_column_of_splits_is_honoured(photos):
    named = ["train", "test", "val", "test"] * 30
    change(photos, "photos.csv", lambda t: t.assign(split=named))
    refused(photos, ATTRIBUTES, "photos.csv", "column split, and --unseen draws")
    settings = replace(ATTRIBUTES, unseen=())
    data = prepare(photos, settings, "photos.csv")
    assert data.images["split"].tolist() == named
    assert set(data.queries["split"]) == {"val", "test"}
    change(photos, "photos.csv", lambda t: t.assign(split="train"))
    with pytest.raises(InputError, match="column split has no row of test"):
        prepare(photos, settings, "photos.csv", name="other")
    change(photos, "photos.csv", lambda t: t.assign(split="test"))  # to be scored alone
    assert (
        len(prepare(photos, settings, "photos.csv", name="other").queries) == 120
    )  # one a picture


def test_pictures_of_the_same_pixels_are_reduced_to_the_first(photos):
    images = photos / "images"
    (images / "p043.jpg").write_bytes((images / "p003.jpg").read_bytes())  # the same file
    pixels_of = Image.fromarray(load_picture(images / "p005.jpg"))
    pixels_of.save(images / "p006.jpg", "PNG")  # other bytes, the same pixels, other attributes
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    assert len(data.images) == 118
    assert {"p003", "p005"} <= set(data.images["image"])
    assert not {"p043", "p006"} & set(data.images["image"])
    line = "pictures with the pixels of an earlier one: 2 (p006, p043); 1 of them had other"
    assert any(text.startswith(line) for text in data.info["left_out"])


@pytest.mark.parametrize("gap", ["", " ", "NA", "nan", "None", "null", "\u200b", "..."])
def test_rows_with_an_empty_attribute_are_left_out_and_counted(photos, gap):
    change(photos, "photos.csv", lambda t: t.assign(colour=t["colour"].where(t.index != 7, gap)))
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    assert "rows with an empty attribute: 1 (p007)" in data.info["left_out"]
    assert len(data.images) == 119


def test_missing_and_damaged_pictures_are_refused_or_counted(photos):
    (photos / "images" / "p009.jpg").unlink()
    cut = photos / "images" / "p010.jpg"
    cut.write_bytes(cut.read_bytes()[:-30])
    refused(photos, ATTRIBUTES, "photos.csv", r"p009\.jpg does not exist; 2 of the 120 pictures")
    data = prepare(photos, ATTRIBUTES, "photos.csv", allow_missing=True)
    assert data.info["coverage"] == {"images": {"here": 118, "listed": 120}}
    assert "pictures that cannot be read: 2 (p009, p010)" in data.info["left_out"]
    assert not {"p009", "p010"} & set(data.images["image"])


def test_an_ending_that_is_not_named_is_found_as_the_page_says(photos):
    (photos / "images" / "p009.jpg").rename(photos / "images" / "p009.JPEG")
    data = prepare(photos, replace(ATTRIBUTES, suffix=""), "photos.csv")
    named = prepare(photos, ATTRIBUTES, "photos.csv", name="named")
    assert data.images.equals(named.images)
    np.testing.assert_array_equal(data.pixels("photo", "test"), named.pixels("photo", "test"))


def test_the_ending_that_is_named_decides_between_two(photos):
    save(photos / "images" / "p009.png", 999)
    message = r"p009\.jpg and p009\.png differ in their endings alone"
    refused(photos, replace(ATTRIBUTES, suffix=""), "photos.csv", message)
    assert len(prepare(photos, ATTRIBUTES, "photos.csv").images) == 120


def test_the_same_arguments_give_the_same_bytes(photos, monkeypatch):
    first = prepare(photos, ATTRIBUTES, "photos.csv").folder
    monkeypatch.setenv("CMIR_DATA", str(photos / "again"))
    second = prepare(photos, ATTRIBUTES, "photos.csv").folder
    names = sorted(file.name for file in first.iterdir())
    assert names == sorted(file.name for file in second.iterdir())
    for name in names:
        assert sha256(first / name) == sha256(second / name), name
    other = prepare(photos, replace(ATTRIBUTES, seed=1), "photos.csv", name="other")
    assert other.info["tables_sha256"] != Prepared(first).info["tables_sha256"]


def test_a_broken_off_import_goes_on(photos, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 10)
    whole, read = picture_files.squares, []

    def fails(files, *rest):
        read.extend(files)
        if len(read) == 30:
            raise KeyboardInterrupt
        return whole(files, *rest)

    monkeypatch.setattr(picture_files, "squares", fails)
    with pytest.raises(KeyboardInterrupt):
        prepare(photos, ATTRIBUTES, "photos.csv")
    assert not (paths.data() / "mine" / "dataset.json").exists()
    broken = paths.data() / "mine"
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    assert len(read) == 120 + 10  # only the chunk that failed is read twice
    assert not list(broken.glob(".*.part"))
    monkeypatch.setattr(picture_files, "squares", whole)
    fresh = prepare(photos, ATTRIBUTES, "photos.csv", name="fresh")
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(data.pixels("photo", split), fresh.pixels("photo", split))


def test_pictures_exchanged_between_two_tries_are_read_again(photos, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(photos, ATTRIBUTES, "photos.csv")
    save(photos / "images" / "p005.jpg", 999)
    data = prepare(photos, ATTRIBUTES, "photos.csv")
    row = data.images.index[data.images["image"] == "p005"][0]
    now = square(load_picture(photos / "images" / "p005.jpg"), 8)
    np.testing.assert_array_equal(data.take("photo", np.array([row]))[0], now)


def test_what_a_try_with_other_shares_left_is_not_taken_along(photos):
    left = paths.data() / "mine" / "pixels-photo-val.npy"
    left.parent.mkdir(parents=True)
    np.save(left, np.zeros((3, 8, 8, 3), dtype=np.uint8))
    begun = left.with_name(".pixels-photo-train-0123.part")
    begun.write_bytes(b"half")
    data = prepare(photos, replace(ATTRIBUTES, val=0.0), "photos.csv")
    assert not begun.exists()
    assert sorted(data.info["files"]) == [
        "images.parquet", "pixels-photo-test.npy", "pixels-photo-train.npy", "queries.parquet",
    ]  # fmt: skip


def test_a_second_run_opens_what_is_there_or_refuses(photos, monkeypatch):
    prepare(photos, ATTRIBUTES, "photos.csv")
    monkeypatch.setattr(own, "pixel_digests", None)  # nothing is read again
    assert len(prepare(photos, ATTRIBUTES, "photos.csv").images) == 120  # one a picture
    for settings, options, message in (
        (replace(ATTRIBUTES, size=9), {}, "size 8, now asked for 9"),
        (replace(ATTRIBUTES, unseen=()), {}, "unseen .*now asked"),
        (ATTRIBUTES, {"licence": "MIT"}, "licence 'not stated', now asked for 'MIT'"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            prepare(photos, settings, "photos.csv", **options)
        assert "delete its dataset.json" in str(caught.value)
        assert "\n" not in str(caught.value)
    change(photos, "photos.csv", lambda table: table.iloc[1:])
    with pytest.raises(InputError, match="prepared with other csv_sha256"):
        prepare(photos, ATTRIBUTES, "photos.csv")


@pytest.mark.parametrize(
    "name", ["css", "css-mine", "fashion200k", "", ".", "..", "a/b", "../a", "/a", "A", "a b", "-a"]
)
def test_a_name_that_would_lie_elsewhere_is_refused(photos, name):
    refused(photos, ATTRIBUTES, "photos.csv", "--name .* cannot be used", name=name)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edited(id="p001"), "'p001' occurs twice"),
        (lambda table: table.assign(type=""), "every row has an empty attribute"),
        (edited(id=""), r"photos\.csv, row 1: '\.jpg' is no file name"),
        (edited(id="../p001"), r"photos\.csv, row 1: '\.\./p001\.jpg' is no path inside"),
        (lambda table: table.drop(columns="colour"), "column 'colour' is unknown"),
        (lambda table: table.rename(columns={"id": "name"}), "column 'id' is unknown"),
    ],
)
def test_impossible_attributes_are_named(photos, edit, message):
    change(photos, "photos.csv", edit)
    refused(photos, ATTRIBUTES, "photos.csv", message)


def test_two_meanings_of_one_caption_are_refused(photos):
    def edit(table):
        table.loc[0, ["colour", "type"]] = "red top", "hat"
        table.loc[1, ["gender", "colour", "type"]] = "women", "red", "top hat"
        return table

    change(photos, "photos.csv", edit)
    refused(photos, ATTRIBUTES, "photos.csv", "one caption, 'women red top hat'")


def test_attributes_without_siblings_are_refused(photos):
    change(photos, "photos.csv", lambda t: t.assign(colour=t["id"], gender=t["id"]))
    settings = replace(ATTRIBUTES, unseen=())
    refused(photos, settings, "photos.csv", "train: none of the 60 images has one that differs")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"val": 0.5, "test": 0.5}, "leave some to train"),
        ({"test": 0.0}, "leave some to train"),
        ({"val": float("nan")}, "leave some to train"),
        ({"size": 0}, "size 0 must be"),
        ({"queries_per_image": 0}, "at least 1"),
        ({"attributes": ("a", "a")}, "names a column twice"),
        ({"attributes": ("label", "a")}, "'label' has a name of ours"),
        ({"attributes": ("a", "b"), "unseen": ("a", "c")}, "must name two of"),
        ({"attributes": ("a", "b"), "unseen": ("a",)}, "must name two of"),
        ({"unseen_share": 1.0}, "between 0 and 1"),
        ({"size": 10**6}, "size 1000000 must be"),
    ],
)
def test_impossible_settings_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        script.Settings(**values)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2,3\n", b'a,b\n"1,2\n', b"a\n\xff\n", None])
def test_what_is_no_table_is_refused(photos, content):
    if content is None:
        (photos / "photos.csv").unlink()
    else:
        (photos / "photos.csv").write_bytes(content)
    refused(photos, ATTRIBUTES, "photos.csv", r"photos\.csv")


def test_one_number_in_two_spellings_is_refused(photos):
    change(photos, "photos.csv", lambda table: table.assign(colour=["1", "1.0"] * 60))
    refused(photos, ATTRIBUTES, "photos.csv", r"column 'colour' has '1' and '1\.0'")


def test_a_test_of_which_nothing_is_left_is_refused(photos):
    def edit(table):
        return table.assign(Split=["test"] + ["train", "val"] * 59 + ["train"])

    change(photos, "photos.csv", edit)
    (photos / "images" / "p000.jpg").unlink()
    plain = replace(ATTRIBUTES, unseen=())
    refused(photos, plain, "photos.csv", "no picture of test is left", allow_missing=True)


def test_a_wrong_folder_is_named(photos):
    (photos / "images").rename(photos / "pictures")
    refused(photos, ATTRIBUTES, "photos.csv", "images is no folder")
    (photos / "images").mkdir()
    refused(photos, ATTRIBUTES, "photos.csv", "nor can any other", allow_missing=True)


def test_the_command_prints_counts_and_one_line_of_error(photos, capsys):
    command = ["--name", "mine", "--csv", photos / "photos.csv", "--images", photos / "images"]
    command += ["--suffix", ".jpg", "--attributes", "gender,colour,type", "--size", "8"]
    command = [str(word) for word in command]
    command_line.run(script.prepare, *command)
    shown = capsys.readouterr().out
    assert "mine (photographs)" in shown
    assert ["distinct", "captions", "40"] in [line.split() for line in shown.splitlines()]
    with pytest.raises(InputError, match=r"mine was prepared with seed 0") as exit:
        command_line.run(script.prepare, *command, "--seed", "3")
    assert "\n" not in str(exit.value)


def test_the_product_photographs(real_data, tmp_path, monkeypatch):
    """Every tenth of the real ones, at 16 pixels: the command of the documentation, in small."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = real_data("product_photos")
    table = pd.read_csv(root / "metadata.csv", dtype=str, keep_default_na=False)
    table.iloc[::10].to_csv(tmp_path / "some.csv", index=False)
    columns = ("gender", "baseColour", "articleType")
    data = script.prepare(
        name="photos",
        csv=tmp_path / "some.csv",
        images=root / "images",
        suffix=".jpg",
        size=16,
        attributes=",".join(columns),
        unseen=",".join(columns[1:]),
    )
    counts = data.counts()
    assert 750 < counts["images"].sum() <= len(table.iloc[::10])
    assert counts.loc["test", "images"] == round(0.4 * counts["images"].sum())
    assert counts.loc["test", "queries"] > 0.8 * counts.loc["test", "images"]
    assert data.queries["unseen"].any()
    assert set(data.queries["form"]) == set(columns)
    assert data.pixels("photo", "test").std() > 20  # photographs, not blanks
