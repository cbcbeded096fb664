"""Shared categories counted one by one, DSCMR's losses and what makes codes written out."""

import math

import pytest
import torch

from cmir_repro.losses.labels import (
    class_regression,
    classification,
    common,
    hash_similarity,
    invariance,
    likelihood,
    quantisation,
    share,
)

B, C, E, L = 5, 3, 4, 3
Y = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=torch.float64)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cos(x, z):
    dot = sum(p * q for p, q in zip(x, z, strict=True))
    return dot / (math.hypot(*x) * math.hypot(*z))


def test_classification_is_the_logistic_loss_of_each_category():
    logits = random(B, C), random(B, C, seed=1)
    expected = 0
    for p in logits:
        for i in range(B):
            for c in range(C):
                chance = 1 / (1 + math.exp(-p[i, c]))
                expected -= math.log(chance if Y[i, c] else 1 - chance) / (B * C)
    assert classification(*logits, Y).item() == pytest.approx(expected)
    nothing = torch.zeros(B, C, dtype=torch.float64)
    assert classification(nothing, nothing, Y).item() == pytest.approx(2 * math.log(2))


def test_class_regression_is_the_mean_distance_to_the_labels():
    p, q = random(B, C), random(B, C, seed=1)
    expected = sum(math.dist(x, y) for x, y in zip(p.tolist(), Y.tolist(), strict=True)) / B
    expected += sum(math.dist(x, y) for x, y in zip(q.tolist(), Y.tolist(), strict=True)) / B
    assert class_regression(p, q, Y).item() == pytest.approx(expected)
    assert class_regression(Y, Y, Y).item() == 0


@pytest.mark.parametrize("similarity", [share, common])
def test_likelihood_of_each_pair(similarity):
    x, z, S = random(B, E), random(B, E, seed=1), similarity(Y)
    expected = 0
    for i in range(B):
        for j in range(B):
            theta = cos(x[i].tolist(), z[j].tolist()) / 2
            expected += (math.log(1 + math.exp(theta)) - S[i, j].item() * theta) / B**2
    assert likelihood(x, z, S).item() == pytest.approx(expected)


def test_likelihood_prefers_features_that_agree_with_the_categories():
    S = torch.eye(2)
    x = torch.tensor([[1.0, 0], [-1, 0]])
    assert likelihood(x, x, S) < likelihood(x, x.flip(0), S)
    # At right angles it knows nothing; at best a chance of sigmoid(1/2), far from certain.
    assert likelihood(torch.eye(4)[:2], torch.eye(4)[2:], S).item() == pytest.approx(math.log(2))
    assert likelihood(x, x, S).item() == pytest.approx(math.log(1 + math.exp(-0.5)))


def test_invariance_is_the_mean_distance_of_partners():
    u, v = random(B, E), random(B, E, seed=1)
    expected = sum(math.dist(x, y) for x, y in zip(u.tolist(), v.tolist(), strict=True)) / B
    assert invariance(u, v).item() == pytest.approx(expected)


def test_equal_partners_have_no_gradient():
    u = random(B, E).requires_grad_()
    v = u.detach().clone()
    v[0] += 1
    invariance(u, v).backward()
    assert u.grad.isfinite().all()
    assert torch.equal(u.grad[1:], torch.zeros(B - 1, E, dtype=torch.float64))
    assert u.grad[0].norm().item() == pytest.approx(1 / B)


def test_gradients():
    u, v = random(B, E).requires_grad_(), random(B, E, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(invariance, (u, v))
    assert torch.autograd.gradcheck(lambda x, z: likelihood(x, z, share(Y)), (u, v))
    p = random(B, C, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: classification(p, p, Y), (p,))


def test_features_of_zero_are_no_trouble():
    x = torch.zeros(B, E, requires_grad=True)
    loss = likelihood(x, x, share(Y).float()) + invariance(x, x.detach())
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert torch.equal(x.grad, torch.zeros(B, E))


# Which samples share categories

TAGS = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)) < 0.3
TAGS[3] = False  # no category at all
TAGS[0, :2], TAGS[1, :2] = True, True  # at least two in common
OTHER = torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) < 0.5


def counted(labels, other):
    """As the released code counts: samples x categories x samples."""
    rows = []
    for y in labels.tolist():
        rows.append(
            [float(sum(p and q for p, q in zip(y, z, strict=True))) for z in other.tolist()]
        )
    return rows


def test_common_counts():
    assert common(TAGS).tolist() == counted(TAGS, TAGS)
    assert common(TAGS, OTHER).tolist() == counted(TAGS, OTHER)
    assert common(TAGS).max() >= 2  # or counting is not tested


def test_share_says_whether():
    assert share(TAGS).tolist() == [[float(n > 0) for n in row] for row in counted(TAGS, TAGS)]
    assert share(TAGS, OTHER).tolist() == [
        [float(n > 0) for n in row] for row in counted(TAGS, OTHER)
    ]
    assert torch.equal(share(TAGS), share(TAGS).T)


def test_a_sample_without_categories_shares_none():
    assert share(TAGS)[3].tolist() == share(TAGS)[:, 3].tolist() == [0.0] * 7
    kept = TAGS.any(1)
    assert torch.equal(share(TAGS).diagonal(), kept.float())


def test_any_type_of_labels():
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.float32):
        found = common(TAGS.to(dtype), OTHER)
        assert found.dtype == torch.float32
        assert torch.equal(found, common(TAGS, OTHER))
    assert common(TAGS.double()).dtype == share(TAGS.double()).dtype == torch.float64
    many = torch.ones(2, 300, dtype=torch.uint8)  # more than a byte counts
    assert common(many).tolist() == [[300.0] * 2] * 2


# Codes


def test_similarity_is_the_mean_of_sums():
    c, h = random(B, E), random(B, L, seed=1).tanh()
    expected = sum(
        (cos(c[i].tolist(), c[j].tolist()) / 2 - cos(h[i].tolist(), h[j].tolist()) / 2) ** 2
        for i in range(B)
        for j in range(B)
    )
    assert hash_similarity(c, h).item() == pytest.approx(expected / B)
    assert hash_similarity(c, 0.1 * c).item() == pytest.approx(0)


def test_quantisation_is_the_squared_distance_to_the_nearest_code():
    h = random(B, L).tanh()
    expected = sum((abs(x) - 1) ** 2 for x in h.flatten().tolist()) / B
    assert quantisation(h).item() == pytest.approx(expected)
    assert quantisation(h.sign()).item() == 0


def test_zero_is_drawn_to_plus_one():
    h = torch.zeros(1, 2, requires_grad=True)
    loss = quantisation(h)
    loss.backward()
    assert loss.item() == 2
    assert (h.grad < 0).all()  # a step against the gradient goes up


def test_gradients_of_the_codes():
    c, h = random(B, E).requires_grad_(), random(B, L, seed=1).tanh().requires_grad_()
    assert torch.autograd.gradcheck(hash_similarity, (c, h))
    assert torch.autograd.gradcheck(quantisation, (h,))
