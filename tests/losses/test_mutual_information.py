"""Each bound against its definition written out pair by pair, and what every bound promises."""

import math

import pytest
import torch

from cmir_repro.losses.mutual_information import (
    ESTIMATORS,
    donsker_varadhan,
    info_nce,
    jensen_shannon,
)

B, P = 5, 3


@pytest.fixture(params=[(B, B), (B, B, P)], ids=["vectors", "maps"])
def scores(request):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(request.param, generator=generator, dtype=torch.float64)


@pytest.fixture(params=["all pairs", "some pairs"])
def keep(request):
    if request.param == "all pairs":
        return None
    keep = torch.ones(B, B, dtype=torch.bool)
    keep[0, 3] = keep[4, 1] = keep[2, 2] = False  # the diagonal is a positive whatever keep says
    keep[1] = False  # a sample without any negative
    return keep


def by_hand_jsd(T, negatives, positions):
    def softplus(z):
        return math.log1p(math.exp(z))

    joint = [-softplus(-T[i][i][p]) for i in range(B) for p in range(positions)]
    marginals = [softplus(T[i][j][p]) for i, j in negatives for p in range(positions)]
    return sum(joint) / len(joint) - sum(marginals) / len(marginals)


def by_hand_infonce(T, negatives, positions):
    terms = []
    for i in range(B):
        others = [T[i][j][q] for k, j in negatives if k == i for q in range(positions)]
        for p in range(positions):
            crowd = [math.exp(t) for t in [T[i][i][p], *others]]
            terms.append(math.log(crowd[0] / (sum(crowd) / len(crowd))))
    return sum(terms) / len(terms)


def by_hand_dv(T, negatives, positions):
    bound = 0
    for p in range(positions):
        joint = sum(T[i][i][p] for i in range(B)) / B
        marginals = sum(math.exp(T[i][j][p]) for i, j in negatives) / len(negatives)
        bound += (joint - math.log(marginals)) / positions
    return bound


BY_HAND = {"jsd": by_hand_jsd, "infonce": by_hand_infonce, "dv": by_hand_dv}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_is_the_written_out_sum(name, scores, keep):
    negatives = [
        (i, j) for i in range(B) for j in range(B) if i != j and (keep is None or keep[i, j])
    ]
    T = scores.reshape(B, B, -1).tolist()
    expected = BY_HAND[name](T, negatives, len(T[0][0]))
    assert ESTIMATORS[name](scores, keep).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bound", ESTIMATORS.values())
def test_ascent_lifts_the_diagonal_and_lowers_the_negatives(bound, scores, keep):
    bound(scores.requires_grad_(), keep).backward()
    slope = scores.grad.reshape(B, B, -1)
    negative = ~torch.eye(B, dtype=torch.bool) if keep is None else keep & ~torch.eye(B).bool()
    assert (slope[negative] < 0).all()
    assert (slope.diagonal().T[negative.any(1)] > 0).all()
    masked = ~negative & ~torch.eye(B, dtype=torch.bool)
    assert (slope[masked] == 0).all()  # a masked pair does not matter


@pytest.mark.parametrize(
    ("bound", "floor"), [(jensen_shannon, -2 * math.log(2)), (info_nce, 0), (donsker_varadhan, 0)]
)
def test_a_critic_that_knows_nothing(bound, floor, keep):
    assert bound(torch.zeros(B, B, P), keep).item() == pytest.approx(floor, abs=1e-6)


def test_ceilings(scores):
    certain = torch.eye(B).reshape(B, B, *[1] * (scores.ndim - 2)).expand_as(scores) * 2e3 - 1e3
    positions = scores.shape[2:].numel()
    ceiling = math.log(1 + (B - 1) * positions)
    assert jensen_shannon(scores) < 0
    assert jensen_shannon(certain).item() == pytest.approx(0, abs=1e-6)
    assert info_nce(scores) < ceiling
    assert info_nce(certain).item() == pytest.approx(ceiling)
    assert donsker_varadhan(certain).item() == pytest.approx(2e3)  # has none


@pytest.mark.parametrize("bound", [info_nce, donsker_varadhan])
@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_the_best_critic_reaches_the_mutual_information_of_two_normals(bound, correlation):
    x, noise = torch.randn(2, 2000, generator=torch.Generator().manual_seed(0)).double()
    y = correlation * x + math.sqrt(1 - correlation**2) * noise
    information = -math.log(1 - correlation**2) / 2
    # log p(x, y) / p(x) p(y), of every pair
    slack = ((y[:, None] - correlation * x) ** 2) / (1 - correlation**2)
    scores = information - slack / 2 + y[:, None] ** 2 / 2
    assert bound(scores).item() == pytest.approx(information, abs=0.08)
    assert bound(scores / 2) < bound(scores) - 0.01  # any other critic stays below


@pytest.mark.parametrize("bound", ESTIMATORS.values())
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2), (4,), (4, 4, 2, 2)])
def test_scores_must_be_of_every_pair(bound, shape):
    with pytest.raises(ValueError, match=r"must be \(B, B\).*got \(4"):
        bound(torch.zeros(shape))


@pytest.mark.parametrize("bound", ESTIMATORS.values())
def test_a_batch_without_negatives_is_refused(bound):
    with pytest.raises(ValueError, match="no negative"):
        bound(torch.zeros(B, B), torch.zeros(B, B, dtype=torch.bool))
    with pytest.raises(ValueError, match="no negative"):
        bound(torch.zeros(1, 1))
