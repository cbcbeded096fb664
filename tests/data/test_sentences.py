"""The table of sentences beside the images, and what a split of it is."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data import prepared, sentences
from cmir_repro.data.css.scenes import SHAPES, SHAPES_3D
from cmir_repro.data.css.sentences import describe
from cmir_repro.data.prepared import Prepared

INFO = {
    "name": "toy",
    "provenance": {"kind": "released"},
    "sources": [],
    "licence": "none",
    "left_out": [],
    "protocol": "coco-5k",
    "tasks": {},
}


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(sentences.COLUMNS), dtype=str)


SENTENCES = table(
    ("d0", "d", "a dog"),
    ("a0", "a", "a cat"),
    ("b0", "b", "a bird"),
    ("a1", "a", "the cat"),
    ("d1", "d", "the dog"),
)


@pytest.fixture
def data(tmp_path):
    """Images a to d, of which c has no sentence and b is in train."""
    images = pd.DataFrame(
        {
            "image": list("abcd"),
            "split": ["test", "train", "test", "test"],
            "part": ["test", "train", "test", "test"],
            "row": [0, 0, 1, 2],
            "label": list("abcd"),
        }
    )
    folder = tmp_path / "toy"
    sentences.write_sentences(folder, SENTENCES)
    prepared.write(folder, INFO, images, sentences.no_queries())
    return Prepared(folder)


def test_sentences_come_back_and_their_digest_is_recorded(data):
    assert sentences.sentences(data).to_dict("list") == SENTENCES.to_dict("list")
    assert sentences.FILE in data.info["files"]
    assert len(data.queries) == 0
    assert list(data.counts()["queries"]) == [0, 0, 0]


def test_a_changed_table_is_noticed(data):
    sentences.write_sentences(data.folder, SENTENCES.iloc[:1])
    with pytest.raises(InputError, match=r"sentences.parquet is missing or truncated"):
        Prepared(data.folder)


def test_a_split_against_a_loop(data):
    found = sentences.pairs(data, SENTENCES, "test")
    images, ids, of, texts = [], [], [], []
    for row, image in enumerate(data.images["image"]):
        mine = [s for s in SENTENCES.itertuples() if s.image == image]
        if data.images["split"][row] != "test" or not mine:
            continue
        for s in mine:
            ids.append(s.sentence)
            texts.append(s.text)
            of.append(len(images))
        images.append(row)
    assert found.images.tolist() == images == [0, 3]
    assert found.image_ids.tolist() == ["a", "d"]
    assert found.sentence_ids.tolist() == ids == ["a0", "a1", "d0", "d1"]
    assert found.image_of.tolist() == of
    assert found.image_of.dtype == found.images.dtype == np.int64
    assert found.texts == texts


def test_an_empty_split_and_an_unknown_one_are_refused(data):
    with pytest.raises(InputError, match="no image of the split 'val' has a sentence"):
        sentences.pairs(data, SENTENCES, "val")
    with pytest.raises(InputError, match="split 'dev' is unknown"):
        sentences.pairs(data, SENTENCES, "dev")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (SENTENCES.drop(columns="text"), "the column text is missing"),
        (table(("s", "a", "x"), ("s", "b", "y")), "sentence id 's' is twice"),
        (table(("s", "z", "x")), "1 sentences are of images that are not there, first 'z'"),
        (table(("s", "a", " \n")), "sentence 's' has no word"),
        (table(("s", "a", "\u2026")), "sentence 's' has no word"),
        (
            pd.DataFrame([("s", "a", 3)], columns=list(sentences.COLUMNS)),
            "text holds int64",
        ),
        (pd.DataFrame([("s", None, "x")], columns=list(sentences.COLUMNS)), "column image holds"),
    ],
)
def test_bad_tables(data, bad, message):
    bad.to_parquet(data.folder / sentences.FILE)
    with pytest.raises(InputError, match=message):
        sentences.sentences(data)


def test_a_data_set_without_sentences_or_with_a_damaged_file(data):
    path = data.folder / sentences.FILE
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"sentences.parquet is no readable"):
        sentences.sentences(data)
    path.unlink()
    with pytest.raises(InputError, match="'toy' has no sentences"):
        sentences.sentences(data)


def test_a_task_of_data_without_pictures_says_how_to_get_them(data):
    with pytest.raises(InputError, match=r"toy was prepared without pictures; .* --images FOLDER"):
        sentences.image_text(data, "photo")
    (data.folder / sentences.FILE).unlink()
    with pytest.raises(InputError, match="has no sentences"):
        sentences.image_text(data, "photo")


def test_composed_retrieval_is_told_who_reads_sentences(data):
    message = r"^toy has no queries of an image and a text; .* by cmir run aai --dataset toy$"
    with pytest.raises(InputError, match=message):
        data.check_composed()


def test_scenes_are_described_once_a_split(tiny_css):
    told = sentences.sentences(tiny_css, "3d")
    sentences.check(told, tiny_css.images, "css")
    first = {}
    for image in tiny_css.images.itertuples():
        first.setdefault((image.split, image.label), image.image)
    assert set(told["image"]) == set(first.values())
    assert len(first) < len(tiny_css.images)
    assert len(told) == 5 * len(first)
    label = tiny_css.images.set_index("image")["label"]
    for image, some in told.iloc[:100].groupby("image", sort=False):
        assert some["text"].tolist() == describe([label[image]], SHAPES_3D, 0)[0]
    for split in ("train", "val", "test"):
        found = sentences.pairs(tiny_css, told, split)
        assert len(found.texts) == 5 * len(found.images)
        here = tiny_css.images.loc[tiny_css.images["split"] == split, "label"]
        labels = tiny_css.images["label"].iloc[found.images]
        assert sorted(labels) == sorted(set(here))
        assert (np.bincount(found.image_of) == 5).all()


def test_a_view_names_shapes_as_it_shows_them(tiny_css):
    words = {
        view: set(" ".join(sentences.sentences(tiny_css, view)["text"]).split())
        for view in ("2d", "3d")
    }
    assert set(SHAPES) <= words["2d"]
    assert not set(SHAPES) & words["3d"]
    assert set(SHAPES_3D) <= words["3d"] | {w + "," for w in SHAPES_3D}
    for view in ("photo", None):
        with pytest.raises(InputError, match=rf"view of css with sentences {view!r} is unknown"):
            sentences.sentences(tiny_css, view)


def test_a_task_says_view_protocol_and_whether_captions_are_whole(tiny_css, data):
    found = sentences.image_text(tiny_css, "2d")
    assert (found.view, found.protocol, found.whole) == ("2d", "css/image-sentence", True)
    assert found.table.equals(sentences.sentences(tiny_css, "2d"))
    with pytest.raises(InputError, match="task of css '3d-3d' is unknown; allowed: 2d, 3d"):
        sentences.image_text(tiny_css, "3d-3d")
    data.info["tasks"], data.info["protocol"] = {"photo": ["photo", "photo"]}, "coco-5k"
    found = sentences.image_text(data, "photo")
    assert (found.view, found.protocol, found.whole) == ("photo", "coco-5k", False)
    assert found.table.equals(sentences.sentences(data))
