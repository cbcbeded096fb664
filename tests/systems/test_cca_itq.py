"""CCA against scikit-learn's iteration and its defining properties; ITQ against its definition."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from cmir_repro.core.errors import InputError
from cmir_repro.systems import cca_itq
from cmir_repro.systems.cca_itq import Rotation, fit_cca, fit_itq


@pytest.fixture
def draw():
    return np.random.default_rng(0)


@pytest.fixture
def related(draw):
    """(300, 7) images and (300, 5) texts that share three causes, under noise; far from zero."""
    causes = draw.normal(size=(300, 3))
    image = causes @ draw.normal(size=(3, 7)) + 0.5 * draw.normal(size=(300, 7)) + 20
    text = causes @ draw.normal(size=(3, 5)) + 0.5 * draw.normal(size=(300, 5)) - 3
    return image, text


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return sum(a * b) / np.sqrt(sum(a * a) * sum(b * b))


def test_linearly_related_views_correlate_to_one(draw):
    image = draw.normal(size=(200, 6))
    text = image @ draw.normal(size=(6, 4)) + 1  # only four of the six directions survive
    cca = fit_cca(image, text, dims=4)
    np.testing.assert_allclose(cca.correlations, 1, atol=1e-9)
    fresh = draw.normal(size=(50, 6))
    # The maps were found, not the pairs remembered: new pairs agree, too.
    np.testing.assert_allclose(
        cca.images(fresh),
        cca.texts(fresh @ np.linalg.lstsq(image, text - 1, rcond=None)[0] + 1),
        atol=1e-4,
    )


def test_unrelated_views_do_not(draw):
    cca = fit_cca(draw.normal(size=(5000, 3)), draw.normal(size=(5000, 3)), dims=3)
    assert cca.correlations.max() < 0.1


def test_the_same_as_the_iteration(related):
    cca = fit_cca(*related, dims=4)
    other = CCA(4, max_iter=5000, tol=1e-10).fit(*related).transform(*related)
    for k in range(4):
        u, v = cca.images(related[0])[:, k], cca.texts(related[1])[:, k]
        assert cca.correlations[k] == pytest.approx(correlation(other[0][:, k], other[1][:, k]))
        assert correlation(u, v) == pytest.approx(cca.correlations[k], abs=1e-5)
        assert abs(correlation(u, other[0][:, k])) == pytest.approx(1, abs=1e-5)
        assert abs(correlation(v, other[1][:, k])) == pytest.approx(1, abs=1e-5)


def test_dimensions_are_centred_uncorrelated_in_order_and_as_long_as_they_correlate(related):
    cca = fit_cca(*related, dims=5)
    assert (np.diff(cca.correlations) <= 0).all()
    both = cca.images(related[0]), cca.texts(related[1])
    for points in both:
        assert points.dtype == np.float32
        np.testing.assert_allclose(points.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(np.cov(points.T), np.diag(cca.correlations**2), atol=1e-4)
    across = both[0].T @ both[1] / 299
    np.testing.assert_allclose(across, np.diag(cca.correlations**3), atol=1e-4)


def test_own_text_is_the_nearest_more_often_than_by_chance(related):
    cca = fit_cca(related[0][:200], related[1][:200], dims=3)
    u, v = cca.images(related[0][200:]), cca.texts(related[1][200:])
    scores = u @ v.T / np.linalg.norm(u, axis=1)[:, None] / np.linalg.norm(v, axis=1)
    assert (scores.argmax(1) == np.arange(100)).mean() > 0.1  # chance: 0.01


def test_tags_that_never_vary_or_repeat_others_change_nothing(related, draw):
    tags = (draw.random((300, 4)) < 0.3).astype(np.uint8)
    more = np.c_[tags, tags[:, :2], np.zeros((300, 3), np.uint8)]
    plain, padded = fit_cca(related[0], tags, 9), fit_cca(related[0], more, 9)
    # As many dimensions as there are independent tags, fewer than the nine asked for.
    assert plain.text_map.shape == (4, 4)
    assert padded.text_map.shape == (9, 4)
    np.testing.assert_allclose(plain.correlations, padded.correlations)
    assert np.isfinite(padded.texts(more)).all()
    np.testing.assert_allclose(abs(padded.texts(more)), abs(plain.texts(tags)), atol=1e-5)


def test_more_features_than_pairs_take_the_other_way_to_the_same_space(related):
    """What spans the same directions correlates the same, however many columns it has."""
    image, text = related[0][:40], related[1][:40]
    wide = image @ np.random.default_rng(1).normal(size=(7, 60))
    few, many = fit_cca(image, text, 3), fit_cca(wide, text, 3)
    np.testing.assert_allclose(few.correlations, many.correlations)
    np.testing.assert_allclose(abs(few.images(image)), abs(many.images(wide)), atol=1e-4)


def test_components_guard_against_correlations_by_chance(draw):
    image, text = draw.normal(size=(60, 50)), draw.normal(size=(60, 40))
    assert fit_cca(image, text, 1).correlations[0] == pytest.approx(1)  # of pure noise
    assert fit_cca(image, text, 1, components=3).correlations[0] < 0.7
    # Those kept are the ones of largest variance.
    image[:, 7] = 10 * text[:, 3]
    text[:, 3] *= 10
    assert fit_cca(image, text, 1, components=1).correlations[0] > 0.95


def test_nothing_is_random_and_the_input_stays(related):
    before = [x.copy() for x in related]
    a, b = fit_cca(*related, dims=3), fit_cca(*related, dims=3)
    for name in ("image_map", "image_shift", "text_map", "text_shift", "correlations"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for x, y in zip(related, before, strict=True):
        np.testing.assert_array_equal(x, y)


def broken(x):
    x = x.copy()
    x[7, 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, t: (x, t[:-1], 2), "300 images and 299 texts"),
        (lambda x, t: (x[:1], t[:1], 2), "at least 2"),
        (lambda x, t: (broken(x), t, 2), "image: row 7 holds NaN"),
        (lambda x, t: (x, broken(t), 2), "text: row 7 holds NaN"),
        (lambda x, t: (np.full_like(x, 0.1), t, 2), "image: all rows are the same"),
        (lambda x, t: (x, np.zeros((300, 4), bool), 2), "text: all rows are the same"),
        (lambda x, t: (x[:, 0], t, 2), r"image: must be an array \(rows, columns\), got \(300,\)"),
        (lambda x, t: (x, t.astype(str), 2), "text: must hold real numbers"),
        (lambda x, t: (x, t, 0), "dims must be a whole number from 1, got 0"),
        (lambda x, t: (x, t, 2, 0), "components must be a whole number from 1, got 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(related, change, says):
    with pytest.raises(InputError, match=says) as caught:
        fit_cca(*change(*related))
    assert "\n" not in str(caught.value)


def test_features_of_another_width_are_refused(related):
    cca = fit_cca(*related, dims=2)
    with pytest.raises(InputError, match=r"images: must be an array \(rows, 7\), got \(300, 5\)"):
        cca.images(related[1])
    with pytest.raises(InputError, match=r"texts: must be an array \(rows, 5\), got \(300, 7\)"):
        cca.texts(related[0])


# ITQ.


@pytest.fixture
def cloud(draw):
    """(800, 8) points around the corners of a turned cube, off the centre: a rotation helps."""
    corners = np.where(draw.random((800, 8)) < 0.5, -1.0, 1.0)
    turn = np.linalg.qr(draw.normal(size=(8, 8)))[0]
    return (corners + 0.2 * draw.normal(size=(800, 8))) @ turn + 5


def quantisation_error(z, rotation):
    """Mean over points of ||b - v||^2, b the signs of v, all written out."""
    total = 0.0
    for row in z:
        for value in (row - rotation.mean) @ rotation.map:
            total += ((1 if value >= 0 else -1) - value) ** 2
    return total / len(z)


def test_the_map_is_a_rotation_that_brings_points_to_their_codes(cloud):
    found = fit_itq(cloud, 8, seed=0)
    np.testing.assert_allclose(found.map @ found.map.T, np.eye(8), atol=1e-5)
    np.testing.assert_allclose(found.mean, cloud.mean(0), rtol=1e-5)
    identity = Rotation(found.mean, np.eye(8, dtype=np.float32))
    error = quantisation_error(cloud, found)
    assert error < 0.2 * quantisation_error(cloud, identity)
    # All that is left is the noise around the corners: 8 * 0.2 ** 2.
    assert error == pytest.approx(0.32, rel=0.1)
    # No rotation is closer to these codes: B'V R is symmetric and not negative, which is what
    # solves the Procrustes problem, so another round would change nothing.
    V = cloud - found.mean
    B = np.where(found.codes(cloud), 1.0, -1.0)
    left, _, right = np.linalg.svd(V.T @ B)
    np.testing.assert_allclose(left @ right, found.map, atol=1e-3)


@pytest.mark.parametrize("bits", [8, 12])
def test_the_error_never_grows_from_round_to_round(draw, monkeypatch, bits):
    z = draw.normal(size=(300, 8)) * np.linspace(1.5, 0.1, 8)  # no corners to find
    errors = []
    for rounds in range(8):
        monkeypatch.setattr(cca_itq, "_ROUNDS", rounds)
        errors.append(quantisation_error(z, fit_itq(z, bits, seed=0)))
    assert errors[-1] < 0.95 * errors[0]
    for before, after in pairwise(errors):
        assert after <= before + 1e-5


def test_codes_are_the_signs_of_the_rotated_points_and_zero_counts_as_plus(cloud):
    found = fit_itq(cloud, 8, seed=0)
    codes = found.codes(cloud[:20])
    assert codes.dtype == bool
    assert codes.shape == (20, 8)
    for row, code in zip(cloud, codes, strict=False):
        for k in range(8):
            value = sum((row[i] - found.mean[i]) * found.map[i, k] for i in range(8))
            assert code[k] == (value >= 0)
    assert found.codes(found.mean[None]).all()  # rotated to exactly zero
    assert Rotation(np.zeros(1), -np.ones((1, 1))).codes(np.zeros((1, 1))).all()  # minus zero


def test_one_rotation_gives_alike_codes_to_a_text_and_its_image(related):
    cca = fit_cca(*related, dims=3)
    u, v = cca.images(related[0]), cca.texts(related[1])
    found = fit_itq(np.concatenate([u, v]), 3, seed=0)
    own = (found.codes(u) == found.codes(v)).mean()
    assert own > 0.75
    assert 0.4 < (found.codes(u) == found.codes(v[::-1])).mean() < 0.6


def test_fewer_bits_than_dimensions_keep_the_first(cloud, draw):
    found = fit_itq(cloud, 3, seed=0)
    assert found.map.shape == (8, 3)
    assert not found.map[3:].any()
    np.testing.assert_allclose(found.map[:3] @ found.map[:3].T, np.eye(3), atol=1e-5)
    other = cloud.copy()
    other[:, 3:] = draw.normal(size=(800, 5))
    np.testing.assert_array_equal(found.codes(other), found.codes(cloud))


def test_more_bits_than_dimensions_keep_lengths_and_angles(cloud):
    found = fit_itq(cloud, 20, seed=0)
    assert found.map.shape == (8, 20)
    np.testing.assert_allclose(found.map @ found.map.T, np.eye(8), atol=1e-5)
    codes = found.codes(cloud)
    assert codes.any(0).all()  # each bit says something
    assert not codes.all(0).any()


def test_the_seed_decides(cloud):
    a, b, c = (fit_itq(cloud, 8, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.map, b.map)
    assert not np.array_equal(a.map, c.map)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda z: (z, 0), "at least one bit, got 800 rows, 0 bits"),
        (lambda z: (z[:0], 4), "got 0 rows"),
        (lambda z: (broken(z), 4), "z: row 7 holds NaN"),
        (lambda z: (z[0], 4), r"z: must be an array \(rows, columns\)"),
    ],
)
def test_what_cannot_be_quantised_is_refused(cloud, change, says):
    with pytest.raises(InputError, match=says):
        fit_itq(*change(cloud), seed=0)
    found = fit_itq(cloud, 4, seed=0)
    with pytest.raises(InputError, match=r"z: must be an array \(rows, 8\), got \(800, 3\)"):
        found.codes(cloud[:, :3])
    with pytest.raises(InputError, match="row 7"):
        found.codes(broken(cloud))
