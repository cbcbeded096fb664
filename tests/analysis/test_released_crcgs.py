"""What the released code computes, against loops written out, and where it breaks."""

import math

import numpy as np
import pytest
import torch

from cmir_repro.analysis import released_crcgs as released
from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.average_precision import average_precision
from cmir_repro.evaluation.tie_groups import cosine_groups, hamming_groups, hamming_histograms
from cmir_repro.losses.crcgs import released_contrast, support_loss
from cmir_repro.losses.labels import common

B, K, TAU = 6, 4, 0.2


def positive(seed, rows=B):
    """As converted features are: not negative."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, K, generator=generator, dtype=torch.float64)


def labelled(rows, categories=5, seed=0):
    labels = np.random.default_rng(seed).random((rows, categories)) < 0.3
    labels[:, 0] |= ~labels.any(1)  # everybody has one
    return labels


def cos(x, z):
    return sum(p * q for p, q in zip(x, z, strict=True)) / (math.hypot(*x) * math.hypot(*z))


# The support set


def test_the_loops_count_what_the_matrix_product_does():
    labels = torch.from_numpy(labelled(B)).float()
    labels[2] = 0
    torch.testing.assert_close(released.shared_by_loops(labels), common(labels))


def test_the_unguarded_support_set_is_its_formula():
    a, b, labels = positive(0), positive(1), torch.from_numpy(labelled(B))
    total = 0
    for x, others in ((a.tolist(), b.tolist()), (b.tolist(), a.tolist())):
        for i in range(B):
            support, whole = [0.0] * K, 0.0
            for j in range(B):
                N = int((labels[i] & labels[j]).sum())
                weight = N * math.exp(cos(x[i], others[j]) / TAU)
                whole += weight
                support = [s + weight * o for s, o in zip(support, others[j], strict=True)]
            total += cos(x[i], [s / whole for s in support]) / B
    found = released.support_loss_unguarded(a, b, labels, TAU)
    assert found.item() == pytest.approx(-math.log(total / 2))


def test_with_categories_and_live_features_the_guard_changes_nothing():
    a, b, labels = positive(0), positive(1), torch.from_numpy(labelled(B))
    found = released.support_loss_unguarded(a, b, labels, TAU)
    assert found.item() == pytest.approx(support_loss(a, b, labels, TAU).item())


def test_one_sample_without_categories_spoils_every_gradient():
    a, b, labels = positive(0).requires_grad_(), positive(1), torch.from_numpy(labelled(B))
    labels[3] = False
    loss = released.support_loss_unguarded(a, b, labels, TAU)
    assert loss.isnan()
    assert torch.autograd.grad(loss, a)[0].isnan().all()
    assert torch.autograd.grad(support_loss(a, b, labels, TAU), a)[0].isfinite().all()


def test_dead_features_cost_infinitely_much():
    dead = torch.zeros(B, K)
    labels = torch.from_numpy(labelled(B))
    assert released.support_loss_unguarded(dead, dead, labels, TAU).item() == math.inf


# The contrast


@pytest.mark.parametrize("q", [79 / 125, 79 / 10_000])
def test_forces_are_the_derivatives_of_the_loss(q):
    """Measured on the loss itself, moving one cosine at a time."""

    def terms(c):
        E = math.exp(c / TAU)
        return -math.log(E / (E + q)), -math.log(q / (E + q))

    c, step = 0.4, 1e-5
    up, down = terms(c + step), terms(c - step)
    own, apart = ((u - d) / (2 * step) for u, d in zip(up, down, strict=True))
    found = released.contrast_forces(np.array([c]), TAU, q, others=79)
    assert found.pull[0] == pytest.approx(-own, rel=1e-6)
    assert found.push[0] == pytest.approx(79 * apart, rel=1e-6)


def test_the_published_sizes_give_the_published_imbalance():
    """The numbers at cosine 0.5 in a batch of 80: nothing pulls."""
    found = released.contrast_forces(np.array([0.5]), 0.07, 79 / 125, 79)
    assert found.pull[0] == pytest.approx(0.007, abs=5e-4)
    assert found.push[0] == pytest.approx(1128, abs=1)
    fewer = released.contrast_forces(np.array([0.5]), 0.07, 79 / 10_000, 79)
    assert fewer.pull[0] < found.pull[0] / 50  # counting samples makes it worse


def test_a_normaliser_balances_pull_and_push_like_infonce():
    c = np.linspace(0, 1, 5)
    found = released.contrast_forces(c, TAU, 79, 79, normalised=True)
    np.testing.assert_allclose(found.pull, found.push)
    info = released.infonce_forces(c, TAU, 79)
    np.testing.assert_allclose(found.pull, info.pull)
    np.testing.assert_allclose(info.pull, info.push)


def test_infonce_forces_are_the_derivatives_of_a_cross_entropy():
    scores = torch.full((1, 80), 0.3 / TAU, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor([0]))
    gradient = torch.autograd.grad(loss, scores)[0][0].numpy() / TAU
    found = released.infonce_forces(np.array([0.3]), TAU, 79)
    assert found.pull[0] == pytest.approx(-gradient[0])
    assert found.push[0] == pytest.approx(gradient[1:].sum())


def test_the_normalised_contrast_is_its_formula():
    X, Z = positive(0), positive(1)
    E = [[math.exp(cos(x, z) / TAU) for z in Z.tolist()] for x in X.tolist()]
    mean, q, total = sum(map(sum, E)) / B**2, B - 1, 0
    for i, row in enumerate(E):
        for j, e in enumerate(row):
            total += math.log((e / mean if i == j else q) / (e / mean + q))
    assert released.normalised_contrast(X, Z, TAU).item() == pytest.approx(-total / B)


def test_free_features_find_their_partners_only_with_a_normaliser():
    teacher = positive(0, rows=20).float().repeat(1, 4)
    found = {}
    for name, loss in {
        "released": lambda z: released_contrast(teacher, z, TAU, 19 / 5, 20),
        "normalised": lambda z: released.normalised_contrast(teacher, z, TAU),
    }.items():
        z = released.free_features(loss, 20, 16, steps=150, seed=0)
        assert (z >= 0).all()
        s = torch.nn.functional.cosine_similarity(teacher[:, None], z[None], dim=2)
        found[name] = (s.argmax(1) == torch.arange(20)).float().mean().item()
    assert found["normalised"] > found["released"] + 0.3


# The evaluation


def evaluated(distances, relevant, k):
    """The evaluator as loops."""
    out = []
    for row, hits in zip(distances.tolist(), relevant.tolist(), strict=True):
        order = sorted(range(len(row)), key=row.__getitem__)  # stable
        found, total = 0, 0.0
        for place, item in enumerate(order[:k], 1):
            if hits[item]:
                found += 1
                total += found / place
        out.append(total / found if found else 0.0)
    return out


@pytest.mark.parametrize("k", [0, 1, 3, 30])
def test_average_precision_by_argsort_is_its_loops(k):
    rng = np.random.default_rng(k)
    distances, relevant = rng.integers(0, 4, (7, 30)), rng.random((7, 30)) < 0.3
    relevant[2] = False
    found = released.average_precision_by_argsort(distances, relevant, k)
    np.testing.assert_allclose(found, evaluated(distances, relevant, k or 7))
    assert found[2] == 0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"\(2, 3\)"):
        released.average_precision_by_argsort(np.zeros((2, 3)), np.zeros((3, 2), bool))


@pytest.mark.parametrize("depth", [5, 40])
def test_over_many_orders_the_sort_averages_to_the_expected_value(depth):
    """The package's closed form is what the released evaluator gives on average."""
    rng = np.random.default_rng(0)
    codes, labels = rng.random((44, 3)) < 0.5, labelled(44)
    parts = codes[:4], codes[4:], labels[:4], labels[4:]
    expected = average_precision(hamming_groups(*hamming_histograms(*parts)), depth)
    distances = released.hamming_distances(*parts[:2])
    relevant = labels[:4].astype(int) @ labels[4:].T > 0
    orders = (rng.permutation(40) for _ in range(3000))
    found = [
        released.average_precision_by_argsort(distances[:, at], relevant[:, at], depth)
        for at in orders
    ]
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=0.015)
    assert np.ptp(found, axis=0).min() > 0.05  # one order alone says something else


def test_without_ties_both_evaluators_agree():
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((30, 8)), labelled(30)
    parts = x[:6], x[6:], labels[:6], labels[6:]
    (groups,) = cosine_groups(*parts, tolerance=0.0)
    relevant = labels[:6].astype(int) @ labels[6:].T > 0
    found = released.average_precision_by_argsort(
        released.cosine_distances(*parts[:2]), relevant, 10
    )
    np.testing.assert_allclose(found, average_precision(groups, 10))


def test_hamming_distances_count_the_bits_that_differ():
    codes = np.random.default_rng(0).random((5, 9)) < 0.5
    expected = (codes[:2, None] != codes[None, 2:]).sum(2)
    np.testing.assert_array_equal(released.hamming_distances(codes[:2], codes[2:]), expected)


def test_validation_finds_a_querys_own_answer_and_its_copies():
    """Everybody has a category of their own: only oneself is relevant, and always first."""
    x, labels = np.eye(12) + 0.01, np.eye(12, dtype=bool)
    assert released.validation(x, x, labels, 30, np.random.default_rng(0)) == pytest.approx(100)
    # Answers that are as far as can be: now the copies are last.
    late = released.validation(x, -x, labels, 30, np.random.default_rng(0))
    assert late < 50


def test_validation_draws_anew_from_the_generator():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((40, 8)), labelled(40)
    values = [released.validation(x, x, labels, 20, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
