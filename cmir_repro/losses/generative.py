"""Objectives with auxiliary generative features: distil, deceive, contrast.

Zhang et al. 2022 (CRCGS) and its released code. Letters: B batch, K converted space. X is a
teacher's code and Z the student's converted feature of the same samples, in the order of the batch;
either may be of images or of texts.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.losses.cosine import cosine

STUDENT, TEACHER = 0, 1  # classes of the discriminators
EPS = 1e-7  # of the released contrast


def distillation(a: Tensor, f: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """Mean squared error of the student's a, b to the teachers' f, g, summed; all (B, K)."""
    return F.mse_loss(a, f) + F.mse_loss(b, g)


def judged(logits: Tensor, teacher: bool) -> Tensor:
    """Cross-entropy of a discriminator's logits (B, 2), if all are the teacher's or none is.

    The discriminator learns with the true answer, the student with `teacher=True` on its own. What
    is judged are generated features: both sides are decoded by the teacher (released code).
    """
    answer = logits.new_full((len(logits),), TEACHER if teacher else STUDENT, dtype=torch.int64)
    return F.cross_entropy(logits, answer)


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
