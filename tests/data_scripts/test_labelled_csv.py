"""A CSV of attributes and texts through its script: categories, tags, and each picture once."""

import command_line
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import Prepared
from data_scripts import labelled_csv as script

COLOURS, KINDS = ("Red", "Blue"), ("Shirt", "Shoe", "Cap")


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


@pytest.fixture
def photos(tmp_path):
    """Thirty pictures of their own colour; p29 has no colour and no kind, and a word of its own."""
    folder, lines = tmp_path / "photos", ["id,colour,kind,name"]
    folder.mkdir()
    for number in range(30):
        Image.new("RGB", (6, 4), (number * 8, 50, 100)).save(folder / f"p{number:02d}.png")
        colour, kind = COLOURS[number % 2], KINDS[number % 3]
        row = (
            (colour, kind, f"{colour} {kind}, number {number}") if number < 29 else ("", "NA", "x")
        )
        lines.append(f'p{number:02d},{row[0]},{row[1]},"{row[2]}"')
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    return folder


def arguments(photos, *more) -> list[str]:
    given = ["--name", "tiny", "--csv", photos.parent / "m.csv", "--images", photos, "--size", 4]
    given += ["--id", "id", "--suffix", ".png", "--labels", "colour,kind", "--text", "name"]
    return [*map(str, (*given, "--at-least", 2, *more))]


def run(photos, *more) -> Prepared:
    command_line.run(script.prepare, *arguments(photos, *more))
    return Prepared(paths.data() / "tiny")


def refused(message, photos, *more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        command_line.run(script.prepare, *arguments(photos, *more))
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def edit(photos, old, new) -> None:
    path = photos.parent / "m.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_values_become_categories_and_words_tags(photos):
    data = run(photos)
    found = labelled(data)
    assert found.categories == [
        "colour: blue", "colour: red", "kind: cap", "kind: shirt", "kind: shoe"
    ]  # fmt: skip
    assert found.words == ["blue", "cap", "number", "red", "shirt", "shoe"]  # no number twice
    assert len(data.images) == 29
    assert "pictures without a category: 1 (p29)" in data.info["left_out"]
    for row, name in enumerate(found.ids):
        number = int(name[1:])
        said = {COLOURS[number % 2].lower(), KINDS[number % 3].lower()}
        carried = {found.categories[c].split(": ")[1] for c in np.flatnonzero(found.labels[row])}
        assert carried == said
        assert {found.words[d] for d in np.flatnonzero(found.text[row])} == said | {"number"}
    assert data.images["label"].iloc[0] == "colour: red; kind: shirt"
    shares = [len(x) for x in (found.train, found.val, found.query)]
    assert sum(shares) == 29
    assert shares[2] in (5, 6)
    audit = {row["fact"]: row["found"] for row in data.info["audit"]}
    both = found.labels[found.query].astype(int) @ found.labels[found.database].T > 0
    relevant = audit["pairs of query and database that are relevant, %"]
    assert relevant == pytest.approx(100 * both.mean(), abs=0.005)


def test_absent_values_are_no_category_and_no_tag(photos):
    for number, value in ((3, "None"), (4, "\u200b")):
        colour, kind = COLOURS[number % 2], KINDS[number % 3]
        edit(
            photos,
            f'p{number:02d},{colour},{kind},"{colour} {kind}, number {number}"',
            f'p{number:02d},{value},{kind},"{value}"',
        )
    data = run(photos)
    assert labelled(data).categories[:3] == ["colour: blue", "colour: red", "kind: cap"]
    assert "none" not in labelled(data).words
    assert "rows without a word in name: 2" in data.info["left_out"]


def test_a_column_of_splits_is_honoured(photos):
    path = photos.parent / "m.csv"
    lines, named = path.read_text().splitlines(), ["split", *["train", "val", "test"] * 10]
    path.write_text("\n".join(f"{a},{b}" for a, b in zip(lines, named, strict=True)) + "\n")
    images = run(photos).images
    assert images["split"].tolist() == named[1:30]
    edit(photos, ",val", ",gallery")
    with pytest.raises(InputError, match="row 2: split 'gallery' is unknown"):
        run(photos)


def test_one_name_in_two_folders_is_two_pictures(photos):
    (photos / "other").mkdir()
    (photos / "p04.png").rename(photos / "other" / "p05.png")
    edit(photos, "p04,", "other/p05,")
    assert {"p05", "other/p05"} <= set(run(photos).images["image"])


def test_pixels_lie_where_the_table_says(photos):
    data = run(photos)
    pixels = data.take("photo", np.arange(29))
    assert pixels.shape == (29, 4, 4, 3)
    reds = [int(name[1:]) * 8 for name in data.images["image"]]
    assert (pixels[:, 0, 0, 0] == reds).all()
    assert data.info["tasks"] == {"photo": ["photo", "photo"]}


def test_the_vocabulary_is_that_of_training_rows(photos):
    data = run(photos)
    test = data.images.loc[data.images["split"] == "test", "image"]
    (data.folder / "dataset.json").unlink()
    for name in test:  # a word that many pictures have, but none that is trained on
        edit(photos, f'number {int(name[1:])}"', f'number {int(name[1:])} secret"')
    again = run(photos)
    assert again.images.equals(data.images)
    assert "secret" not in labelled(again).words


def test_equal_pictures_are_one_with_the_tags_and_categories_of_all(photos):
    (photos / "p07.png").write_bytes((photos / "p02.png").read_bytes())
    data = run(photos)
    found = labelled(data)
    assert "p07" not in found.ids
    row = found.ids.tolist().index("p02")  # a red cap, and p07 is said to be a blue shoe
    carried = {found.categories[c] for c in np.flatnonzero(found.labels[row])}
    assert carried == {"colour: red", "kind: cap", "colour: blue", "kind: shoe"}
    assert {found.words[d] for d in np.flatnonzero(found.text[row])} >= {"red", "cap", "blue"}
    assert any("with the pixels of an earlier one" in n and "1 (p07)" in n for n in
               data.info["left_out"])  # fmt: skip


def test_opened_again_if_the_same_is_asked_for(photos):
    before = run(photos).manifest_hash
    assert run(photos).manifest_hash == before
    with pytest.raises(InputError, match="was prepared with"):
        command_line.run(script.prepare, *arguments(photos, "--seed", 5))
    Image.new("RGB", (6, 4), (1, 2, 3)).save(photos / "p03.png")
    with pytest.raises(InputError, match="other pictures_sha256"):
        command_line.run(script.prepare, *arguments(photos))


def test_missing_pictures_are_said_or_left_out(photos):
    (photos / "p05.png").unlink()
    refused(r"p05 \(.jpg, .png, .jpeg, .*\) is missing; missing are: all 1 of 30 pictures", photos)
    data = run(photos, "--allow-missing")
    assert "p05" not in data.images["image"].tolist()
    assert data.info["coverage"] == {"images": {"here": 29, "listed": 30}}
    (data.folder / "dataset.json").unlink()
    for file in photos.iterdir():
        file.unlink()
    refused("none is there", photos, "--allow-missing")


def test_what_cannot_be_used_is_one_line(photos):
    refused("column 'nope' is unknown", photos, "--text", "nope")
    refused("must name different columns", photos, "--labels", "colour,name")
    refused("must name different columns", photos, "--labels", ",")
    refused("--at-least 0 must be", photos, "--at-least", 0)
    refused("no word of name is in 1000 training rows", photos, "--at-least", 1000)
    refused("must be shares of the 30 images", photos, "--test", 0)
    (photos / "p05.png").write_bytes((photos / "p05.png").read_bytes()[:40])
    refused("p05.png is no whole picture", photos)
    edit(photos, "p06,", "p05,")
    refused("id 'p05' occurs twice", photos)
    edit(photos, "p05,", "../p05,")
    refused("is no path inside", photos)


def test_the_first_of_the_real_photographs(real_data, tmp_path):
    root = real_data("product_photos")
    lines = (root / "metadata.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "first.csv").write_text("".join(lines[:1001]), encoding="utf-8")
    given = ["--name", "tiny", "--csv", tmp_path / "first.csv", "--images", root / "images"]
    given += ["--id", "id", "--suffix", ".jpg", "--labels", "articleType,baseColour,gender"]
    command_line.run(script.prepare, *(*given, "--text", "name", "--size", 2))
    data = Prepared(paths.data() / "tiny")
    found = labelled(data)
    copies = next(line for line in data.info["left_out"] if "pixels of an earlier one" in line)
    assert "10187, 10189, 10244, 10644" in copies
    assert len(found.ids) + int(copies.split(": ")[1].split(" ")[0]) == 1000
    assert (found.labels.sum(1) >= 2).all()
    assert {"gender: men", "basecolour: blue"} & set(found.categories) == {"gender: men"}
    assert {"nike", "women", "tshirts"} <= set(found.words)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_a_picture_is_named(photos, split):
    """Missing pictures may leave a split empty, and so may the user's own column."""
    csv = photos.parent / "m.csv"
    rows = csv.read_text().splitlines()
    other = {"train": "test", "test": "train"}[split]
    csv.write_text("\n".join([f"{rows[0]},split", *(f"{row},{other}" for row in rows[1:])]) + "\n")
    with pytest.raises(InputError, match=f"no picture of {split} is left"):
        command_line.run(script.prepare, *arguments(photos))


def test_a_column_without_a_value_is_named(photos):
    path = photos.parent / "m.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(f'p{n:02d},nan,,"a shoe"' for n in range(30))]) + "\n")
    refused("m.csv: no picture of train has both a value in --labels colour,kind", photos)


def test_pictures_that_are_missing_are_counted_by_the_splits_of_the_csv(photos):
    path = photos.parent / "m.csv"
    splits = ["Split", *(["train", "test"] * 10), *(["val"] + ["train"] * 9)]
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"{a},{b}" for a, b in zip(lines, splits, strict=True)) + "\n")
    (photos / "p20.png").unlink()
    found = run(photos, "--allow-missing").info["coverage"]
    assert found["val images"] == {"here": 0, "listed": 1}
    assert found["test images"] == {"here": 10, "listed": 10}


def test_one_number_in_two_spellings_is_refused(photos):
    path = photos.parent / "m.csv"
    table = pd.read_csv(path, dtype=str).assign(kind=["1", "2.0", "1.0"] * 10)
    table.to_csv(path, index=False)
    refused(r"m\.csv: column 'kind' has '1' and '1\.0'", photos)
    table.assign(kind=["01", "1", "1.5"] * 10).to_csv(path, index=False)
    assert "kind: 01" in labelled(run(photos)).categories
