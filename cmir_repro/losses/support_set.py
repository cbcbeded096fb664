"""Support sets: what the other modality shows of a sample's categories (CRCGS, Zhang et al. 2022).

The abstract keeps each sample near the information of its category in the other modality; the form
is that of the released code. Letters: B batch, M memory, C categories, K converted space.
"""

import torch
from torch import Tensor

from cmir_repro.losses.cosine import cosine, unit
from cmir_repro.losses.label_similarity import common

FLOOR = 1e-6  # of the mean cosine, whose logarithm is taken


def support(a: Tensor, b: Tensor, N: Tensor, tau: float) -> Tensor:
    """s_i = sum_j w_ij b_j / sum_j w_ij with w_ij = N_ij exp(cos(a_i, b_j) / tau).

    A partner that shares two categories counts twice; a sample's own partner is in its set, and is
    all of it where nobody shares a category (the released code divides 0 by 0 there). Gradients
    flow through the weights and through b.

    Args:
        a: (B, K) float.
        b: (B', K) float of the other modality, B' >= B; b_i of the first B is a_i's own partner.
        N: (B, B') float >= 0, `label_similarity.common`.
        tau: above 0.

    Returns:
        (B, K) float32 at least.
    """
    own = torch.eye(*N.shape, dtype=N.dtype, device=N.device)
    N = torch.where(N.any(1, keepdim=True), N, own)
    with torch.autocast(a.device.type, enabled=False):
        w = (cosine(a, b) / tau + N.log()).softmax(1)  # (B, B'); log 0 is -inf, its share is 0
        return w @ b.to(w.dtype)


def support_loss(
    a: Tensor,
    b: Tensor,
    labels: Tensor,
    tau: float,
    memory: tuple[Tensor, Tensor, Tensor] | None = None,
) -> Tensor:
    """-log of the mean cosine between samples and their support sets, over both modalities.

    -log{[mean_i cos(a_i, s_i) + mean_i cos(b_i, t_i)] / 2}, s_i of texts b and t_i of images a.

    Args:
        a, b: (B, K) float, image and text of the same samples.
        labels: (B, C) 0/1.
        tau: above 0.
        memory: a (M, K), b (M, K), labels (M, C) of earlier samples, M >= 0, which extend the
            support sets and get no gradient (our choice; the released code has the batch only).

    Returns:
        () float, from 0 to -log FLOOR = 13.8; there, as where all features are 0, no gradient.
    """
    as_, bs, ys = a, b, labels
    if memory is not None:
        parts = zip((a, b, labels), memory, strict=True)
        as_, bs, ys = (torch.cat([new, old.detach().to(new.dtype)]) for new, old in parts)
    N = common(labels, ys)  # (B, B + M)
    image = (unit(a) * unit(support(a, bs, N, tau))).sum(1).mean()
    text = (unit(b) * unit(support(b, as_, N, tau))).sum(1).mean()
    return -((image + text) / 2).clamp(FLOOR, 1).log()
