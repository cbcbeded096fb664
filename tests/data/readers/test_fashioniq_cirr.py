"""FashionIQ and CIRR as released become tables, or one line says what is wrong with a file."""

import pytest
from tiny_releases import change, cirr, fashioniq, write

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import fashioniq_cirr


@pytest.fixture
def fiq(tmp_path):
    return fashioniq(tmp_path)


@pytest.fixture
def rc2(tmp_path):
    return cirr(tmp_path)


def test_a_picture_is_a_row_for_every_list_that_has_it(fiq):
    images = fashioniq_cirr.fashioniq(fiq).images
    assert len(images) == 36
    assert images["image"].is_unique
    rows = images[images["label"] == "B0SHARED"]
    assert rows["image"].tolist() == ["val/shirt/B0SHARED", "val/toptee/B0SHARED"]
    assert sorted(images.loc[images["label"] == "B0TWICE", "split"]) == ["train", "val"]


def test_fashioniq_triplets(fiq):
    queries = fashioniq_cirr.fashioniq(fiq).queries.set_index("query")
    assert len(queries) == 18
    row = queries.loc["val/shirt/00000"]
    assert row.to_dict() == {
        "split": "val",
        "category": "shirt",
        "source": "val/shirt/B0VALSHIRT0",
        "target": "val/shirt/B0VALSHIRT1",
        "text": "is longer and in val",
        "caption_1": "is longer",
        "caption_2": "in val",
    }
    assert queries.loc["val/toptee/00000", "text"] == "is longer and "
    assert (queries.loc[queries["split"] == "test", "target"] == "").all()


def test_cirr_triplets_keep_their_six_images(rc2):
    found = fashioniq_cirr.cirr(rc2)
    row = found.queries.set_index("query").loc["val/101"]
    assert row["source"] == "dev-1-0-img1"
    assert row["target"] == "dev-3-0-img1"
    assert row["members"].split() == [f"dev-{i}-0-img{i % 2}" for i in range(1, 7)]
    assert found.images.set_index("image").loc["train-2-0-img0", "path"] == (
        "train/34/train-2-0-img0"
    )
    assert found.absent == []


def test_cirr_without_the_captions_of_train(tmp_path):
    found = fashioniq_cirr.cirr(cirr(tmp_path, train_captions=False))
    assert found.absent == ["captions/cap.rc2.train.json"]
    assert set(found.queries["split"]) == {"val", "test"}
    assert (found.images["split"] == "train").sum() == 8


def test_cirr_without_any_captions_is_refused(rc2):
    for file in (rc2 / "captions").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="nor does that of any other split"):
        fashioniq_cirr.cirr(rc2)


CAP, SPLIT = "captions/cap.dress.val.json", "image_splits/split.dress.val.json"


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        (CAP, lambda v: v[1].update(candidate="B0NOWHERE"), r"entry 1: image 'B0NOWHERE' is not"),
        (CAP, lambda v: v[1].update(target="B0NOWHERE"), r"entry 1: image 'B0NOWHERE' is not"),
        (CAP, lambda v: v[0].update(target=["a"]), r"entry 0: image \['a'\] is not"),
        (CAP, lambda v: v[0].pop("candidate"), "candidate is None, expected str"),
        (CAP, lambda v: v[0].update(captions=["one"]), "expected two strings"),
        (CAP, lambda v: v[0].update(captions=["one", None]), "expected two strings"),
        (CAP, lambda v: v.insert(0, 3), "entry 0 is no dictionary"),
        (SPLIT, lambda v: v.append(v[0]), "'B0VALDRESS0' is listed twice"),
        (SPLIT, lambda v: v.append("../../outside"), "no image id"),
        (SPLIT, lambda v: v.append(".."), "no image id"),
        (SPLIT, lambda v: v.append(7), "7 is no image id"),
        (SPLIT, lambda v: v.clear(), "is no list or empty"),
    ],
)
def test_what_fashioniq_cannot_say(fiq, file, edit, message):
    change(fiq / file, edit)
    with pytest.raises(InputError, match=message) as caught:
        fashioniq_cirr.fashioniq(fiq)
    assert "\n" not in str(caught.value)


RC2_CAP, RC2_SPLIT = "captions/cap.rc2.val.json", "image_splits/split.rc2.val.json"


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        (RC2_CAP, lambda v: v[0].update(reference="dev-7-0-img1"), "must be two of img_set"),
        (RC2_CAP, lambda v: v[0].update(target_hard="dev-7-0-img1"), "must be two of img_set"),
        (RC2_CAP, lambda v: v[0].update(target_hard=v[0]["reference"]), "must be two of img_set"),
        (RC2_CAP, lambda v: v[0]["img_set"]["members"].append("dev-2-0-img0"), "once each"),
        (RC2_CAP, lambda v: v[0]["img_set"]["members"].append("dev-9"), "'dev-9' is not in"),
        (RC2_CAP, lambda v: v[0].update(pairid="x"), "pairid is 'x', expected int"),
        (RC2_SPLIT, lambda v: v.update(evil="../../etc/passwd"), "no path inside"),
        (RC2_SPLIT, lambda v: v.update(evil="/etc/passwd"), "no path inside"),
        (RC2_SPLIT, lambda v: v.update({"two words": "./a.png"}), "no image id"),
    ],
)
def test_what_cirr_cannot_say(rc2, file, edit, message):
    change(rc2 / file, edit)
    with pytest.raises(InputError, match=message) as caught:
        fashioniq_cirr.cirr(rc2)
    assert "\n" not in str(caught.value)


def test_files_that_are_absent_or_damaged(fiq):
    (fiq / CAP).write_text("[{")
    with pytest.raises(InputError, match=r"cap\.dress\.val\.json is not readable JSON"):
        fashioniq_cirr.fashioniq(fiq)
    (fiq / CAP).write_text("[" * 100_000)
    with pytest.raises(InputError, match="not readable JSON"):
        fashioniq_cirr.fashioniq(fiq)
    (fiq / CAP).unlink()
    with pytest.raises(InputError, match=r"does not exist; the release has folders captions"):
        fashioniq_cirr.fashioniq(fiq)
    write(fiq / CAP, {"a": 1})
    with pytest.raises(InputError, match="is no list"):
        fashioniq_cirr.fashioniq(fiq)
