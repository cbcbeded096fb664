"""Ranked lists and judgements in files: what is written is read, and one line for the rest."""

import json

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.ranked_lists import (
    RankedList,
    read,
    read_judgements,
    write,
    write_judgements,
)

LISTS = {
    "2": RankedList(np.array(["b", "a", "c"]), np.array([0.75, 0.5, -0.125])),
    "10": RankedList(np.array(["c"]), np.array([1e-3])),
}


@pytest.mark.parametrize("name", ["run.trec", "run.parquet", "run.run"])
def test_what_is_written_is_read(name, tmp_path):
    write(tmp_path / name, LISTS)
    found = read(tmp_path / name)
    assert list(found) == list(LISTS)
    for query, wanted in LISTS.items():
        np.testing.assert_array_equal(found[query].items, wanted.items)
        np.testing.assert_allclose(found[query].scores, wanted.scores)


def test_a_trec_run_is_what_trec_eval_reads(tmp_path):
    write(tmp_path / "run.trec", LISTS, tag="mine")
    first, *_ = (tmp_path / "run.trec").read_text().splitlines()
    assert first == "2 Q0 b 1 0.75 mine"
    (tmp_path / "other.trec").write_text("1\tQ0\td7\t1\t1.5\tx\n\n1 Q0 d8 2 2.5 x\n")
    found = read(tmp_path / "other.trec")["1"].checked("1", {"d7", "d8"}, "")
    assert found.items.tolist() == ["d8", "d7"]  # by score, whatever the rank says


def test_lists_without_scores_keep_their_order(tmp_path):
    (tmp_path / "server.json").write_text(json.dumps({"version": "rc2", "7": [30, 20]}))
    found = read(tmp_path / "server.json")
    assert found["7"].items.tolist() == ["30", "20"]
    write(tmp_path / "run.trec", found)
    again = read(tmp_path / "run.trec")["7"]
    assert again.items.tolist() == ["30", "20"]
    assert again.scores.tolist() == [2.0, 1.0]


def test_judgements(tmp_path):
    write_judgements(tmp_path / "a.qrels", {"1": np.array(["x", "y"]), "2": np.array(["z"])})
    found = read_judgements(tmp_path / "a.qrels")
    assert {q: items.tolist() for q, items in found.items()} == {"1": ["x", "y"], "2": ["z"]}
    (tmp_path / "b.qrels").write_text("1 0 x 0\n1 0 y 2\n2 0 x -1\n")
    assert {q: i.tolist() for q, i in read_judgements(tmp_path / "b.qrels").items()} == {"1": ["y"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.trec", "1 Q0 x 1 0.5\n", "line 1: has 5 fields, TREC's format has 6"),
        ("a.trec", "1 Q0 x 1 high t\n", "the score of row 1 is 'high'"),
        ("a.trec", "1 Q0 x 1 nan t\n", "the score of row 1 is "),
        ("a.trec", "\n", "holds no ranked list"),
        ("a.json", '{"1": "x"}', "query '1': must be a list of ids, got 'x'"),
        ("a.json", '{"1": [[1]]}', "query '1': must be a list of ids"),
        ("a.json", '{"1": ["x"], "2": ["x"], "1": ["y"]}', "query '1' occurs twice; leave one of"),
        ("a.json", "[1]", "is no dict or empty"),
        ("a.parquet", "no", "is missing or no readable parquet"),
        ("a.csv", "no", "must end in .json, .parquet, .trec"),
    ],
)
def test_files_that_cannot_be_used(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["a", None], "the item of row 2 is empty; name every row's"),
        ([1.0, 2.0], "the column item is float64; ids are text or whole numbers"),
    ],
)
def test_ids_of_parquet_are_no_numbers_with_a_point(items, message, tmp_path):
    pd.DataFrame({"query": ["1", "1"], "item": items}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.parquet")


def test_parquet_needs_its_columns(tmp_path):
    pd.DataFrame({"query": ["a"], "image": ["b"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"has no column item \(it has query, image\)"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 x\n", "line 1: has 3 fields, TREC's format has 4"),
        ("1 0 x yes\n", "line 1: 'yes' is no grade"),
        ("1 0 x 0\n", "judges nothing as right"),
    ],
)
def test_judgements_that_cannot_be_used(text, message, tmp_path):
    (tmp_path / "a.qrels").write_text(text)
    with pytest.raises(InputError, match=message):
        read_judgements(tmp_path / "a.qrels")


def test_ids_with_blanks_do_not_fit_trec(tmp_path):
    with pytest.raises(InputError, match="'my dog' has a blank"):
        write(tmp_path / "a.trec", {"1": RankedList(np.array(["my dog"]))})
    assert not (tmp_path / "a.trec").exists()


def test_lists_are_as_they_are_told(tmp_path):
    found = RankedList(np.array(["a", "b", "c"]), np.array([1.0, 2.0, 2.0]))
    assert found.checked("q", {"a", "b", "c"}, "b").items.tolist() == ["c", "a"]
    groups = found.checked("q", {"a", "b", "c"}, "").groups(np.array([True, False, True]))
    assert (groups.items.tolist(), groups.relevant.tolist()) == ([2, 1], [1, 1])
    assert groups.before.tolist() == [0, 2]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a"])
def test_what_could_not_be_read_again_is_not_written(name, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.parquet, \.trec"):
        write(tmp_path / name, LISTS)
