"""Losses of CRCGS: distillation, the adversary, the released contrast, support sets.

Zhang et al. 2022 and its released code. What the abstract describes differs from that code in
places, each docstring says where; its contrast is `contrastive.infonce`. Letters: B batch, M
memory, C categories, K converted space. X is a teacher's code and Z the student's converted
feature of the same samples, in the order of the batch; either may be of images or of texts.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.losses.cosine import cosine, unit
from cmir_repro.losses.labels import common

STUDENT, TEACHER = 0, 1  # classes of the discriminators
EPS = 1e-7  # of the released contrast
FLOOR = 1e-6  # of the support sets' mean cosine, whose logarithm is taken


def distillation(a: Tensor, f: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """Mean squared error of the student's a, b to the teachers' f, g, summed; all (B, K)."""
    return F.mse_loss(a, f) + F.mse_loss(b, g)


def adversarial_loss(logits: Tensor, teacher: bool) -> Tensor:
    """Cross-entropy of a discriminator's logits (B, 2), if all are the teacher's or none is.

    The discriminator learns with the true class, the student with `teacher=True` on its own. What
    it classifies are generated features: both sides are decoded by the teacher (released code).
    """
    label = logits.new_full((len(logits),), TEACHER if teacher else STUDENT, dtype=torch.int64)
    return F.cross_entropy(logits, label)


def released_contrast(X: Tensor, Z: Tensor, tau: float, q: float, batch: int) -> Tensor:
    """The contrast of the released code: noise-contrastive, without a normaliser.

    -(1 / batch) [sum_i log E_ii / (E_ii + q + eps) + sum_{i != j} log q / (E_ij + q + eps)] with
    E_ij = exp(cos(X_i, Z_j) / tau), computed from logarithms. It has the form of contrastive
    representation distillation (Tian et al. 2020) without the division of E by its mean. Codes and
    features are not negative, so E >= 1: hardly anything pulls pairs together, and everything off
    the diagonal is pushed apart, samples of one category too.

    Args:
        X, Z: (B, K) float.
        tau: above 0.
        q: above 0, (batch - 1) / n; the released code has n = batches of an epoch, not samples.
        batch: the size of a full batch, by which a smaller last one is divided too.

    Returns:
        () float.
    """
    s = cosine(X, Z) / tau  # (B, B), log E
    p = F.softplus(math.log(q + EPS) - s)  # log((E + q + eps) / E)
    apart = math.log(q) - s - p
    own = -p.diagonal()  # (B,)
    return -(own.sum() + apart.sum() - apart.diagonal().sum()) / batch


def support(a: Tensor, b: Tensor, N: Tensor, tau: float) -> Tensor:
    """s_i = sum_j w_ij b_j / sum_j w_ij with w_ij = N_ij exp(cos(a_i, b_j) / tau).

    A partner that shares two categories counts twice; a sample's own partner is in its set, and is
    all of it where nobody shares a category (the released code divides 0 by 0 there). Gradients
    flow through the weights and through b.

    Args:
        a: (B, K) float.
        b: (B', K) float of the other modality, B' >= B; b_i of the first B is a_i's own partner.
        N: (B, B') float >= 0, `labels.common`.
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
