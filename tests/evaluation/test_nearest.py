"""Nearest images against sorting all cosines."""

import sys

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.nearest import nearest

faiss = pytest.importorskip("faiss")


@pytest.fixture(autouse=True)
def one_thread():
    """Training has many tiny parallel steps, whose threads wait long on a busy machine."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


def case(Q=9, G=31, D=8):
    r = np.random.default_rng(0)
    return r.normal(size=(Q, D)), r.normal(size=(G, D)), r.integers(-1, G, Q)


def by_hand(q, g, source):
    q = q / np.linalg.norm(q, axis=1, keepdims=True)
    g = g / np.linalg.norm(g, axis=1, keepdims=True)
    scores = q @ g.T
    if source is not None:
        scores[np.flatnonzero(source >= 0), source[source >= 0]] = -np.inf
    order = np.argsort(-scores, axis=1)
    return order, np.take_along_axis(scores, order, 1)


@pytest.mark.parametrize("drop", [True, False])
def test_flat_is_sorting(drop):
    q, g, source = case()
    source = source if drop else None
    order, scores = by_hand(q, g, source)
    ids, found = nearest(q, g, 5, source)
    assert (ids.dtype, found.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(ids, order[:, :5])
    np.testing.assert_allclose(found, scores[:, :5], atol=1e-6)


def test_the_nearest_image_is_the_source_and_is_left_out():
    _, g, _ = case()
    ids, _ = nearest(g[:9], g, 3, np.arange(9))
    assert not (ids == np.arange(9)[:, None]).any()
    assert (nearest(g[:9], g, 3)[0][:, 0] == np.arange(9)).all()


def test_minus_one_fills_what_is_not_there():
    q, g, _ = case(G=4)
    source = np.array([-1, 0, 1, 2, 3, 0, 1, 2, 3])
    ids, scores = nearest(q, g, 6, source)
    assert ids.shape == scores.shape == (9, 6)
    assert ((ids >= 0).sum(axis=1) == np.where(source < 0, 4, 3)).all()
    np.testing.assert_array_equal(np.isneginf(scores), ids == -1)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"k": 0}, "k must be"),
        ({"gallery": np.ones((31, 7))}, "8 dimensions, the gallery 7"),
        ({"gallery": np.zeros((31, 8))}, "31 of 31 gallery"),
        ({"gallery": np.ones(8)}, r"\(G, D\)"),
        ({"source": np.full(9, 31)}, "rows of the 31"),
        ({"source": np.zeros(3, int)}, r"\(9,\)"),
    ],
)
def test_bad_input_is_refused(edit, message):
    q, g, source = case()
    with pytest.raises(InputError, match=message):
        nearest(**{"queries": q, "gallery": g, "k": 2, "source": source, **edit})


def test_without_faiss_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    q, g, _ = case()
    with pytest.raises(InputError, match="install faiss-cpu"):
        nearest(q, g, 2)
