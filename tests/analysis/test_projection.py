"""Projections repeat themselves, and their coordinates survive the way through a file."""

import sys

import numba
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array

from cmir_repro.analysis import projection
from cmir_repro.analysis.layout import layout
from cmir_repro.core.errors import InputError


@pytest.fixture
def sets():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 6)) * (4, 2, 1, 1, 1, 1)
    return {"image": x, "text": x[:29] + 1}


@pytest.fixture
def umap_uncompiled(monkeypatch):
    """To compile umap-learn takes nine seconds; so few points are placed in one without."""
    pair = coo_array(([1.0, 1.0], ([0, 1], [1, 0])))
    layout(pair, np.eye(2), 1.5, 0.9, 1, np.random.default_rng(0))  # compiled before
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)


def test_pca_has_the_largest_loading_positive(sets):
    flipped = {name: -x for name, x in sets.items()}
    # Mirrored features have mirrored components; the rule picks one of the two for both.
    first, second = projection.pca(sets), projection.pca(flipped)
    np.testing.assert_allclose(first[["x", "y"]], -second[["x", "y"]], atol=1e-9)
    unit = np.concatenate(list(sets.values()))
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    loadings = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)[2][:2]
    for axis, loading in zip("xy", loadings, strict=True):
        loading = loading * np.sign(loading[np.abs(loading).argmax()])
        np.testing.assert_allclose(first[axis], (unit - unit.mean(axis=0)) @ loading, atol=1e-9)


def test_loadings_that_tie_do_not_turn_on_rounding():
    x = np.array([[1, -1, 0.5], [-1, 1, 0.5], [0.9, -1.1, 0.4], [-0.9, 1.1, 0.4]])
    noise = 1e-12 * np.random.default_rng(0).normal(size=x.shape)
    first, second = projection.pca({"x": x}), projection.pca({"x": x + noise})
    np.testing.assert_allclose(first["x"], second["x"], atol=1e-6)


def test_coordinates_are_one_row_per_point(sets):
    frame = projection.pca(sets)
    assert tuple(frame.columns) == projection.COLUMNS
    assert frame["set"].tolist() == ["image"] * 30 + ["text"] * 29
    assert frame["row"].tolist() == [*range(30), *range(29)]
    assert frame["seed"].isna().all()
    np.testing.assert_allclose(frame[["x", "y"]].mean(), 0, atol=1e-12)
    x, y = projection.explained_variance(sets)
    assert 1 > x > y > 0
    assert frame["x"].var() / frame["y"].var() == pytest.approx(x / y)


def test_umap_repeats_itself_and_its_file_holds_it(sets, tmp_path, umap_uncompiled):
    sets = {name: x[:12] for name, x in sets.items()}
    first = projection.umap(sets, seeds=(1,), n_neighbors=5)
    second = projection.project(sets, seeds=(1,), n_neighbors=5)
    umap = second[second["method"] == "UMAP"].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, umap)
    assert first["seed"].unique().tolist() == [1]
    assert second["method"].unique().tolist() == ["PCA", "UMAP"]

    path = tmp_path / "gap" / "coordinates.csv"
    projection.save_coordinates(path, second.assign(model="DIM"), {"n_neighbors": 5})
    loaded, note = projection.load_coordinates(path)
    pd.testing.assert_frame_equal(
        loaded, second.assign(model="DIM"), atol=5e-5, check_dtype=False, rtol=0
    )
    assert note["parameters"] == {"n_neighbors": 5}
    assert note["versions"]["umap-learn"]
    before = path.read_bytes()
    projection.save_coordinates(path, loaded, {})
    assert path.read_bytes() == before


def test_neighbours_are_exact_and_a_point_is_its_own_first():
    x = np.random.default_rng(0).normal(size=(40, 60))
    x[7] = x[3]  # at no distance from each other, and each still its own first
    rows, distances = projection._neighbours(x, 6)
    wanted = np.linalg.norm(x[:, None] - x, axis=2)
    np.testing.assert_array_equal(rows[:, 0], np.arange(40))
    np.testing.assert_allclose(distances, np.sort(wanted, axis=1)[:, :6], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(wanted, rows, 1), distances, atol=1e-6)
    assert (rows[3, 1], rows[7, 1]) == (7, 3)


def test_wide_features_are_reduced_once_for_all_seeds(monkeypatch, umap_uncompiled):
    seen, real = [], projection._neighbours
    monkeypatch.setattr(projection, "_neighbours", lambda x, n: seen.append(x.shape) or real(x, n))
    x = np.random.default_rng(0).normal(size=(20, 70))
    frame = projection.project({"a": x[:10], "b": x[10:]}, seeds=(3, 4), n_neighbors=4)
    assert seen == [(20, projection.COMPONENTS)]
    assert frame["seed"].dropna().tolist() == [3] * 20 + [4] * 20
    assert frame.groupby("method").size().to_dict() == {"PCA": 20, "UMAP": 40}
    assert len(projection.project({"a": x}, seeds=())) == 20


def test_umap_without_its_package_is_one_line(sets, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match="umap-learn is not installed"):
        projection.umap(sets)


def test_an_edited_file_is_refused(sets, tmp_path):
    path = tmp_path / "coordinates.csv"
    projection.save_coordinates(path, projection.pca(sets), {})
    path.write_text(path.read_text().replace("image", "IMAGE"))
    with pytest.raises(InputError, match="not the file its JSON describes"):
        projection.load_coordinates(path)
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        projection.load_coordinates(path)


def test_names_of_sets_stay_text(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 3))
    frame = projection.pca({"NA": x, "12": x})
    projection.save_coordinates(tmp_path / "c.csv", frame, {})
    loaded, _ = projection.load_coordinates(tmp_path / "c.csv")
    assert loaded["set"].unique().tolist() == ["NA", "12"]
    assert loaded["seed"].isna().all()


def test_bad_input_is_refused_by_name(sets, tmp_path):
    with pytest.raises(InputError, match="1 of 29 text features"):
        projection.pca(sets | {"text": np.where(np.arange(29)[:, None] == 3, np.nan, 1.0)})
    with pytest.raises(InputError, match="'text': 2"):
        projection.pca(sets | {"text": sets["text"][:, :2]})
    with pytest.raises(InputError, match="no sets"):
        projection.pca({})
    with pytest.raises(InputError, match="n_neighbors 59"):
        projection.umap(sets, n_neighbors=59)
    frame = projection.pca(sets)
    with pytest.raises(InputError, match="lack the columns row"):
        projection.save_coordinates(tmp_path / "c.csv", frame.drop(columns="row"), {})
    with pytest.raises(InputError, match="NaN"):
        projection.save_coordinates(tmp_path / "c.csv", frame.assign(x=np.nan), {})
    with pytest.raises(InputError, match=r"stored as \.csv"):
        projection.save_coordinates(tmp_path / "c.parquet", frame, {})
    assert not list(tmp_path.iterdir())
