"""Losses from category labels: DSCMR, DCMH, and what makes codes of features.

Zhen et al. 2019 (DSCMR, "Deep Supervised Cross-Modal Retrieval", CVPR) and its form for samples of
several categories in the released code of CRCGS; Jiang and Li 2017 (DCMH, "Deep Cross-Modal
Hashing", CVPR). Letters: B batch, C categories, E retrieval space, L bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.losses.cosine import cosine


def common(labels: Tensor, other: Tensor | None = None) -> Tensor:
    """How many categories samples i and j share: N = Y Y'^T.

    Args:
        labels: (B, C) 0/1, bool or any number type; a sample may be without categories.
        other: (B', C), the same samples if None.

    Returns:
        (B, B') float32 at least, whole numbers.
    """
    y = labels.to(torch.promote_types(labels.dtype, torch.float32))
    return y @ (y if other is None else other.to(y.dtype)).T


def share(labels: Tensor, other: Tensor | None = None) -> Tensor:
    """Whether samples i and j share a category: 1[N > 0], arguments and shape as of `common`.

    A sample without categories shares none, not even with itself.
    """
    N = common(labels, other)
    return (N > 0).to(N.dtype)


def classification(logits_i: Tensor, logits_t: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of both modalities, each a mean over samples and categories.

    As in the released code of CRCGS.

    Args:
        logits_i, logits_t: (B, C) float.
        labels: (B, C) float 0/1.

    Returns:
        () float, in nats; 2 log 2 for logits of 0.
    """
    return F.binary_cross_entropy_with_logits(logits_i, labels) + (
        F.binary_cross_entropy_with_logits(logits_t, labels)
    )


def class_regression(predicted_i: Tensor, predicted_t: Tensor, labels: Tensor) -> Tensor:
    """mean_i ||p_i - y_i||_2, summed over both modalities (DSCMR's first term).

    Args:
        predicted_i, predicted_t, labels: (B, C) float; the predictions are the classifier's output
            as it is, without a squashing function.
    """
    return invariance(predicted_i, labels) + invariance(predicted_t, labels)


def likelihood(x: Tensor, z: Tensor, S: Tensor) -> Tensor:
    """mean_ij [log(1 + exp(theta_ij)) - S_ij theta_ij] with theta_ij = cos(x_i, z_j) / 2.

    The negative log-likelihood of "i and j belong together" with chance sigmoid(theta); as theta
    is within +-1/2 it cannot come near 0. DSCMR's second term is its sum over image-image,
    image-text and text-text.

    Args:
        x, z: (B, E) and (B', E) float, any length.
        S: (B, B') float, `share` as in CRCGS, or `common`, as DSCMR's code has it:
            the same where a sample has one category, the only case that DSCMR was tested in.

    Returns:
        () float; log 2 for features at right angles.
    """
    return _pair_likelihood(cosine(x, z) / 2, S)


def invariance(u: Tensor, v: Tensor) -> Tensor:
    """mean_i ||u_i - v_i||_2 of (B, E) pairs (DSCMR's third term): () float.

    Where a pair is equal its gradient is 0.
    """
    return torch.linalg.vector_norm(u - v, dim=1).mean()


def hash_similarity(c: Tensor, h_c: Tensor) -> Tensor:
    """mean_i sum_j (cos(c_i, c_j) / 2 - cos(h_i, h_j) / 2)^2: a sum over j, so it grows with B.

    Args:
        c: (B, E) float, the mean of a sample's image and text features.
        h_c: (B, L) float, its code before the sign.
    """
    return ((cosine(c, c) - cosine(h_c, h_c)) / 2).square().sum(1).mean()


def quantisation(h: Tensor) -> Tensor:
    """mean_i ||h_i - sign(h_i)||^2 of (B, L) float with sign(0) = +1: () float."""
    return (h - torch.where(h >= 0, 1.0, -1.0)).square().sum(1).mean()


def dcmh(
    image: Tensor, text: Tensor, share: Tensor, gamma: float = 1.0, eta: float = 1.0
) -> dict[str, Tensor]:
    """DCMH's objective on a batch, divided by the number of pairs B * B (Jiang and Li 2017).

    With f_i and g_j the outputs for images and texts, theta_ij = f_i . g_j / 2, and b_i the sign
    of f_i + g_i, where sign(0) is +1:

        likelihood     sum over i, j of log(1 + exp(theta_ij)) - S_ij theta_ij
        quantisation   sum over i of ||b_i - f_i||^2 + ||b_i - g_i||^2
        balance        ||sum over i of f_i||^2 + ||sum over i of g_i||^2

    The paper sums over all training samples; its code divides all three by the number of pairs,
    and so does this. That keeps gamma and eta what they are in the paper, makes the likelihood a
    mean over pairs and the balance the length of the batch's mean output, squared. Our choices:
    the batch takes the place of the training set, so that quantisation weighs as in a training set
    of B samples; both nets step together, where the paper steps one with the outputs of the other
    held; and the codes b are those of the batch's own outputs, constants for the gradient.

    Args:
        image, text: (B, L) float, row i of both from the same sample.
        share: (B, B) bool or 0/1, S: image i and text j share a category.
        gamma, eta: weights of quantisation and balance; the paper's are 1.

    Returns:
        "loss" = likelihood + gamma quantisation + eta balance, and the three parts, each () float.

    Raises:
        ValueError: shapes that do not fit together.
    """
    B = len(image)
    if image.shape != text.shape or image.ndim != 2 or share.shape != (B, B):
        raise ValueError(
            f"outputs must be (B, L) and share (B, B), got {tuple(image.shape)}, "
            f"{tuple(text.shape)} and {tuple(share.shape)}"
        )
    theta = image @ text.T / 2  # (B, B)
    likelihood = _pair_likelihood(theta, share)
    codes = torch.where(image + text >= 0, 1.0, -1.0).to(image)  # (B, L); no gradient
    quantisation = ((codes - image).square() + (codes - text).square()).sum() / B**2
    balance = image.mean(0).square().sum() + text.mean(0).square().sum()
    return {
        "loss": likelihood + gamma * quantisation + eta * balance,
        "likelihood": likelihood,
        "quantisation": quantisation,
        "balance": balance,
    }


def _pair_likelihood(theta: Tensor, S: Tensor) -> Tensor:
    return (F.softplus(theta) - S.to(theta) * theta).mean()
