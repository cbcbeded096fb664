"""Support sets against the double loop, bare samples, and a loss that stays finite."""

import math

import pytest
import torch

from cmir_repro.losses.crcgs import FLOOR, support, support_loss
from cmir_repro.losses.labels import common

B, C, K, TAU = 6, 3, 4, 0.07
Y = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1]]).double()
BARE = 4  # the sample without categories


def positive(*shape, seed=0):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.abs()


def cos(x, z):
    dot = sum(p * q for p, q in zip(x, z, strict=True))
    return dot / (math.hypot(*x) * math.hypot(*z))


def support_of(i, a, b, labels, other, tau):
    """Of sample i: the weighted mean over everybody of the other modality, one after the other."""
    total, whole = [0.0] * len(b[0]), 0.0
    for features, categories in zip(b, other, strict=True):
        shared = sum(p * q for p, q in zip(labels[i], categories, strict=True))
        w = shared * math.exp(cos(a[i], features) / tau)
        total = [t + w * x for t, x in zip(total, features, strict=True)]
        whole += w
    return [t / whole for t in total] if whole else b[i]


def loss_of(a, b, labels, tau, memory=((), (), ())):
    a, b, labels = a.tolist(), b.tolist(), labels.tolist()
    as_, bs, ys = ([*x, *map(list, old)] for x, old in zip((a, b, labels), memory, strict=True))
    image = [cos(a[i], support_of(i, a, bs, labels, ys, tau)) for i in range(len(a))]
    text = [cos(b[i], support_of(i, b, as_, labels, ys, tau)) for i in range(len(a))]
    return -math.log((sum(image) / len(a) + sum(text) / len(a)) / 2)


def test_support_is_the_weighted_mean():
    a, b = positive(B, K), positive(B, K, seed=1)
    found = support(a, b, common(Y), TAU)
    for i in range(B):
        expected = support_of(i, a.tolist(), b.tolist(), Y.tolist(), Y.tolist(), TAU)
        assert found[i].tolist() == pytest.approx(expected)
    low = support(a.float(), b.float(), common(Y.float()), TAU)
    torch.testing.assert_close(low.double(), found, atol=1e-4, rtol=1e-4)


def test_two_shared_categories_count_twice():
    a = torch.tensor([[1.0, 0], [0, 0], [0, 0]])
    b = torch.tensor([[0.0, 1], [0, 4], [0, 7]])  # all at right angles to a_0
    N = torch.tensor([[1.0, 2, 0], [0, 0, 0], [0, 0, 0]])
    assert support(a, b, N, TAU)[0].tolist() == pytest.approx([0, (1 + 2 * 4) / 3])


def test_who_has_no_categories_is_supported_by_the_partner():
    a, b = positive(B, K), positive(B, K, seed=1)
    assert torch.equal(support(a, b, common(Y), TAU)[BARE], b[BARE])
    nobody = torch.zeros(B, B + 2)  # with two of a memory
    longer = torch.cat([b, positive(2, K, seed=2)])
    assert torch.equal(support(a, longer, nobody, TAU), b)


def test_a_category_of_one_is_supported_by_the_partner():
    a, b = positive(3, K), positive(3, K, seed=1)
    torch.testing.assert_close(support(a, b, torch.eye(3), TAU), b)


def test_loss_is_its_formula():
    a, b = positive(B, K), positive(B, K, seed=1)
    assert support_loss(a, b, Y, TAU).item() == pytest.approx(loss_of(a, b, Y, TAU))
    assert support_loss(a, 3 * a, torch.eye(B), TAU).item() == pytest.approx(0, abs=1e-9)


def test_memory_extends_the_sets_and_gets_no_gradient():
    a, b = positive(B, K).requires_grad_(), positive(B, K, seed=1)
    old = positive(4, K, seed=2).requires_grad_(), positive(4, K, seed=3)
    memory = (*old, torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]]))
    loss = support_loss(a, b, Y, TAU, memory)
    lists = [x.tolist() for x in memory]
    assert loss.item() == pytest.approx(loss_of(a.detach(), b, Y, TAU, lists))
    assert loss.item() != pytest.approx(support_loss(a, b, Y, TAU).item())
    loss.backward()
    assert a.grad.abs().sum() > 0
    assert old[0].grad is None
    empty = tuple(x[:0] for x in memory)
    assert torch.equal(support_loss(a, b, Y, TAU, empty), support_loss(a, b, Y, TAU))


def test_loss_is_finite_where_all_features_died():
    a, b = torch.zeros(B, K, requires_grad=True), torch.zeros(B, K, requires_grad=True)
    loss = support_loss(a, b, Y.float(), TAU)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(FLOOR), rel=1e-5)
    assert torch.equal(a.grad, torch.zeros(B, K))
    assert torch.equal(b.grad, torch.zeros(B, K))


@pytest.mark.parametrize("labels", [torch.zeros(B, C), torch.ones(B, C), Y.float()])
@pytest.mark.parametrize("tau", [1e-3, 0.04, 10])
def test_loss_and_gradients_are_finite(labels, tau):
    a, b = positive(B, K).float(), positive(B, K, seed=1).float()
    a[2], b[5] = 0, 0
    a.requires_grad_()
    loss = support_loss(a, b, labels, tau)
    loss.backward()
    assert 0 <= loss.item() < 13.9
    assert a.grad.isfinite().all()


def test_gradient():
    a, b = positive(B, K).requires_grad_(), positive(B, K, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: support_loss(a, b, Y, 0.2), (a, b))
