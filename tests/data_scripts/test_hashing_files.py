"""Files that hashing papers pass around through the script, in the layouts of four of them."""

import shutil

import command_line
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import IMAGE, array_file, labelled
from cmir_repro.data.prepared import Prepared
from data_scripts import hashing_files as script

N, D, C = 30, 7, 4
RNG = np.random.default_rng(0)
TEXT, LABELS = ((RNG.random((N, k)) < 0.5).astype(np.uint8) for k in (D, C))
TEXT[:, 0], LABELS[:, 0] = 1, RNG.random(N) < 0.9
LABELS[:, 1] |= LABELS[:, 0] ^ 1  # everything has a tag and a category ...
TEXT[3], LABELS[5] = 0, 0  # ... but these two
PICTURES = RNG.integers(0, 256, (N, 4, 6, 3), dtype=np.uint8)
FEATURES = RNG.random((N, 9)).astype(np.float32)
SIZES = ("--train", 10, "--val", 4, "--test", 6)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


def run(*more) -> Prepared:
    command_line.run(script.prepare, *("--name", "tiny", *SIZES, *more))
    return Prepared(paths.data() / "tiny")


def refused(message, *more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        command_line.run(script.prepare, *("--name", "tiny", *SIZES, *more))
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def rows_of(data) -> np.ndarray:
    return np.array([int(name.removeprefix("row-")) for name in data.images["image"]])


def check(data, rows) -> None:
    """Every row has its own text and categories."""
    found = labelled(data)
    assert np.array_equal(found.text, TEXT[rows])
    assert np.array_equal(found.labels, LABELS[rows] == 1)


@pytest.fixture
def ucch(tmp_path):
    """Three files of version 5, rows first, features of the pictures."""
    names = ("mirflickr25k-iall-vgg.mat", "mirflickr25k-yall.mat", "mirflickr25k-lall.mat")
    arrays = ({"XAll": FEATURES}, {"YAll": TEXT.astype(float)}, {"LAll": LABELS})
    for name, array in zip(names, arrays, strict=True):
        savemat(tmp_path / name, array, do_compression=True)
    return [tmp_path / name for name in names]


def test_dcmhs_one_file_of_version_73(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "FLICKR-25K.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        # The shapes that h5py shows: (N, 3, w, h), (D, N), (C, N).
        file.create_dataset("images", data=PICTURES.transpose(0, 3, 2, 1))
        file.create_dataset("YAll", data=TEXT.T.astype(float))
        file.create_dataset("LAll", data=LABELS.T.astype(float))
    data = run(path, "--rows", "first")
    check(data, np.arange(N))  # DCMH keeps them all
    assert np.array_equal(data.take("photo", np.arange(N)), PICTURES)
    found = labelled(data)
    assert found.query.tolist() == list(range(6))
    assert [len(x) for x in (found.train, found.val, found.database)] == [10, 4, 24]
    assert data.info["text"]["kind"] == "tags"


def test_ucchs_python_file_has_rows_first(tmp_path):
    h5py = pytest.importorskip("h5py")
    path, doc2vec = tmp_path / "MSCOCO_deep_doc2vec_data_rand.h5py", RNG.normal(size=(N, D))
    with h5py.File(path, "w") as file:
        file["XAll"], file["YAll"], file["LAll"] = FEATURES, doc2vec, LABELS
    data = run(path, "--rows", "last")
    found = labelled(data)
    assert found.query.tolist() == list(range(24, 30))
    assert data.info["text"]["kind"] == "features"
    assert np.allclose(found.text, doc2vec)
    image = data.gather(np.arange(N), lambda part: data.ready("image", part))
    assert np.array_equal(image, FEATURES)


def test_ucchs_three_files(ucch):
    data = run(*ucch, "--rows", "last")
    check(data, np.arange(N))
    assert labelled(data).query.tolist() == list(range(24, 30))
    assert data.info["tasks"] == {}
    assert data.ready("image", "all").dtype == np.float32
    audit = {row["fact"]: row["found"] for row in data.info["audit"]}
    assert audit["rows without a tag"] == audit["rows without a category"] == 1
    assert audit["labels"] == LABELS.sum()


def test_random_queries_are_usable_and_depend_on_the_seed(ucch):
    data = run(*ucch)
    rows = rows_of(data)
    assert set(range(N)) - set(rows) == {3, 5}
    check(data, rows)
    image = data.gather(np.arange(28), lambda part: data.ready("image", part))
    assert np.array_equal(image, FEATURES[rows])
    found = labelled(data)
    sizes = [len(x) for x in (found.train, found.val, found.query, found.database)]
    assert sizes == [10, 4, 6, 22]
    assert "rows without a category or a tag: 2" in data.info["left_out"]
    (data.folder / "dataset.json").unlink()
    other = run(*ucch, "--seed", 1)
    assert rows_of(other).tolist() == rows.tolist()
    assert not other.images["split"].equals(data.images["split"])


def test_p_gnns_released_splits(tmp_path):
    files = []
    for split, part in (("train", slice(0, 22)), ("test", slice(22, None))):
        for what, array in (("img", FEATURES), ("txt", TEXT), ("lab", LABELS)):
            files.append(tmp_path / f"{split}_{what}.mat")
            savemat(files[-1], {f"{split}_{what}": array[part]})
    data = run(*files, "--rows", "released")
    check(data, np.arange(N))
    found = labelled(data)
    assert found.query.tolist() == list(range(22, 30))
    assert [len(x) for x in (found.train, found.val)] == [18, 4]


def test_torchcmhs_lists_with_pictures_in_a_folder(tmp_path):
    names = np.array([f"im{n}.png" for n in range(N)], dtype=object)
    savemat(tmp_path / "imgList.mat", {"imgs": names})
    savemat(tmp_path / "tagList.mat", {"tags": TEXT})
    savemat(tmp_path / "labelList.mat", {"labels": LABELS})
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(N):
        Image.new("RGB", (6, 4), (number * 8, 0, 0)).save(photos / f"im{number}.png")
    given = [*(tmp_path / f"{n}List.mat" for n in ("img", "tag", "label"))]
    refused("no file has images, IAll, XAll; add it, or give --images", *given)
    data = run(*given, "--images", photos, "--size", 4)
    rows = np.array([int(name[2:]) for name in data.images["image"]])
    check(data, rows)
    assert (data.take("photo", np.arange(len(rows)))[:, 0, 0, 0] == rows * 8).all()
    (data.folder / "dataset.json").unlink()
    (photos / "im7.png").unlink()
    refused("im7 .* is missing; missing are: train 1 of 18 pictures", *given, "--images", photos)


def test_an_empty_column_is_no_category(tmp_path, ucch):
    savemat(ucch[2], {"LAll": np.hstack([LABELS, np.zeros((N, 1), np.uint8)])})
    data = run(*ucch, "--rows", "last")
    assert labelled(data).categories == [f"category {n}" for n in (1, 2, 3, 4)]


def test_opened_again_if_the_same_is_asked_for(ucch):
    before = run(*ucch).manifest_hash
    assert run(*ucch).manifest_hash == before
    with pytest.raises(InputError, match="was prepared with"):
        run(*ucch, "--seed", 2)


def test_counts_of_a_release_are_demanded(ucch):
    message = "3 of 3 counts are not those of flickr, first rows: 30, expected 20015"
    refused(message, *ucch, "--release", "flickr")
    assert run(*ucch, "--release", "flickr", "--partial").info["provenance"]["release"] == "flickr"


def test_what_cannot_be_is_one_line(tmp_path, ucch):
    refused("seed -1 must be a whole number from 0", *ucch, "--seed", -1)
    refused(r"\.mat: 28 images are too few for --train 10 --val 4 --test 60", *ucch, "--test", 60)
    refused(r"\.mat: --test 30 must leave some of 30 rows", *ucch, "--rows", "last", "--test", 30)
    refused("24 images are too few for --train 30", *ucch, "--rows", "last", "--train", 30)
    refused(r"\.mat: the files do not name arrays of train and test", *ucch, "--rows", "released")
    refused("needs the names of the pictures, FAll or imgs", *ucch, "--images", tmp_path)
    refused("none.mat does not exist", tmp_path / "none.mat")
    savemat(ucch[2], {"LAll": LABELS * 2})
    refused(r"mirflickr25k-lall.mat: LAll \(30, 4\) holds other numbers than 0 and 1", *ucch)
    savemat(ucch[2], {"LAll": LABELS})
    savemat(ucch[0], {"XAll": np.where(FEATURES > 0.5, np.nan, 0)})
    refused(r"XAll \(30, 9\) holds a number that is not finite", *ucch)
    savemat(ucch[0], {"IAll": PICTURES.transpose(1, 2, 3, 0) / 255})
    refused("are no pictures", *ucch)
    names = np.array([f"../im{n}.png" for n in range(N)], dtype=object)
    savemat(tmp_path / "fall.mat", {"FAll": names})
    refused("is no path inside", *ucch, tmp_path / "fall.mat")


def one_hot_classes(numbers):
    return (numbers[:, None] == np.unique(numbers)).astype(np.uint8)


def test_as_many_rows_as_features_are_not_transposed(tmp_path):
    h5py = pytest.importorskip("h5py")
    square = RNG.random((N, N)).astype(np.float32)
    path = tmp_path / "x.h5py"
    with h5py.File(path, "w") as file:  # written by Python: rows first
        file["XAll"], file["YAll"], file["LAll"] = square, TEXT, LABELS
    data = run(path)
    check(data, rows_of(data))
    assert np.array_equal(np.load(array_file(data.folder, IMAGE)), square[rows_of(data)])


def test_where_nothing_tells_the_axis_is_asked_for(tmp_path):
    square = RNG.random((N, N)).astype(np.float32)
    path = tmp_path / "x.mat"
    savemat(path, {"XAll": square, "YAll": TEXT.T, "LAll": LABELS})  # each in its own order
    refused(r"XAll \(30, 30\) has one size twice.*--samples-axis first or last", path)
    for axis, expected in (("first", square), ("last", square.T)):
        shutil.rmtree(paths.data(), ignore_errors=True)
        data = run(path, "--samples-axis", axis)
        assert np.array_equal(np.load(array_file(data.folder, IMAGE)), expected[rows_of(data)])


def test_dscmrs_files_with_class_numbers(tmp_path):
    classes = RNG.permutation(np.arange(N) % 4) + 1
    parts = {}
    for split, rows in (("train", slice(0, 20)), ("test", slice(20, None))):
        parts |= {f"{split}_img": FEATURES[rows], f"{split}_txt": FEATURES[rows, :5]}
        parts |= {f"{split}_{of}_lab": classes[rows, None].astype(float) for of in ("img", "txt")}
    files = [tmp_path / f"{key}.mat" for key in parts]
    for file, (key, array) in zip(files, parts.items(), strict=True):
        savemat(file, {key: array})
    data = run(*files, "--rows", "released")
    found = labelled(data)
    assert np.array_equal(found.labels, one_hot_classes(classes)[rows_of(data)] == 1)
    assert data.info["categories"] == [f"category {number}" for number in (1, 2, 3, 4)]
    assert found.query.tolist() == list(range(20, N))
