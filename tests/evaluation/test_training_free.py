"""Composition without training against sums written out."""

import math

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.training_free import (
    COMPOSE,
    PROJECTED,
    Projection,
    Vectors,
    composed,
    slerp,
)

SOURCE = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
TEXT = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
GALLERY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
FOUND = Vectors(SOURCE, TEXT, GALLERY)


def queries(method, w=0.5):
    found, gallery = composed(method, FOUND, w)
    assert gallery is GALLERY
    return found


def test_vectors_are_those_of_length_one():
    np.testing.assert_allclose(queries("image"), [[0.6, 0.8, 0], [0, 0, 1]])
    np.testing.assert_allclose(queries("text"), TEXT)
    np.testing.assert_allclose(queries("sum"), [[0.6, 1.8, 0], [1, 0, 1]])
    np.testing.assert_allclose(queries("product"), [[0, 0.8, 0], [0, 0, 0]])


def test_a_weight_is_the_share_of_the_text():
    np.testing.assert_allclose(queries("weighted sum", 0.25), [[0.45, 0.85, 0], [0.25, 0, 0.75]])
    for method in ("weighted sum", "slerp"):
        np.testing.assert_allclose(recall.unit_rows(queries(method, 0.0), "q"),
                                   recall.unit_rows(SOURCE, "s"), atol=1e-6)  # fmt: skip
        np.testing.assert_allclose(recall.unit_rows(queries(method, 1.0), "q"), TEXT, atol=1e-6)


def test_slerp_turns_by_even_angles_and_is_the_sum_half_way():
    x, t = np.array([[1.0, 0.0]]), np.array([[math.cos(1.2), math.sin(1.2)]])
    for w in (0.25, 0.5, 0.75):
        at = slerp(x, t, w)[0]
        assert math.atan2(at[1], at[0]) == pytest.approx(1.2 * w)
    half = slerp(x, t, 0.5)[0]
    np.testing.assert_allclose(half / np.linalg.norm(half), [math.cos(0.6), math.sin(0.6)])


def test_the_product_of_similarities_ranks_by_the_product_of_two_cosines():
    found = queries("product of similarities")
    assert found.shape == (2, 2, 3)
    names = np.array(["a", "b", "c"])
    x, t = recall.unit_rows(SOURCE, "x"), recall.unit_rows(TEXT, "t")
    g = recall.unit_rows(GALLERY, "g")
    scores = (1 + x @ g.T) / 2 * (1 + t @ g.T) / 2
    protocol = preset("own/same-caption").changed(drop_source=False)
    for label in names:
        asked = np.array([label, label])
        ranks = recall.ranks(found, GALLERY, asked, names, None, protocol)
        own = scores[:, names == label]
        np.testing.assert_array_equal(ranks.expected, 1 + (scores > own + 1e-6).sum(1))


def test_two_bad_similarities_do_not_make_a_good_one():
    x = np.array([[1.0, 0.0]])
    found, gallery = composed(
        "product of similarities", Vectors(x, x, np.array([[-1.0, 0.0], [1.0, 1.0]]))
    )
    protocol = preset("own/same-caption").changed(drop_source=False)
    ranks = recall.ranks(found, gallery, np.array(["b"]), np.array(["a", "b"]), None, protocol)
    assert ranks.expected.tolist() == [1]


def test_the_projection_is_the_centred_sum_in_the_directions_of_the_texts():
    """Texts differ in the first axis alone, images in all: what is kept is the first axis."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(-1, 1, 50)
    texts = np.stack([np.sin(angles), np.zeros(50), np.ones(50), np.zeros(50)], 1)
    images = rng.normal(size=(60, 4)) + np.array([0, 3, 0, 0])
    unit = images / np.linalg.norm(images, axis=1, keepdims=True)
    told = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    made = Projection.of(images, texts)
    np.testing.assert_allclose(made.image_mean, unit.mean(0))
    np.testing.assert_allclose(made.text_mean, told.mean(0))
    assert made.directions.shape == (4, 1)
    assert abs(made.directions[0, 0]) > 0.98
    np.testing.assert_allclose(
        made.of_images(images[:3]), (unit[:3] - unit.mean(0)) @ made.directions
    )
    found, gallery = composed(PROJECTED, Vectors(images[:2], texts[:2], images), projection=made)
    x = (unit[:2] - unit.mean(0)) @ made.directions
    t = (told[:2] - told.mean(0)) @ made.directions
    np.testing.assert_allclose(found, np.sign(x) + np.sign(t))
    np.testing.assert_allclose(gallery, made.of_images(images))


def test_texts_that_are_all_the_same_are_refused():
    with pytest.raises(InputError, match="all texts of train have the same features"):
        Projection.of(np.eye(3), np.ones((4, 3)))


@pytest.mark.parametrize("method", COMPOSE)
def test_two_widths_are_refused(method):
    with pytest.raises(InputError, match=r"images have 3 numbers and texts 2; .* one space"):
        composed(method, Vectors(SOURCE, TEXT[:, :2], GALLERY))
