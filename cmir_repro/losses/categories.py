"""The base objective: features that tell categories, and agree between image and text.

Zhen et al. 2019 (DSCMR, "Deep Supervised Cross-Modal Retrieval", CVPR), and its form for samples of
several categories in the released code of CRCGS. Letters: B batch, C categories, E retrieval space.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.losses.cosine import cosine


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
        S: (B, B') float, `label_similarity.share` as in CRCGS, or `common`, as DSCMR's code has it:
            the same where a sample has one category, the only case that DSCMR was tested in.

    Returns:
        () float; log 2 for features at right angles.
    """
    theta = cosine(x, z) / 2
    return (F.softplus(theta) - S * theta).mean()


def invariance(u: Tensor, v: Tensor) -> Tensor:
    """mean_i ||u_i - v_i||_2 of (B, E) pairs (DSCMR's third term): () float.

    Where a pair is equal its gradient is 0.
    """
    return torch.linalg.vector_norm(u - v, dim=1).mean()
