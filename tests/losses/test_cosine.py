"""Cosines of all pairs, and of vectors that have no direction."""

import math

import pytest
import torch

from cmir_repro.losses.cosine import NOTHING, cosine, unit


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_cosine_of_each_pair():
    x, z = random(3, 5), 7 * random(4, 5, seed=1)
    found = cosine(x, z)
    assert found.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            dot = sum(p * q for p, q in zip(x[i].tolist(), z[j].tolist(), strict=True))
            lengths = math.hypot(*x[i].tolist()) * math.hypot(*z[j].tolist())
            assert found[i, j].item() == pytest.approx(dot / lengths)
    assert torch.equal(unit(3 * torch.eye(2)), torch.eye(2))


def test_no_direction_means_no_cosine_and_no_gradient():
    x = random(3, 5)
    x[1], x[2] = 0, NOTHING / 100
    x.requires_grad_()
    found = cosine(x, random(4, 5, seed=1))
    assert torch.equal(found[1:], torch.zeros(2, 4, dtype=torch.float64))
    found.sum().backward()
    assert x.grad[0].abs().sum() > 0
    assert torch.equal(x.grad[1:], torch.zeros(2, 5, dtype=torch.float64))


def test_gradient():
    x, z = random(3, 5).requires_grad_(), random(4, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(cosine, (x, z))


def test_half_precision_is_not_used_under_autocast():
    x, z = random(3, 50).float(), random(4, 50, seed=1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cosine(x, z)
    assert found.dtype == torch.float32
    assert torch.equal(found, cosine(x, z))
    assert cosine(x.bfloat16(), z.bfloat16()).dtype == torch.float32
