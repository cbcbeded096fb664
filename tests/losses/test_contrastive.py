"""Contrast, soft targets and local mutual information against their sums written out."""

import math

import pytest
import torch

from cmir_repro.losses.contrastive import (
    alpha_at,
    contrast,
    id_targets,
    infonce,
    local_mutual_information,
    pool_grid,
    soft_targets,
)

B, K, N, E, TAU = 4, 6, 5, 8, 0.07
LENGTHS = torch.tensor([5, 1, 3, 2])
IDS = torch.tensor([4, 9, 4, 7])


def unit(*shape, seed=0):
    x = torch.randn(*shape, E, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=-1)


@pytest.fixture
def logits():
    return unit(B) @ unit(K, seed=1).T / TAU


def softmax(row):
    return [math.exp(x) / sum(map(math.exp, row)) for x in row]


def test_targets_are_even_over_the_keys_of_the_id():
    keys = torch.tensor([4, 9, 4, 7, 9, 4, -100])
    targets = id_targets(IDS, keys)
    third = pytest.approx(1 / 3)
    assert targets.tolist() == [
        [third, 0, third, 0, 0, third, 0],
        [0, 0.5, 0, 0, 0.5, 0, 0],
        [third, 0, third, 0, 0, third, 0],
        [0, 0, 0, 1, 0, 0, 0],
    ]
    assert torch.equal(id_targets(torch.arange(3), torch.arange(3)), torch.eye(3))
    assert id_targets(torch.tensor([1]), torch.tensor([2])).isnan().all()  # never silently none


def test_soft_targets_mix_what_the_copies_say(logits):
    hard = id_targets(IDS, torch.tensor([4, 9, 4, 7, 9, 4]))
    soft = soft_targets(hard, logits.clone().requires_grad_(), 0.4)
    assert not soft.requires_grad
    for i in range(B):
        for j, share in enumerate(softmax(logits[i].tolist())):
            assert soft[i, j].item() == pytest.approx(0.4 * share + 0.6 * hard[i, j].item())
    torch.testing.assert_close(soft.sum(1), torch.ones(B))
    assert torch.equal(soft_targets(hard, logits, 0.0), hard)


def test_alpha_climbs_in_a_straight_line():
    assert [alpha_at(step, 4, 0.4) for step in range(6)] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.4]
    )
    assert alpha_at(0, 0, 0.4) == 0.4


def test_contrast_is_the_written_out_sum(logits):
    targets = soft_targets(id_targets(IDS, torch.tensor([4, 9, 4, 7, 9, 4])), logits.flip(0), 0.4)
    expected = 0
    for i in range(B):
        for j, share in enumerate(softmax(logits[i].tolist())):
            expected -= targets[i, j].item() * math.log(share) / B
    assert contrast(logits, targets).item() == pytest.approx(expected, rel=1e-5)
    assert contrast(torch.zeros(B, K), targets).item() == pytest.approx(math.log(K))


def written_out_lmi(g, l, lengths, tau):
    """Sample by sample, local by local, as the formula reads."""

    def score(i, j, k):
        return sum(a * b for a, b in zip(g[i].tolist(), l[j, k].tolist(), strict=True)) / tau

    total = 0
    for i in range(len(g)):
        crowd = 0
        for j in range(len(g)):
            if j == i:
                continue
            crowd += sum(math.exp(score(i, j, k)) for k in range(lengths[j]))
        for k in range(lengths[i]):
            own = math.exp(score(i, i, k))
            total -= math.log(own / (own + crowd)) / lengths[i].item() / len(g)
    return total


def test_lmi_is_the_written_out_sum():
    g, l = unit(B).double(), unit(B, N, seed=1).double()
    expected = written_out_lmi(g, l, LENGTHS, TAU)
    found = local_mutual_information(g, l, LENGTHS, TAU)
    assert found.item() == pytest.approx(expected, rel=1e-9)
    assert found.dtype == torch.float64


def test_lmi_reads_no_padding():
    g, l = unit(B), unit(B, N, seed=1).requires_grad_()
    loss = local_mutual_information(g, l, LENGTHS, TAU)
    loss.backward()
    padding = torch.arange(N) >= LENGTHS[:, None]
    assert l.grad[padding].count_nonzero() == 0
    assert (l.grad[~padding].abs().sum(1) > 0).all()
    filled = l.detach().masked_fill(padding[..., None], 50.0)
    torch.testing.assert_close(local_mutual_information(g, filled, LENGTHS, TAU), loss.detach())


def test_lmi_has_no_negatives_in_its_own_sample():
    """Other locals of the sample may point anywhere: with one real local it loses the same."""
    g, l = unit(2), unit(2, N, seed=1)
    one = torch.tensor([1, 3])
    first = local_mutual_information(g, l, one, TAU)
    crowd = torch.logsumexp(g[0] @ l[1, :3].T / TAU, 0)
    crowd2 = torch.logsumexp(g[1] @ l[0, :1].T / TAU, 0)
    own = g[0] @ l[0, 0] / TAU
    own2 = g[1] @ l[1, :3].T / TAU
    expected = (torch.log1p((crowd - own).exp()) + torch.log1p((crowd2 - own2).exp()).mean()) / 2
    torch.testing.assert_close(first, expected)


def test_lmi_of_features_that_know_nothing_is_the_log_of_the_crowd():
    zeros = torch.zeros(B, N, E)
    full = torch.full((B,), N)
    found = local_mutual_information(zeros[:, 0], zeros, full, TAU).item()
    assert found == pytest.approx(math.log(1 + (B - 1) * N))


def test_lmi_holds_at_extreme_scores_and_refuses_a_batch_without_negatives():
    g, l = unit(B).requires_grad_(), unit(B, N, seed=1)
    for temperature in (1e-4, 1e4):
        loss = local_mutual_information(g, l, LENGTHS, temperature)
        assert loss.isfinite()
        assert torch.autograd.grad(loss, g)[0].isfinite().all()
    with pytest.raises(ValueError, match="there must be 2, got 1"):
        local_mutual_information(g[:1], l[:1], LENGTHS[:1], TAU)


def test_a_learned_temperature_gets_a_gradient():
    tau = torch.tensor(TAU, requires_grad=True)
    local_mutual_information(unit(B), unit(B, N, seed=1), LENGTHS, tau).backward()
    assert tau.grad.abs() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(dtype, logits):
    """Within 0.05 nats: 8 bits of a logit of up to 14 are 0.03, and the mean errs less."""
    g, l = unit(B), unit(B, N, seed=1)
    full = local_mutual_information(g, l, LENGTHS, TAU)
    half = local_mutual_information(g.to(dtype), l.to(dtype), LENGTHS, TAU)
    assert half.dtype == torch.float32
    assert abs(half - full) < 0.05
    targets = id_targets(IDS, torch.tensor([4, 9, 4, 7, 9, 4]))
    assert abs(contrast(logits.to(dtype), targets) - contrast(logits, targets)) < 0.05
    soft = soft_targets(targets, logits, 0.4)
    assert (soft_targets(targets, logits.to(dtype), 0.4) - soft).abs().max() < 0.02
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(local_mutual_information(g, l, LENGTHS, TAU), full)


def test_a_grid_is_averaged_window_by_window():
    local = torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(0))  # 4 x 6
    pooled = pool_grid(local, (4, 6), cells=2)
    for row in range(2):
        for column in range(2):
            places = [(2 * row + y) * 6 + 3 * column + x for y in range(2) for x in range(3)]
            torch.testing.assert_close(pooled[:, 2 * row + column], local[:, places].mean(1))
    assert pool_grid(torch.zeros(1, 576, E), (24, 24)).shape == (1, 16, E)
    assert torch.equal(pool_grid(local[:, :6], (2, 3)), local[:, :6])  # nothing to average


# InfoNCE of both directions


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosines(X, Z):
    return torch.nn.functional.cosine_similarity(X[:, None], Z[None], dim=2).tolist()


def pulled(X, Z, tau, allowed):
    """-log of the partner's share among those allowed, the mean over rows."""
    losses = []
    for i, row in enumerate(cosines(X, Z)):
        whole = sum(math.exp(c / tau) for j, c in enumerate(row) if allowed(i, j))
        losses.append(-math.log(math.exp(row[i] / tau) / whole))
    return sum(losses) / len(losses)


def test_infonce_is_the_share_of_the_partner_both_ways():
    X, Z = random(B, K), random(B, K, seed=1)
    expected = (pulled(X, Z, TAU, lambda i, j: True) + pulled(Z, X, TAU, lambda i, j: True)) / 2
    assert infonce(X, Z, TAU).item() == pytest.approx(expected)
    same = torch.ones(B, K)
    assert infonce(same, same, TAU).item() == pytest.approx(math.log(B))
    assert infonce(torch.eye(B), torch.eye(B), TAU) < 1e-5
    assert infonce(torch.eye(B), torch.eye(B).roll(1, 0), TAU) > 10


def test_samples_that_share_a_category_are_no_negatives():
    X, Z = random(B, K), random(B, K, seed=1)
    S = torch.eye(B)
    S[0, 2] = S[2, 0] = 1
    S[3, 3] = 0  # a sample without categories is still its own partner

    def allowed(i, j):
        return i == j or not S[i, j]

    expected = (pulled(X, Z, TAU, allowed) + pulled(Z, X, TAU, allowed)) / 2
    assert infonce(X, Z, TAU, S).item() == pytest.approx(expected)
    assert infonce(X, Z, TAU, S).item() != pytest.approx(infonce(X, Z, TAU).item())


def test_without_negatives_nothing_is_lost():
    X, Z = random(B, K).requires_grad_(), random(B, K, seed=1)
    loss = infonce(X, Z, TAU, torch.ones(B, B))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(X.grad, torch.zeros(B, K, dtype=torch.float64))
    assert infonce(X[:1], Z[:1], TAU).item() == 0


def test_gradients_of_infonce():
    X, Z = random(B, K).requires_grad_(), random(B, K, seed=1).requires_grad_()
    S = torch.eye(B)
    S[0, 1] = S[1, 0] = 1
    assert torch.autograd.gradcheck(lambda x, z: infonce(x, z, 0.2, S), (X, Z))
