"""The Wikipedia benchmark through its script, made small here and, where it is, as released."""

import command_line
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import Prepared
from data_scripts import wikipedia as script

LISTS = {"tr": "trainset_txt_img_cat.list", "te": "testset_txt_img_cat.list"}
SIZES = {"tr": 12, "te": 4}
NAMES = ["art", "biology", "geography"]


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


@pytest.fixture
def root(tmp_path):
    """Twelve and four pairs, three categories; the first picture of test is one of train, too."""
    folder = tmp_path / "wikipedia_dataset"
    folder.mkdir()
    rng, arrays = np.random.default_rng(0), {}
    for short, count in SIZES.items():
        labels = np.arange(count) % 3 + 1
        arrays |= {f"I_{short}": rng.random((count, 8)), f"T_{short}": rng.random((count, 4))}
        arrays[f"L_{short}"] = labels.astype(np.uint8)[:, None]
        rows = [f"{short}text{n}-2.1\t{short}image{n}\t{labels[n]}\n" for n in range(count)]
        (folder / LISTS[short]).write_text("".join(rows))
    arrays["I_te"][0] = arrays["I_tr"][1]
    savemat(folder / "wikiData.mat", arrays)
    (folder / "categories.list").write_text("\n".join(NAMES) + "\n")
    return folder


def run(root, *more) -> Prepared:
    command_line.run(script.prepare, "--root", str(root), "--partial", *more)
    return Prepared(paths.data() / "wikipedia")


def refused(message, root, *more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        command_line.run(script.prepare, "--root", str(root), *more)
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def change(root, **arrays) -> None:
    path = root / "wikiData.mat"
    values = {k: v for k, v in loadmat(path).items() if not k.startswith("__")} | arrays
    savemat(path, {k: v for k, v in values.items() if v is not None})


def test_pairs_with_their_own_features_and_category(root, capsys):
    data = run(root, "--val", 0.25)
    found, raw = labelled(data), loadmat(root / "wikiData.mat")
    assert found.ids[:2].tolist() == ["trimage0", "trimage1"]
    assert data.images["text"].iloc[12] == "tetext0-2.1"
    assert data.images["label"].tolist()[:4] == [*NAMES, "art"]
    assert [len(x) for x in (found.train, found.val, found.query, found.database)] == [9, 3, 4, 12]
    assert found.query.tolist() == [12, 13, 14, 15]
    assert data.info["text"]["kind"] == "features"
    assert found.text.dtype == np.float32
    assert np.allclose(found.text, np.concatenate([raw["T_tr"], raw["T_te"]]))
    image = data.gather(found.images, lambda part: data.ready("image", part))
    assert np.allclose(image, np.concatenate([raw["I_tr"], raw["I_te"]]))
    labels = np.concatenate([raw["L_tr"], raw["L_te"]])[:, 0]
    assert (found.labels.argmax(1) + 1 == labels).all()
    assert (found.labels.sum(1) == 1).all()
    assert found.categories == NAMES
    printed = capsys.readouterr().out
    assert "expected 2,173" in printed
    audit = {row["fact"]: row["found"] for row in data.info["audit"]}
    assert audit["test pictures with the numbers of one of train"] == 1


def test_the_seed_moves_only_what_validates(root):
    one = run(root, "--val", 0.5).images
    run(root, "--val", 0.5)  # opens it
    (paths.data() / "wikipedia" / "dataset.json").unlink()
    two = run(root, "--val", 0.5, "--seed", 1).images
    assert one["image"].equals(two["image"])
    assert not one["split"].equals(two["split"])
    assert (two["split"] == "test").equals(one["split"] == "test")


def test_the_features_without_labels_do(root):
    before = run(root)
    (before.folder / "dataset.json").unlink()
    change(root, L_tr=None, L_te=None)
    (root / "wikiData.mat").rename(root / "raw_features.mat")
    assert (labelled(run(root)).labels == labelled(before).labels).all()


def test_other_counts_are_refused(root):
    refused("5 of 5 counts are not those of the Wikipedia benchmark.*--partial", root)


def test_what_does_not_fit_is_one_line(root, tmp_path):
    given = (root, "--partial")
    refused("is no folder", tmp_path / "elsewhere")
    refused("--val 1.0 must be a share of the 12", *given, "--val", 1)
    refused("cannot be used", *given, "--name", "css")
    change(root, L_te=np.ones((4, 1), dtype=np.uint8))
    refused("L_te differs from testset_txt_img_cat.list", *given)
    change(root, L_te=None, T_tr=np.full((12, 4), np.nan))
    refused("T_tr holds a number that is not finite", *given)
    change(root, T_tr=np.ones((12, 5)))
    refused("T_tr has 5 columns, T_te 4", *given)
    change(root, T_tr=np.ones((11, 4)))
    refused(r"T_tr is \(11, 4\), but trainset_txt_img_cat.list lists 12 pairs", *given)
    change(root, T_tr=None)
    refused("has no array of numbers called T_tr", *given)
    path = root / LISTS["te"]
    for line in ("text\timage\t4", "text\timage\t0", "text\timage", "\timage\t1", "a\tb\t²"):
        path.write_text("t\ti\t1\n" + line + "\n")
        refused("testset_txt_img_cat.list, line 2: expected text, image and category", *given)
    path.unlink()
    refused("testset_txt_img_cat.list does not exist", *given)


@pytest.fixture
def released(real_data):
    command_line.run(script.prepare, "--root", str(real_data("wikipedia")))
    return Prepared(paths.data() / "wikipedia")


def test_the_release_has_the_known_counts(released):
    found = labelled(released)
    assert found.text.shape == (2866, 10)
    assert np.allclose(found.text.sum(1), 1, atol=1e-5)  # shares of topics
    assert [len(x) for x in (found.train, found.val, found.query)] == [1956, 217, 693]
    assert found.labels.sum(0).tolist() == [172, 360, 340, 333, 267, 236, 237, 185, 285, 451]


def test_class_probabilities_retrieve_far_above_chance(released):
    """Semantic matching (Rasiwasia et al. 2010) within the test set: about 0.29 and 0.21."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import scale

    found = labelled(released)
    image = released.gather(found.images, lambda part: released.ready("image", part))
    category, seen = found.labels.argmax(1), found.database
    centred = []
    for features in (scale(image.astype(np.float64)), found.text):
        model = LogisticRegression(max_iter=1000, tol=1e-2).fit(features[seen], category[seen])
        p = model.predict_proba(features)
        p -= p[seen].mean(0)
        centred.append((p / np.linalg.norm(p, axis=1, keepdims=True))[found.query])
    category = category[found.query]

    def mean_average_precision(scores):
        right = category[np.argsort(-scores, axis=1)] == category[:, None]
        precision = right.cumsum(1) / np.arange(1, right.shape[1] + 1)
        return ((precision * right).sum(1) / right.sum(1)).mean()

    scores = centred[0] @ centred[1].T
    assert 0.27 < mean_average_precision(scores) < 0.32
    assert 0.19 < mean_average_precision(scores.T) < 0.24
    random = np.random.default_rng(0).random(scores.shape)
    assert 0.115 < mean_average_precision(random) < 0.123
