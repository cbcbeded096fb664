"""What makes codes, against its sums written out."""

import math

import pytest
import torch

from cmir_repro.losses.hashing import hash_similarity, quantisation

B, E, L = 5, 6, 3


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cos(x, z):
    dot = sum(p * q for p, q in zip(x, z, strict=True))
    return dot / (math.hypot(*x) * math.hypot(*z))


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


def test_gradients():
    c, h = random(B, E).requires_grad_(), random(B, L, seed=1).tanh().requires_grad_()
    assert torch.autograd.gradcheck(hash_similarity, (c, h))
    assert torch.autograd.gradcheck(quantisation, (h,))
