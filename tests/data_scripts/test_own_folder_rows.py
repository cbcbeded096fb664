"""Pictures and a CSV of queries, source, text and target, through the script that reads them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_folder import ROWS, change, columns_of, edited, prepare, refused, write_rows

from cmir_repro.core.protocol import preset
from cmir_repro.data.prepare.pictures import load_picture, square


@pytest.fixture
def rows(tmp_path, monkeypatch):
    return write_rows(tmp_path, monkeypatch)


def test_rows_become_queries_word_for_word(rows):
    data = prepare(rows, ROWS, "rows.csv")
    table = pd.read_csv(rows / "rows.csv")
    names = ["source", "text", "target", "split"]
    assert columns_of(data.queries, *names) == columns_of(table, *names)
    assert len(data.images) == 24
    assert (data.images["label"] == data.images["image"]).all()
    assert data.info["protocol"] == "own/target"
    assert preset("own/target").drop_source
    assert "training_pairs" not in data.info
    row = data.images.index[data.images["image"] == "sub/b9"][0]
    file = rows / "images" / "sub" / "b9.png"
    shown = data.take("photo", np.array([row]))[0]
    np.testing.assert_array_equal(shown, square(load_picture(file), 8))
    assert data.info["coverage"]["test queries"] == {"here": 4, "listed": 4}


def test_rows_without_splits_stay_with_those_that_share_an_image(rows):
    def chain(table):
        table = table.drop(columns="split")
        table.loc[3, "source"] = table.loc[2, "target"]  # 2 and 3 are connected
        table.loc[5, "source"] = table.loc[2, "source"]  # and 5
        return table

    change(rows, "rows.csv", chain)
    data = prepare(rows, ROWS, "rows.csv")
    split = data.queries.set_index("text")["split"]
    assert split["is more 2"] == split["is more 3"] == split["is more 5"]
    assert set(split) == {"train", "val", "test"}
    assert data.images["image"].is_unique


def test_rows_that_are_all_connected_cannot_be_split(rows):
    change(rows, "rows.csv", lambda t: t.drop(columns="split").assign(source="a0"))
    refused(rows, ROWS, "rows.csv", "connected by shared images.*column split")


def test_a_missing_picture_says_what_it_costs(rows):
    change(rows, "rows.csv", lambda t: t.assign(source=t["source"].replace("a9", "a8")))
    (rows / "images" / "a8.png").unlink()
    message = (
        r"a8\.png does not exist; 1 of the 7 pictures of test cannot be read, which 2 of its 4"
    )
    refused(rows, ROWS, "rows.csv", message)
    data = prepare(rows, ROWS, "rows.csv", allow_missing=True)
    assert data.info["coverage"]["test queries"] == {"here": 2, "listed": 4}
    assert data.info["coverage"]["test images"] == {"here": 6, "listed": 7}
    assert "queries that need one of them: 2" in data.info["left_out"]
    assert "a8" not in set(data.images["image"])
    assert data.images["image"].tolist().count("sub/b8") == 1  # still in the gallery


def test_an_ending_that_is_not_named_is_found(rows):
    data = prepare(rows, replace(ROWS, suffix=""), "rows.csv")
    assert data.images.equals(prepare(rows, ROWS, "rows.csv", name="named").images)


def copied(rows, name: str, of: str) -> None:
    (rows / "images" / f"{name}.png").write_bytes((rows / "images" / f"{of}.png").read_bytes())


def test_of_equal_pictures_the_first_stands_for_all(rows):
    copied(rows, "a9", "a8")  # two sources of test
    copied(rows, "sub/b5", "a5")  # source and target of one query
    data = prepare(rows, ROWS, "rows.csv")
    queries = data.queries.set_index("text")
    assert queries.loc["is more 9", "source"] == queries.loc["is more 8", "source"] == "a8"
    assert queries.loc["is more 9", "target"] == "sub/b9"
    assert "is more 5" not in queries.index
    assert len(queries) == 11
    assert len(data.images) == 22
    assert not {"a9", "sub/b5"} & set(data.images["image"])
    assert "a5" in set(data.images["image"])  # still in the gallery
    lines = data.info["left_out"]
    assert "pictures with the pixels of an earlier one: 2 (a9, sub/b5)" in lines
    assert "queries whose source and target are one picture: 1" in lines
    for i, name in enumerate(data.images["image"]):
        shown = data.take("photo", np.array([i]))[0]
        file = rows / "images" / f"{name}.png"
        np.testing.assert_array_equal(shown, square(load_picture(file), 8))


def test_equal_pictures_connect_their_rows(rows):
    """Else one picture under two names would be in training and in the test."""
    for number in (1, 2):
        copied(rows, f"a{number}", "a0")
    change(rows, "rows.csv", lambda t: t.drop(columns="split"))
    for seed in range(5):
        data = prepare(rows, replace(ROWS, seed=seed), "rows.csv", name=f"mine-{seed}")
        split = data.queries.set_index("text")["split"]
        assert split["is more 0"] == split["is more 1"] == split["is more 2"]


def test_equal_pictures_in_two_splits_are_refused(rows):
    copied(rows, "a10", "a0")
    message = r"image 'a0' \(the same picture as a10\) is in train and test, .*one split"
    refused(rows, ROWS, "rows.csv", message)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edited(text=""), "row 1: text is empty"),
        (edited(text="???"), r"row 1: the text '\?\?\?' of source 'a0' has no word"),
        (edited(text="None"), "row 1: the text 'None' of source 'a0' has no word"),
        (edited(target=" "), "row 1: target is empty"),
        (edited(split="gallery"), "split 'gallery' is unknown"),
        (lambda table: table.assign(target=table["source"]), "no query is left; .*picture: 12"),
        (edited(source="a11"), "'a11' is in test and train|'a11' is in train and test"),
        (edited(source="../secret"), r"rows\.csv, row 1: '\.\./secret\.png' is no path inside"),
        (edited(source="/etc/passwd"), "row 1: .* is no path inside"),
        (edited(source="C:\\x"), "row 1: .* is no path inside"),
        (edited(source="a\\..\\..\\x"), "row 1: .* is no path inside"),
        (lambda table: table.drop(columns="text"), "no column text; give --attributes"),
        (lambda table: table.iloc[:0], "has no rows"),
    ],
)
def test_impossible_rows_are_named(rows, edit, message):
    change(rows, "rows.csv", edit)
    refused(rows, ROWS, "rows.csv", message)


def test_all_that_cannot_be_read_are_listed_with_what_each_split_loses(rows):
    table = pd.read_csv(rows / "rows.csv")
    first = table.drop_duplicates("split").set_index("split")["source"]
    for name in (first["train"], first["test"]):
        (rows / "images" / f"{name}.png").write_bytes(b"")
    message = (
        r"pictures of train cannot be read, which \d of its \d+ queries need; .* pictures of test "
        rf"cannot .* \(all in all 2 \({first['train']}, {first['test']}\)\)"
    )
    refused(rows, ROWS, "rows.csv", message)


def test_several_targets_of_a_source_and_a_text_are_all_right_answers(rows):
    def more(table):
        test = table[table["split"] == "test"]
        here = test["source"].iloc[0], test["text"].iloc[0]
        added = [
            (here[0], f"{here[1].upper()} !", test["target"].iloc[1], "test"),  # the same words
            (*here, test["target"].iloc[2], "test"),
            (*here, test["target"].iloc[2], "test"),  # again
            (here[0], "quite another", test["target"].iloc[3], "test"),
            (*table.loc[0, ["source", "text"]], table["target"].iloc[1], "train"),
        ]
        return pd.concat(
            [table, pd.DataFrame(added, columns=["source", "text", "target", "split"])]
        )

    change(rows, "rows.csv", more)
    data = prepare(rows, ROWS, "rows.csv")
    test = data.retrieval("test")
    source, text = "a8", "is more 8"
    query = next(q for q, said in enumerate(test.texts) if said == text)
    assert test.gallery_ids[test.source[query]] == source
    assert test.gallery_ids[test.target[query]] == "sub/b8"
    assert set(test.gallery_ids[test.also[query]]) == {"sub/b9", "sub/b10"}
    assert [len(rows) for q, rows in enumerate(test.also) if q != query] == [0] * 4
    train = data.queries[data.queries["split"] == "train"]
    assert len(train) == 7  # a row a target, to learn from
    facts = {row["fact"]: row["found"] for row in data.info["audit"]}
    assert list(facts.values()) == [1, 1, 3, 2]


def test_a_source_that_is_its_own_target_costs_that_query_alone(rows):
    change(rows, "rows.csv", edited(target="a0"))
    data = prepare(rows, ROWS, "rows.csv")
    assert len(data.queries) == 11
    assert "queries whose source and target are one picture: 1" in data.info["left_out"]


@pytest.mark.parametrize("name", ["valid", "Validation", "DEV", "val"])
def test_other_names_of_the_validation_split_are_read(rows, name):
    change(rows, "rows.csv", lambda t: t.assign(split=t["split"].replace("val", name)))
    assert (prepare(rows, ROWS, "rows.csv").queries["split"] == "val").sum() == 2
