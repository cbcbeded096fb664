"""Distillation, the adversary and the released contrast against their sums written out."""

import math

import pytest
import torch

from cmir_repro.losses import crcgs
from cmir_repro.losses.crcgs import adversarial_loss, distillation, released_contrast

B, K, TAU = 5, 4, 0.07


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(seed):
    """As codes and converted features are: not negative."""
    return random(B, K, seed=seed).abs()


def cos(x, z):
    dot = sum(p * q for p, q in zip(x, z, strict=True))
    return dot / (math.hypot(*x) * math.hypot(*z))


def cosines(X, Z):
    return [[cos(x, z) for z in Z.tolist()] for x in X.tolist()]


def released(X, Z, tau, q, batch):
    """The released code's loss as its formula stands."""
    total = 0
    for i, row in enumerate(cosines(X, Z)):
        for j, c in enumerate(row):
            E = math.exp(c / tau)
            total += math.log((E if i == j else q) / (E + q + 1e-7))
    return -total / batch


def test_distillation_is_the_mean_square_of_both():
    a, f, b, g = (random(B, K, seed=s) for s in range(4))
    expected = sum(
        (x - y) ** 2 / (B * K)
        for ours, theirs in ((a, f), (b, g))
        for x, y in zip(ours.flatten().tolist(), theirs.flatten().tolist(), strict=True)
    )
    assert distillation(a, f, b, g).item() == pytest.approx(expected)
    assert distillation(a, a, b, b).item() == 0


@pytest.mark.parametrize(("teacher", "own"), [(True, 1), (False, 0)])
def test_the_teachers_are_class_one(teacher, own):
    logits = random(B, 2)
    expected = 0
    for row in logits.tolist():
        expected -= math.log(math.exp(row[own]) / sum(map(math.exp, row))) / B
    assert adversarial_loss(logits, teacher).item() == pytest.approx(expected)


@pytest.mark.parametrize("tau", [0.07, 0.2])
@pytest.mark.parametrize("n", [125, 10_000])  # batches, samples
def test_released_contrast_is_its_formula(tau, n):
    X, Z = positive(0), positive(1)
    q = 79 / n
    expected = released(X, Z, tau, q, 80)
    assert released_contrast(X, Z, tau, q, 80).item() == pytest.approx(expected)
    assert released_contrast(X.float(), Z.float(), tau, q, 80).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_a_smaller_last_batch_is_divided_by_the_full_one():
    X, Z = positive(0), positive(1)
    ours = [released_contrast(X, Z, TAU, 0.6, n).item() for n in (B, 80)]
    assert ours[0] * B == pytest.approx(ours[1] * 80)


@pytest.mark.parametrize(("tau", "pull", "push"), [(0.07, 0.007, 1128), (0.2, 0.25, 376)])
def test_the_released_contrast_hardly_pulls(monkeypatch, tau, pull, push):
    """All cosines at 1/2, 80 samples, 125 batches: the gradients of the cosines themselves."""
    monkeypatch.setattr(crcgs, "cosine", lambda X, Z: X)
    cosines = torch.full((80, 80), 0.5, dtype=torch.float64, requires_grad=True)
    released_contrast(cosines, cosines, tau, 79 / 125, 80).backward()
    own = cosines.grad.diagonal().sum().item()
    assert own == pytest.approx(-pull, rel=0.05)
    assert cosines.grad.sum().item() - own == pytest.approx(push, rel=0.01)


def test_released_contrast_stays_finite():
    X, Z = torch.zeros(B, K), positive(1).float().requires_grad_()
    loss = released_contrast(X, Z, 0.01, 1e-12, 80)
    loss.backward()
    assert loss.isfinite()
    assert Z.grad.isfinite().all()
    assert released_contrast(Z, Z, 1e-3, 0.6, 80).isfinite()  # exp(1000) would not be


def test_gradient_of_the_released_contrast():
    X, Z = positive(0).requires_grad_(), positive(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, z: released_contrast(x, z, 0.2, 0.6, 8), (X, Z))
