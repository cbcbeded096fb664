"""Files of features: what is read back, and one plain line for each way they can be wrong."""

import contextlib

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.evaluation.features import (
    Truth,
    align,
    images_of,
    load_features,
    save_features,
    truth_of,
)
from cmir_repro.evaluation.recall import score_files

IDS = np.array(["a", "b", "c"])
X = np.arange(6, dtype=np.float32).reshape(3, 2) + 1


def refused(message, call, *arguments, **more):
    with pytest.raises(InputError, match=message) as caught:
        call(*arguments, **more)
    assert "\n" not in str(caught.value)


def test_what_is_saved_is_read_back(tmp_path):
    path = tmp_path / "new" / "f.npz"
    save_features(path, IDS, X, labels=[1, 1, 2], source=["b", "", "a"], made_by="a model")
    found = load_features(path)
    assert found.ids.tolist() == ["a", "b", "c"]
    assert found.labels.tolist() == [1, 1, 2]
    assert found.source.tolist() == ["b", "", "a"]
    np.testing.assert_array_equal(found.features, X)
    assert np.load(path)["made_by"] == "a model"
    save_features(path, IDS.astype(object), X)
    assert load_features(path).labels is None


def test_a_refused_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "f.npz"
    save_features(path, IDS, X)
    refused("occurs twice, rows 0 and 1", save_features, path, ["a", "a", "c"], X)
    refused("extra holds Python objects", save_features, path, IDS, X, extra=[{}, {}, {}])
    refused("must end in .npz", save_features, tmp_path / "f.npy", IDS, X)
    assert load_features(path).ids.tolist() == ["a", "b", "c"]
    assert [p.name for p in tmp_path.iterdir()] == ["f.npz"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"labels": np.eye(3)}, r"labels are one class a row, \(N,\), got \(3, 3\); .*categories"),
        ({"categories": [1, 2, 0]}, r"categories must be .*; one class a row is the key labels"),
        ({"categories": np.eye(3)[:2]}, r"categories must be \(N, C\).*, got \(2, 3\) .* 3 feat"),
        ({"categories": np.eye(3) * 2}, "categories row 0 holds other numbers than 0 and 1"),
    ],
)
def test_classes_that_do_not_fit_say_which_key_does(tmp_path, more, message):
    np.savez(tmp_path / "f.npz", ids=IDS, features=X, **more)
    refused(message, load_features, tmp_path / "f.npz")


def test_boolean_codes_and_categories_are_read(tmp_path):
    np.savez(tmp_path / "f.npz", ids=IDS, features=X > 2, categories=np.eye(3, dtype=int))
    found = load_features(str(tmp_path / "f.npz"))
    assert found.features.dtype == np.uint8
    np.testing.assert_array_equal(found.features, X > 2)
    np.testing.assert_array_equal(found.categories, np.eye(3) == 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": IDS}, r"f\.npz has no key features \(it has ids\)"),
        ({"features": X}, r"f\.npz has no key ids"),
        ({}, r"it has nothing"),
        ({"ids": IDS.astype(object), "features": X}, "key ids of .*Python objects.*astype"),
        ({"ids": np.arange(3), "features": X}, "ids must be strings, got int64"),
        ({"ids": np.array(["a", "b", ""]), "features": X}, "id of row 2 is empty"),
        ({"ids": np.array(["a", "b", "a"]), "features": X}, "'a' occurs twice, rows 0 and 2"),
        ({"ids": IDS[:2], "features": X}, r"3 features but ids of shape \(2,\)"),
        ({"ids": IDS[:, None], "features": X}, r"ids of shape \(3, 1\)"),
        ({"ids": IDS, "features": X[0]}, r"features must be \(N, D\) numbers, got \(2,\)"),
        ({"ids": IDS, "features": X.astype(str)}, "must be .* numbers"),
        ({"ids": IDS, "features": X, "labels": [1, 2]}, "labels of shape"),
        ({"ids": IDS, "features": X, "labels": [0.5, 1, 2]}, "whole numbers or strings"),
        ({"ids": IDS, "features": X, "source": [0, 1, 2]}, "source must be strings"),
        ({"ids": IDS, "features": X, "source": ["a"]}, "source of shape"),
        ({"ids": IDS, "features": X, "image": [0, 1, 2]}, "image must be strings, got int64"),
        ({"ids": IDS, "features": X, "image": ["a"]}, "image of shape"),
        ({"ids": IDS, "features": np.where(X == 3, np.nan, X)}, r"first row 1 \(id 'b'\)"),
        ({"ids": IDS, "features": np.where(X > 3, np.inf, X)}, "of 2 rows are NaN"),
    ],
)
def test_a_wrong_npz_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "f.npz", **arrays)
    refused(message, load_features, tmp_path / "f.npz")


def test_a_file_that_is_not_one_is_refused(tmp_path):
    path = tmp_path / "f.npz"
    refused("f.npz does not exist", load_features, path)
    for content in (b"", b"not numpy", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        refused("f.npz (cannot be read|holds Python objects)", load_features, path)
    with path.open("wb") as file:
        np.save(file, X)
    refused("single array, not an npz", load_features, path)
    refused("must end in .npz or .npy", load_features, tmp_path / "f.pt")


def test_damage_anywhere_is_refused_or_harmless(tmp_path):
    good, path = tmp_path / "good.npz", tmp_path / "f.npz"
    save_features(good, IDS, X)
    content = good.read_bytes()
    refusals = []
    for place in range(0, len(content), 3):
        for damaged in (content[:place], content[:place] + b"\xff\x00" + content[place + 2 :]):
            path.write_bytes(damaged)
            with contextlib.suppress(InputError):
                load_features(path)
                continue
            refusals.append(place)
    assert len(refusals) > 0.5 * len(content) / 3


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path):
    (tmp_path / "ids.txt").write_text("a\n")
    with (tmp_path / "f.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**9)}
        np.lib.format.write_array_header_1_0(file, header)
    refused("f.npy is truncated", load_features, tmp_path / "f.npy", tmp_path / "ids.txt")


def test_npy_takes_its_ids_from_text_or_csv(tmp_path):
    np.save(tmp_path / "f.npy", X)
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    (tmp_path / "ids.csv").write_text('label,id,source\nhat,a,b\n"cap, red",b,\nhat,c,a\n')
    assert load_features(tmp_path / "f.npy", tmp_path / "ids.txt").ids.tolist() == ["a", "b", "c"]
    found = load_features(tmp_path / "f.npy", tmp_path / "ids.csv")
    assert found.labels.tolist() == ["hat", "cap, red", "hat"]
    assert found.source.tolist() == ["b", "", "a"]
    np.testing.assert_array_equal(found.features, X)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ids.txt", "a\nb\n", "ids.txt lists 2 ids and .*f.npy has 3 rows"),
        ("ids.txt", "a\nb\nc\n\n", "ids.txt lists 4 ids"),
        ("ids.txt", "a\nb\n\n", "id of row 2 is empty"),
        ("ids.tsv", "id\tlabel\na\tx\nb\ty\n", "ids.tsv lists 2 ids"),
        ("ids.txt", "a\nb\nb\n", "'b' occurs twice"),
        ("ids.csv", "name\na\nb\nc\n", "column 'id' is unknown; allowed: name"),
        ("ids.csv", "", "is empty"),
        ("ids.csv", "id, id\na,x\nb,y\nc,x\n", "column 'id' 2 times"),
        ("ids.csv", 'id,label\na,"x\nb,y\nc,x\n', "correct the quotes"),
        ("none.txt", None, "none.txt does not exist"),
    ],
)
def test_a_wrong_ids_file_is_refused(tmp_path, name, text, message):
    np.save(tmp_path / "f.npy", X)
    if text is not None:
        (tmp_path / name).write_text(text)
    refused(message, load_features, tmp_path / "f.npy", tmp_path / name)


def test_refusals_of_scores_name_files_and_where_a_key_belongs(tmp_path):
    q, g, ids = (tmp_path / name for name in ("q.npz", "f.npy", "ids.txt"))
    np.save(g, X)
    ids.write_text("a\nb\nc\n")
    save_features(q, IDS, X, labels=np.arange(3))
    rule = preset("own/target").changed(drop_source=False)
    refused("f.npy has no labels; add the column label to a CSV", score_files, q, g, rule,
            gallery_ids=ids)  # fmt: skip
    table = tmp_path / "ids.csv"
    table.write_text("id,label\na,0\nb,1\nc,2\n")
    refused("q.npz and .*f.npy: labels must be all", score_files, q, g, rule, gallery_ids=table)


def test_npy_and_npz_are_not_mistaken(tmp_path):
    np.save(tmp_path / "f.npy", X)
    refused("has no ids; name the file", load_features, tmp_path / "f.npy")
    save_features(tmp_path / "g.npz", IDS, X)
    refused("carries its own ids", load_features, tmp_path / "g.npz", tmp_path / "ids.txt")
    (tmp_path / "g.npz").rename(tmp_path / "g.npy")
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    refused("is an npz", load_features, tmp_path / "g.npy", tmp_path / "ids.txt")
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe\x00")
    refused("no whole text file", load_features, tmp_path / "f.npy", tmp_path / "ids.txt")


def test_pickled_code_in_an_npy_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    np.save(tmp_path / "f.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    refused("can run code", load_features, tmp_path / "f.npy", tmp_path / "ids.txt")
    assert not (tmp_path / "ran").exists()


def test_align_puts_features_in_the_expected_order(tmp_path):
    save_features(tmp_path / "f.npz", IDS, X)
    found = load_features(tmp_path / "f.npz")
    np.testing.assert_array_equal(align(found, ["c", "a", "b"]), X[[2, 0, 1]])
    np.testing.assert_array_equal(align(found, IDS), X)
    np.testing.assert_array_equal(align(found, ["b"]), X[[1]])  # the file may hold more
    refused("lacks 2 of 4 expected ids, first 'd'; its", align, found, ["a", "d", "e", "b"])


def test_what_a_protocol_needs_must_be_in_the_files(tmp_path):
    save_features(tmp_path / "q.npz", IDS, X, labels=[1, 2, 3])
    save_features(tmp_path / "g.npz", IDS, X)
    q, g = load_features(tmp_path / "q.npz"), load_features(tmp_path / "g.npz")
    refused("g.npz has no labels", truth_of, q, g, need_source=False)
    refused("q.npz has no source", truth_of, q, q, need_source=True)
    assert truth_of(q, q, need_source=False).source_rows() is None


def test_sources_are_gallery_ids(tmp_path):
    truth = Truth(IDS, np.arange(3), np.array(["x", "y"]), np.arange(2), np.array(["y", "", "x"]))
    assert truth.source_rows().tolist() == [1, -1, 0]
    refused(
        "source 'c' of query 'a'", Truth(IDS, IDS, IDS[:2], IDS[:2], IDS[[2, 0, 0]]).source_rows
    )


def test_queries_and_gallery_must_have_the_same_width(tmp_path):
    save_features(tmp_path / "q.npz", IDS, X[:, :1], labels=IDS, source=["", "", ""])
    save_features(tmp_path / "g.npz", IDS, X, labels=IDS)
    css = preset("tirg/css")
    refused("1 dimensions, the gallery 2", score_files, tmp_path / "q.npz", tmp_path / "g.npz", css)


def test_sentences_say_which_image_they_describe(tmp_path):
    save_features(tmp_path / "i.npz", IDS, X)
    save_features(tmp_path / "s.npz", ["s", "t", "u", "v"], X[[0, 1, 2, 0]], image=list("caac"))
    images, sentences = load_features(tmp_path / "i.npz"), load_features(tmp_path / "s.npz")
    assert images_of(sentences, images).tolist() == [2, 0, 0, 2]
    refused("i.npz does not say which image a sentence describes", images_of, images, images)
    save_features(tmp_path / "s.npz", ["s", "t"], X[:2], image=["a", "d"])
    refused("image 'd' of sentence 't' is not in .*i.npz", images_of,
            load_features(tmp_path / "s.npz"), images)  # fmt: skip
    np.save(tmp_path / "s.npy", X)
    (tmp_path / "s.csv").write_text("image,id\nb,s\nb,t\na,u\n")
    found = load_features(tmp_path / "s.npy", tmp_path / "s.csv")
    assert images_of(found, images).tolist() == [1, 1, 0]


@pytest.mark.parametrize("text", ["id , label\na,x\nb,x\nc,y\n", "\ufeffid;label\na;x\nb;x\nc;y\n"])
def test_ids_are_read_as_every_csv_is(tmp_path, text):
    np.save(tmp_path / "f.npy", X)
    (tmp_path / "ids.csv").write_text(text, encoding="utf-8")
    found = load_features(tmp_path / "f.npy", tmp_path / "ids.csv")
    assert (found.ids.tolist(), found.labels.tolist()) == (["a", "b", "c"], ["x", "x", "y"])


def test_names_compare_however_their_accents_are_written(tmp_path):
    ids = np.array(["rose\u0301", "b", "c"])
    save_features(tmp_path / "f.npz", ids, X, source=ids[::-1])
    found = load_features(tmp_path / "f.npz")
    assert found.ids[0] == found.source[2] == "ros\u00e9"
    save_features(tmp_path / "f.npz", ids, X)
    message = "'ros\u00e9' occurs twice"
    twice = np.array(["rose\u0301", "ros\u00e9", "c"])
    refused(message, save_features, tmp_path / "f.npz", twice, X)
