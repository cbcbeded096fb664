"""Lower bounds on mutual information from a critic's scores of every pair of a batch.

scores[i, j, p] = T(y_i, x_j at position p); without positions the scores are (B, B). The diagonal
holds the pairs that belong together (samples of the joint), the rest stand for the product of
the marginals. The larger a bound, the more the two depend on each other, so training maximises
it. With positions every bound is the average over them (Deep InfoMax, local objective).

`keep` (B, B) bool is False for pairs that must not count as negatives (same label, same
sentence); the diagonal is always a positive.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def jensen_shannon(scores: Tensor, keep: Tensor | None = None) -> Tensor:
    """Jensen-Shannon bound, the default of Deep InfoMax (Hjelm et al. 2019, eq. 4).

    Args:
        scores: (B, B) or (B, B, P) float.
        keep: (B, B) bool; default: every pair.

    Returns:
        () float: E_joint[-softplus(-T)] - E_marginals[softplus(T)], at most 0; -2 log 2 when the
        critic knows nothing.

    Raises:
        ValueError: scores is not square, or no negative is left.
    """
    positive, negative = _masks(scores, keep)
    return -F.softplus(-scores[positive]).mean() - F.softplus(scores[negative]).mean()


def info_nce(scores: Tensor, keep: Tensor | None = None) -> Tensor:
    """InfoNCE bound in nats (van den Oord et al. 2018, eq. 4), at most log(1 + negatives).

    Each positive (y_i, x_i at p) competes with y_i's scores of all positions of all other
    samples, not with the other positions of its own (as the Deep InfoMax code does). Arguments
    and errors as in `jensen_shannon`.
    """
    _, negative = _masks(scores, keep)
    T = scores.unsqueeze(-1) if scores.ndim == 2 else scores  # (B, B, P)
    others = T.masked_fill(~negative[..., None], -math.inf).flatten(1)  # (B, B * P)
    rest = others.logsumexp(1)[:, None]  # (B, 1)
    own = T.diagonal().T  # (B, P)
    count = 1 + negative.sum(1, keepdim=True) * T.shape[2]  # (B, 1)
    return (own - torch.logaddexp(own, rest) + count.log()).mean()


def donsker_varadhan(scores: Tensor, keep: Tensor | None = None) -> Tensor:
    """Donsker-Varadhan bound in nats (Belghazi et al. 2018, eq. 5).

    Arguments and errors as in `jensen_shannon`. Unbounded above: a loud critic can overshoot. With
    positions each has its own bound; the Deep InfoMax code pools the negatives of all of them.
    """
    positive, negative = _masks(scores, keep)
    marginals = scores[negative]  # (negatives,) or (negatives, P)
    bound = scores[positive].mean(0) - marginals.logsumexp(0) + math.log(len(marginals))
    return bound.mean()


ESTIMATORS = {"jsd": jensen_shannon, "infonce": info_nce, "dv": donsker_varadhan}


def _masks(scores: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor]:
    if scores.ndim not in (2, 3) or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"scores must be (B, B) or (B, B, P), got {tuple(scores.shape)}")
    positive = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    negative = ~positive if keep is None else keep & ~positive
    if not negative.any():
        raise ValueError("no negative pair is left in the batch: every sample shares a label")
    return positive, negative
