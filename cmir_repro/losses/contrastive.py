"""Contrastive losses of pictures and sentences: InfoNCE, soft targets, local mutual information.

Letters as in the literature around ALBEF (Li et al. 2021) and TCL (Yang et al. 2022): B batch, K
keys (the batch's and a queue's), E embedding, N local features of a sample. Logits are dot
products of features of length 1, divided by the temperature. Everything is computed in float32
at least.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.losses.cosine import cosine


def infonce(X: Tensor, Z: Tensor, tau: float, S: Tensor | None = None) -> Tensor:
    """Aligned pairs together, unaligned ones apart: the contrast that the abstract describes.

    Cross-entropy of each one's partner among the batch, from X to Z and from Z to X, the mean of
    both. The paper's equation is not known; InfoNCE in both directions is our choice.

    Args:
        X, Z: (B, K) float; row i of both belong together.
        tau: above 0.
        S: (B, B) 0/1, symmetric; if given, samples that share a category are no negatives of each
            other (our choice). A sample without negatives loses nothing.

    Returns:
        () float, in nats; log B for features that know nothing, without S.
    """
    s = cosine(X, Z) / tau  # (B, B)
    i = torch.arange(len(s), device=s.device)
    if S is not None:
        s = s.masked_fill((S > 0) & (i[:, None] != i), -torch.inf)
    return (F.cross_entropy(s, i) + F.cross_entropy(s.T, i)) / 2


def id_targets(ids_query: Tensor, ids_key: Tensor) -> Tensor:
    """Share of each key in a query's target: even over the keys of its id (ALBEF, fine-tuning).

    Args:
        ids_query, ids_key: (B,) and (K,) int64.

    Returns:
        (B, K) float32, rows of sum 1; a query none of whose keys has its id has a row of nan, so
        give every query its own key.
    """
    same = ids_query[:, None] == ids_key  # (B, K)
    return same / same.sum(1, keepdim=True)


@torch.no_grad()
def soft_targets(hard: Tensor, momentum_logits: Tensor, alpha: float) -> Tensor:
    """alpha * softmax(momentum logits) + (1 - alpha) * hard, without gradient (ALBEF, eq. 6).

    Args:
        hard: (B, K), rows of sum 1.
        momentum_logits: (B, K), of the momentum copies' query features.
        alpha: from 0 to 1, see `alpha_at`.
    """
    return alpha * _full(momentum_logits).softmax(1) + (1 - alpha) * hard


def contrast(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of logits (B, K) and targets (B, K) whose rows sum to 1: () float."""
    return F.cross_entropy(_full(logits), targets)


def alpha_at(step: int, ramp_steps: int, alpha: float) -> float:
    """The weight of soft targets: from 0 in a straight line to alpha at `ramp_steps` (ALBEF)."""
    return alpha if step >= ramp_steps else alpha * step / ramp_steps


def local_mutual_information(
    global_: Tensor,
    local: Tensor,
    lengths: Tensor,
    temperature: float | Tensor,
) -> Tensor:
    """InfoNCE between a sample's global feature and each of its local ones (LMI of TCL).

    With s[i, j, k] = global_i . local_jk / temperature, sample i and its local k lose
    log(1 + sum_j sum_k' exp(s[i, j, k'] - s[i, i, k])), j over the other samples and k' over their
    real locals; the mean over k, then over i. A sample's other locals are no negatives.

    Args:
        global_: (B, E), of length 1.
        local: (B, N, E), of length 1 each or means of such.
        lengths: (B,) int64, how many locals are real, at least 1.
        temperature: above 0.

    Returns:
        () float, in nats; log(1 + negatives) for features that know nothing.

    Raises:
        ValueError: fewer than two samples.
    """
    B, N = local.shape[:2]
    if B < 2:
        raise ValueError(f"negatives come from other samples, so there must be 2, got {B}")
    # Under autocast the product would be rounded again and then divided by a small temperature.
    with torch.autocast(global_.device.type, enabled=False):
        scores = _full(global_) @ _full(local).flatten(0, 1).T / temperature
    scores = scores.view(B, B, N)
    i = torch.arange(B, device=scores.device)
    real = torch.arange(N, device=scores.device) < lengths[:, None]  # (B, N)
    others = i[:, None] != i  # (B, B)
    rest = scores.masked_fill(~(others[..., None] & real), -torch.inf).flatten(1).logsumexp(1)
    losses = F.softplus(rest[:, None] - scores[i, i])  # (B, N)
    return (losses.masked_fill(~real, 0).sum(1) / lengths).mean()


def pool_grid(local: Tensor, grid: tuple[int, int], cells: int = 4) -> Tensor:
    """Neighbouring local features of a picture averaged, without a new normalisation (TCL).

    Args:
        local: (B, h * w, E), row by row.
        grid: (h, w).
        cells: rows and columns of the result; a side with fewer stays as it is.

    Returns:
        (B, cells * cells, E). Windows overlap by a cell where `cells` does not divide a side.
    """
    map_ = local.transpose(1, 2).unflatten(2, grid)  # (B, E, h, w)
    size = tuple(min(cells, side) for side in grid)
    return F.adaptive_avg_pool2d(map_, size).flatten(2).transpose(1, 2)


def _full(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
