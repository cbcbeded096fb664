"""Arrays are found by name in any of the files, with their rows first whoever wrote them."""

import numpy as np
import pytest
from scipy.io import savemat

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import hashing_arrays
from cmir_repro.data.readers.hashing_arrays import categories, find
from cmir_repro.data.readers.matlab import MatFile

N, D, C = 11, 6, 4
RNG = np.random.default_rng(0)
TEXT = (RNG.random((N, D)) < 0.4).astype(np.uint8)
LABELS = (RNG.random((N, C)) < 0.4).astype(np.uint8)
PICTURES = RNG.integers(0, 256, (N, 5, 7, 3), dtype=np.uint8)  # rows first
FEATURES = RNG.random((N, 9))


def opened(folder, *files):
    out = []
    for number, arrays in enumerate(files):
        savemat(folder / f"{number}.mat", arrays)
        out.append(MatFile(folder / f"{number}.mat"))
    return out


def test_one_file_or_one_for_each_array(tmp_path):
    pictures = PICTURES.transpose(1, 2, 3, 0)
    one = {"images": pictures, "YAll": TEXT, "LAll": LABELS}
    two = (
        {"YAll": TEXT},
        {"LAll": LABELS, "FAll": np.array(["a.jpg"] * N, object)},
        {"IAll": pictures},
    )
    for files in ((one,), two):
        found = find(opened(tmp_path, *files))
        assert np.array_equal(found.text.matrix(), TEXT)
        assert np.array_equal(found.labels.matrix(), LABELS)
        assert np.array_equal(found.picture.take(np.array([1, 2, 9])), PICTURES[[1, 2, 9]])
        assert found.sizes is None
    assert found.names == ["a.jpg"] * N


def test_rows_are_first_whatever_the_order_of_axes(tmp_path):
    turned = {"XAll": FEATURES.T, "tags": TEXT.T, "labels": LABELS}
    found = find(opened(tmp_path, turned))
    assert np.array_equal(found.text.matrix(), TEXT)
    assert np.allclose(found.picture.matrix(), FEATURES)
    assert found.picture.matrix().dtype == np.float32
    assert found.text.matrix().dtype == np.uint8


def test_pixels_come_before_features(tmp_path):
    both = {"XAll": FEATURES, "YAll": TEXT, "LAll": LABELS, "IAll": PICTURES.transpose(1, 2, 3, 0)}
    assert find(opened(tmp_path, both)).picture.shape == (5, 7, 3)


def test_released_splits_are_one_after_the_other(tmp_path):
    parts = {}
    for split, rows in (("train", slice(0, 8)), ("test", slice(8, None))):
        parts |= {f"{split}_img": FEATURES[rows], f"{split}_txt": TEXT[rows]}
        parts[f"{split}_lab"] = LABELS[rows]
    found = find(opened(tmp_path, *({key: array} for key, array in parts.items())))
    assert found.sizes == (8, 3)
    assert np.array_equal(found.labels.matrix(), LABELS)
    rows = np.array([0, 6, 7, 8, 10])
    assert np.allclose(found.picture.take(rows), FEATURES[rows])
    del parts["test_img"]
    with pytest.raises(InputError, match="is there for one split only"):
        find(opened(tmp_path, parts))


def test_read_in_pieces_it_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing_arrays, "_CHUNK", 4 * 8 * TEXT.shape[1])
    found = find(opened(tmp_path, {"XAll": FEATURES, "YAll": TEXT, "LAll": LABELS}))
    assert [len(block) for block in found.text.chunks()] == [4, 4, 3]
    assert np.array_equal(found.text.matrix(), TEXT)


def test_the_last_piece_decides_whether_it_is_binary(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing_arrays, "_CHUNK", 4 * 8 * TEXT.shape[1])
    text = TEXT.astype(float)
    text[N - 1, 0] = 2
    assert find(opened(tmp_path, {"YAll": text, "LAll": LABELS})).text.matrix().dtype == np.float32


def test_what_does_not_fit_is_refused(tmp_path):
    whole = {"XAll": FEATURES, "YAll": TEXT, "LAll": LABELS}
    for change, message in (
        ({"YAll": None}, r"no array YAll or tags, the text; they have: .*LAll \(11, 4\)"),
        ({"LAll": LABELS[:7]}, r"YAll \(11, 6\), LAll \(7, 4\) have no number of rows in common"),
        ({"FAll": np.array(["a"], object)}, "1 names of pictures and 11 labels"),
    ):
        files = {key: value for key, value in (whole | change).items() if value is not None}
        with pytest.raises(InputError, match=message):
            find(opened(tmp_path, files))
    bad = {**whole, "YAll": np.where(TEXT, np.nan, 0.0)}
    with pytest.raises(InputError, match="not finite"):
        find(opened(tmp_path, bad)).text.matrix()
    pictures = find(opened(tmp_path, {**whole, "IAll": PICTURES.transpose(1, 2, 3, 0)})).picture
    with pytest.raises(InputError, match="is no matrix"):
        pictures.matrix()


def labels_of(folder, labels):
    return find(opened(folder, {"YAll": TEXT, "LAll": labels})).labels


@pytest.mark.parametrize("turned", [False, True])
def test_class_numbers_become_columns(tmp_path, turned):
    classes = np.array([3, 7, 3, 0, 7, 7, 3, 0, 0, 3, 7])[:, None]
    found, numbers = categories(labels_of(tmp_path, classes.T if turned else classes))
    assert numbers.tolist() == [0, 3, 7]
    assert np.array_equal(found, classes == [0, 3, 7])
    found, numbers = categories(labels_of(tmp_path, LABELS))
    assert np.array_equal(found, LABELS)
    assert numbers.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(N)[:, None] % 2, "one column of 0 and 1, two classes or one category"),
        (np.arange(N)[:, None] - 1, "other numbers than classes"),
        (np.arange(N)[:, None] / 2, "other numbers than classes"),
        (LABELS * 2, "other numbers than 0 and 1"),
    ],
)
def test_labels_that_are_neither_are_refused(tmp_path, labels, message):
    with pytest.raises(InputError, match=message):
        categories(labels_of(tmp_path, labels))


def test_texts_with_labels_of_their_own_are_no_pairs(tmp_path):
    parts = {f"{s}_{what}": TEXT for s in ("train", "test") for what in ("img", "txt")}
    parts |= {f"{s}_{what}_lab": LABELS for s in ("train", "test") for what in ("img", "txt")}
    assert find(opened(tmp_path, parts)).sizes == (N, N)
    with pytest.raises(InputError, match=r"test_txt_lab.* differ; pictures and texts must"):
        find(opened(tmp_path, parts | {"test_txt_lab": LABELS[::-1]}))


@pytest.mark.parametrize(
    "names",
    [("I_tr", "T_tr", "L_tr", "I_te", "T_te", "L_te"),
     ("XTrain", "YTrain", "LTrain", "XTest", "YTest", "LTest")],
)  # fmt: skip
def test_other_names_of_splits(tmp_path, names):
    arrays = dict(zip(names, (FEATURES, TEXT, LABELS) * 2, strict=True))
    found = find(opened(tmp_path, arrays))
    assert found.sizes == (N, N)
    assert np.array_equal(found.labels.matrix(), np.concatenate([LABELS, LABELS]))
