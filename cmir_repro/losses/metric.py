"""Metric objectives of TIRG (code of google/tirg): query i belongs to target i, to nobody else.

Both take features already normalised and scaled, see `scaled`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def scaled(features: Tensor, scale: Tensor) -> Tensor:
    """scale * x / ||x||; TIRG learns the scale, from 4. (B, D) -> (B, D)."""
    return scale * F.normalize(features, dim=1)


def batch_softmax(queries: Tensor, targets: Tensor, generator=None) -> Tensor:
    """Cross-entropy of each query's own target among the batch's (TIRG, "batch based").

    Args:
        queries, targets: (B, D) float, normalised and scaled; logits are dot products.
        generator: not used; the objectives share one signature.

    Returns:
        () float, in nats; log B for features that know nothing.
    """
    logits = queries @ targets.T  # (B, B)
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def soft_triplet(queries: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
    """Mean of log(1 + exp(d(a, p) - d(a, n))) over three sampled triplets an anchor.

    Each of the 2B vectors is an anchor once; its positive is its partner, its negatives are
    three different ones of the 2B - 2 others, drawn evenly; d is the squared Euclidean distance.

    Args:
        queries, targets: (B, D) float, normalised and scaled; B >= 3.
        generator: draws the negatives, on the CPU.

    Returns:
        () float.

    Raises:
        ValueError: fewer than three pairs.
    """
    B = len(queries)
    if B < 3:
        raise ValueError(f"three negatives an anchor need at least 3 pairs, got {B}")
    both = torch.cat([queries, targets])  # (2B, D)
    anchor = torch.arange(2 * B)
    positive = (anchor + B) % (2 * B)
    chances = torch.ones(2 * B, 2 * B)
    chances[anchor, anchor] = chances[anchor, positive] = 0
    negative = chances.multinomial(TRIPLETS, generator=generator).to(both.device)  # (2B, 3)
    d_positive = (both - both[positive.to(both.device)]).square().sum(1)  # (2B,)
    d_negative = (both[:, None] - both[negative]).square().sum(2)  # (2B, 3)
    return F.softplus(d_positive[:, None] - d_negative).mean()


def soft_triplet_half_gradient(
    queries: Tensor, targets: Tensor, generator: torch.Generator
) -> Tensor:
    """`soft_triplet` with half its gradient.

    The reference's hand-written backward leaves out the factor 2 of d||x - y||^2, so a step of
    its learning rate is half a true one; this reproduces that.
    """
    loss = soft_triplet(queries, targets, generator)
    return loss.detach() + 0.5 * (loss - loss.detach())


TRIPLETS = 3
METRIC_OBJECTIVES = {
    "batch-softmax": batch_softmax,
    "soft-triplet": soft_triplet,
    "soft-triplet-half-gradient": soft_triplet_half_gradient,
}
