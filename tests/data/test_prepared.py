"""The prepared layout: what is written is read back, and what is wrong is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data import prepared
from cmir_repro.data.prepared import Prepared

INFO = {
    "name": "toy",
    "provenance": {"kind": "rendered"},
    "sources": [],
    "licence": "MIT",
    "left_out": [],
    "protocol": "tirg/css",
    "tasks": {"3d-3d": ["3d", "3d"], "2d-3d": ["2d", "3d"]},
}


def tables(sources: int = 20, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A train and a test split of `sources` sources, each with two targets; labels repeat."""
    rng = np.random.default_rng(seed)
    images, queries = [], []
    for part in ("train", "test"):
        count = 3 * sources
        ids = [f"{part}_{i}" for i in range(count)]
        labels = rng.choice(list("abcdefgh"), count)
        images += [(ids[i], part, part, i, labels[i]) for i in range(count)]
        queries += [
            (f"{part}_q{i}", part, ids[i % sources], ids[sources + i], f"make it {labels[i]}")
            for i in range(2 * sources)
        ]
    return (
        pd.DataFrame(images, columns=prepared.IMAGE_COLUMNS),
        pd.DataFrame(queries, columns=prepared.QUERY_COLUMNS),
    )


@pytest.fixture
def toy(tmp_path):
    """A prepared data set in `tmp_path`, with its pictures by (view, part)."""
    images, queries = prepared.hold_out(*tables(), fraction=0.2, seed=0)
    # Rows in another order than the pixel files: `row` must decide.
    images = images.sample(frac=1, random_state=0).reset_index(drop=True)
    pictures = {}
    for view, shape in (("2d", (4, 5, 3)), ("3d", (6, 7, 3))):
        for part in ("train", "test"):
            rng = np.random.default_rng(len(pictures))
            pictures[view, part] = rng.integers(0, 256, (60, *shape), dtype=np.uint8)
            np.save(tmp_path / f"pixels-{view}-{part}.npy", pictures[view, part])
    prepared.write(tmp_path, INFO, images, queries)
    return tmp_path, images, queries, pictures


def test_what_is_written_is_read_back(toy):
    folder, images, queries, pictures = toy
    data = Prepared(folder)
    assert data.images.to_dict("list") == images.to_dict("list")
    assert data.queries.to_dict("list") == queries.to_dict("list")
    assert {key: data.info[key] for key in INFO} == INFO
    assert data.views == ["2d", "3d"]
    for (view, part), pixels in pictures.items():
        np.testing.assert_array_equal(data.pixels(view, part), pixels)
    assert data.info["counts"]["val"] == {"images": 12, "queries": 8}
    assert data.counts().loc["val", "images"] == 12
    assert data.counts()["queries"].sum() == 80


def test_pictures_are_taken_by_image_whatever_file_they_lie_in(toy):
    folder, images, _, pictures = toy
    rows = np.array([17, 3, 3, 101, 60, 8])
    taken = Prepared(folder).take("3d", rows)
    for picture, row in zip(taken, rows, strict=True):
        image = images.iloc[row]
        np.testing.assert_array_equal(picture, pictures["3d", image["part"]][image["row"]])
    assert Prepared(folder).take("3d", rows[:0]).shape == (0, 6, 7, 3)


def test_any_array_of_a_part_is_gathered_as_its_pictures_are(toy):
    folder, images, _, _ = toy
    values = {
        part: np.random.default_rng(i).random((60, 2)) for i, part in enumerate(("train", "test"))
    }
    rows = np.array([90, 0, 17, 17])
    found = Prepared(folder).gather(rows, values.__getitem__)
    assert found.dtype == np.float64
    for value, row in zip(found, rows, strict=True):
        image = images.iloc[row]
        np.testing.assert_array_equal(value, values[image["part"]][image["row"]])


def test_a_file_beside_the_pixels_is_no_part_of_the_data_set(toy):
    folder, images, queries, _ = toy
    before = Prepared(folder).manifest_hash
    np.save(folder / "features-net-3d-train.npy", np.zeros(3))
    prepared.write(folder, INFO, images, queries)
    assert Prepared(folder).manifest_hash == before
    assert Prepared(folder).views == ["2d", "3d"]


@pytest.mark.parametrize("split", prepared.SPLITS)
def test_a_retrieval_task_is_what_the_tables_say(toy, split):
    folder, images, queries, _ = toy
    task = Prepared(folder).retrieval(split)
    gallery = [i for i in range(len(images)) if images["split"][i] == split]
    assert task.gallery.tolist() == gallery
    assert task.gallery_ids.tolist() == [images["image"][i] for i in gallery]
    assert task.gallery_labels.tolist() == [images["label"][i] for i in gallery]
    rows = [row for row in queries.itertuples() if row.split == split]
    assert task.query_ids.tolist() == [row.query for row in rows]
    assert task.texts == [row.text for row in rows]
    assert task.gallery_ids[task.source].tolist() == [row.source for row in rows]
    assert task.gallery_ids[task.target].tolist() == [row.target for row in rows]
    assert task.query_labels.tolist() == task.gallery_labels[task.target].tolist()


def test_the_manifest_hash_covers_every_file(toy):
    folder, images, queries, pictures = toy
    before = Prepared(folder).manifest_hash
    assert before == Prepared(folder).manifest_hash
    np.save(folder / "pixels-2d-test.npy", 255 - pictures["2d", "test"])
    prepared.write(folder, INFO, images, queries)
    assert Prepared(folder).manifest_hash != before


def test_hold_out_moves_whole_sources_with_their_queries_and_targets():
    before_images, before = tables()
    images, queries = prepared.hold_out(before_images, before, fraction=0.2, seed=0)
    val = queries[queries["split"] == "val"]
    train = queries[queries["split"] == "train"]
    assert val["source"].nunique() == 4  # a fifth of 20
    assert len(val) == 8
    assert not set(val["source"]) & set(train["source"])
    seen = {split: set(images.loc[images["split"] == split, "image"]) for split in prepared.SPLITS}
    assert seen["val"] == set(val["source"]) | set(val["target"])
    assert not seen["val"] & (set(train["source"]) | set(train["target"]))
    prepared.check_tables(images, queries, "toy")
    # Nothing but the split changes, and nothing at all in the test split or the input.
    assert images.drop(columns="split").equals(before_images.drop(columns="split"))
    assert queries.drop(columns="split").equals(before.drop(columns="split"))
    assert (queries["split"] == "test").equals(before["split"] == "test")
    assert before.equals(tables()[1])
    assert before_images.equals(tables()[0])


def test_hold_out_depends_on_its_seed_and_not_on_the_order_of_the_queries():
    images, queries = tables()

    def held(queries, seed):
        _, split = prepared.hold_out(images, queries, 0.2, seed)
        return set(split.loc[split["split"] == "val", "query"])

    assert held(queries, 0) == held(queries.iloc[::-1].reset_index(drop=True), 0)
    assert held(queries, 0) != held(queries, 1)


def test_hold_out_takes_at_least_one_source():
    _, queries = prepared.hold_out(*tables(), fraction=0.001, seed=0)
    assert (queries["split"] == "val").sum() == 2


def put(table: str, row: int, column: str, value: object):
    def change(images, queries):
        which = {"images": images, "queries": queries}[table]
        which[column] = which[column].astype(object)
        which.loc[row, column] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("images", 1, "image", "train_0"), "images id 'train_0' occurs twice"),
        (put("queries", 1, "query", "train_q0"), "queries id 'train_q0' occurs twice"),
        (put("images", 1, "label", None), "images column label has empty values"),
        (put("images", 1, "split", "dev"), "images split 'dev' is unknown"),
        (put("queries", 1, "split", "dev"), "queries split 'dev' is unknown"),
        (put("queries", 1, "source", "gone"), "1 queries have a source that is no image.*'gone'"),
        (put("queries", 1, "target", "gone"), "1 queries have a target that is no image.*'gone'"),
        (put("queries", 1, "target", "test_5"), "target in another split.*'train_q1'"),
        (put("queries", 1, "source", "test_5"), "source in another split.*'train_q1'"),
        (put("queries", 1, "text", " \t"), "query 'train_q1' of source .* has no word"),
        (put("queries", 1, "text", "???"), "query 'train_q1' of source .* has no word"),
        (lambda images, queries: images.pop("row"), "lacks the columns row"),
        (lambda images, queries: queries.pop("text"), "lacks .* text"),
    ],
)
def test_tables_that_would_spoil_an_evaluation_are_refused(tmp_path, change, message):
    images, queries = tables()
    change(images, queries)
    with pytest.raises(InputError, match=message) as caught:
        prepared.write(tmp_path, INFO, images, queries)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "dataset.json").exists()


@pytest.mark.parametrize("key", prepared.INFO_KEYS)
def test_a_data_set_must_say_what_it_is(tmp_path, key):
    info = {name: value for name, value in INFO.items() if name != key}
    with pytest.raises(InputError, match=f"lacks {key}"):
        prepared.write(tmp_path, info, *tables())


@pytest.mark.parametrize("name", ["pixels-3d-train.npy", "images.parquet", "queries.parquet"])
def test_truncated_and_missing_files_are_refused(toy, name):
    path = toy[0] / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=name) as caught:
        Prepared(toy[0])
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(InputError, match=name):
        Prepared(toy[0])


def test_a_folder_without_a_manifest_is_not_prepared(toy):
    (toy[0] / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"dataset\.json does not exist"):
        Prepared(toy[0])


def test_a_damaged_manifest_is_refused(toy):
    path = toy[0] / "dataset.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not readable JSON"):
        Prepared(toy[0])
    for key in ("files", "protocol", "tasks"):  # the last two: prepared before they were asked for
        info = json.loads(whole)
        del info[key]
        path.write_text(json.dumps(info))
        with pytest.raises(InputError, match=rf"dataset\.json: lacks {key}; delete the folder"):
            Prepared(toy[0])


def test_a_task_of_data_without_pictures_says_how_to_get_them(tmp_path):
    prepared.write(tmp_path, {**INFO, "tasks": {}}, *tables())
    with pytest.raises(InputError, match=r"toy was prepared without pictures; .* --images FOLDER"):
        Prepared(tmp_path).views_of("photo")


def test_an_unknown_view_or_split_is_refused(toy):
    data = Prepared(toy[0])
    with pytest.raises(InputError, match="allowed: 2d, 3d"):
        data.pixels("4d", "train")
    with pytest.raises(InputError, match="allowed: train, val, test"):
        data.retrieval("dev")
