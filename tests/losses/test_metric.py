"""The metric objectives against their definitions, triplet by triplet."""

import math

import pytest
import torch

from cmir_repro.losses.metric import (
    METRIC_OBJECTIVES,
    batch_softmax,
    scaled,
    soft_triplet,
    soft_triplet_half_gradient,
)

B, D = 5, 4


@pytest.fixture
def pairs():
    features = torch.randn(2, B, D, generator=torch.Generator().manual_seed(0)).double()
    return features[0].requires_grad_(), features[1].requires_grad_()


@pytest.fixture
def drawn(monkeypatch):
    """Fills with the negatives that are drawn: one (2B, 3) a call."""
    calls, multinomial = [], torch.Tensor.multinomial

    def spy(*args, **kwargs):
        calls.append(multinomial(*args, **kwargs))
        return calls[-1]

    monkeypatch.setattr(torch.Tensor, "multinomial", spy)
    return calls


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def triplet_terms(both, triplets):
    """log(1 + exp(d(a, p) - d(a, n))) of each triplet (a, p, n) of row numbers."""

    def d(i, j):
        return sum((a - b) ** 2 for a, b in zip(both[i], both[j], strict=True))

    return [math.log1p(math.exp(d(a, p) - d(a, n))) for a, p, n in triplets]


def test_scaled_keeps_the_direction_and_sets_the_length():
    x = torch.tensor([[3.0, 4.0], [0.0, -0.1]])
    scale = torch.tensor(4.0, requires_grad=True)
    torch.testing.assert_close(
        scaled(x, scale), torch.tensor([[2.4, 3.2], [0, -4]]), check_dtype=False
    )
    scaled(x, scale)[0, 1].backward()
    assert scale.grad.item() == pytest.approx(0.8)  # it is learned


def test_batch_softmax_is_the_written_out_sum(pairs):
    Q, K = (x.tolist() for x in pairs)
    expected = 0
    for i in range(B):
        crowd = [math.exp(sum(a * b for a, b in zip(Q[i], K[j], strict=True))) for j in range(B)]
        expected -= math.log(crowd[i] / sum(crowd)) / B  # among all targets, not all queries
    assert batch_softmax(*pairs).item() == pytest.approx(expected)
    assert batch_softmax(torch.zeros(B, D), torch.zeros(B, D)).item() == pytest.approx(math.log(B))


def test_soft_triplet_is_the_written_out_sum(pairs, drawn):
    loss = soft_triplet(*pairs, seeded())
    triplets = [(a, (a + B) % (2 * B), n) for a, row in enumerate(drawn[0].tolist()) for n in row]
    terms = triplet_terms(torch.cat(pairs).tolist(), triplets)
    assert len(terms) == 6 * B
    assert loss.item() == pytest.approx(sum(terms) / len(terms))


def test_negatives_are_three_different_others_and_come_from_the_generator(pairs, drawn):
    losses = [soft_triplet(*pairs, seeded(seed)).item() for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    for anchor, row in enumerate(drawn[0].tolist()):
        assert len({*row, anchor, (anchor + B) % (2 * B)}) == 5


def test_negatives_are_drawn_evenly(pairs):
    """Over many draws the loss tends to the mean over all triplets there are."""
    everything = [
        (a, (a + B) % (2 * B), n) for a in range(2 * B) for n in range(2 * B) if (a - n) % B
    ]
    terms = triplet_terms(torch.cat(pairs).tolist(), everything)
    generator = seeded()
    with torch.no_grad():
        draws = torch.stack([soft_triplet(*pairs, generator) for _ in range(2000)])
    error = draws.std().item() / math.sqrt(len(draws))
    assert error < 0.01
    assert draws.mean().item() == pytest.approx(sum(terms) / len(terms), abs=4 * error)


def test_half_gradient_has_the_same_value_and_half_the_slope(pairs):
    full, half = soft_triplet(*pairs, seeded()), soft_triplet_half_gradient(*pairs, seeded())
    assert full.item() == half.item()
    for whole, part in zip(
        torch.autograd.grad(full, pairs), torch.autograd.grad(half, pairs), strict=True
    ):
        assert whole.abs().max() > 0
        assert torch.equal(part, whole / 2)


@pytest.mark.parametrize("objective", [soft_triplet, soft_triplet_half_gradient])
def test_fewer_than_three_pairs_are_refused(objective):
    with pytest.raises(ValueError, match="at least 3 pairs, got 2"):
        objective(torch.zeros(2, D), torch.zeros(2, D), seeded())


@pytest.mark.parametrize("objective", METRIC_OBJECTIVES.values())
def test_a_step_brings_query_and_target_together(objective, pairs):
    before = objective(*pairs, seeded())
    slopes = torch.autograd.grad(before, pairs)
    moved = [x - 1e-3 * slope for x, slope in zip(pairs, slopes, strict=True)]
    assert objective(*moved, seeded()) < before
