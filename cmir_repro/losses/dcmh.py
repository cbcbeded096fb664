"""The objective of DCMH (Jiang and Li, CVPR 2017): codes alike where categories are shared."""

import torch
import torch.nn.functional as F
from torch import Tensor


def losses(
    image: Tensor, text: Tensor, share: Tensor, gamma: float = 1.0, eta: float = 1.0
) -> dict[str, Tensor]:
    """The paper's objective on a batch, divided by the number of pairs B * B.

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
    likelihood = (F.softplus(theta) - share.to(theta) * theta).mean()
    codes = torch.where(image + text >= 0, 1.0, -1.0).to(image)  # (B, L); no gradient
    quantisation = ((codes - image).square() + (codes - text).square()).sum() / B**2
    balance = image.mean(0).square().sum() + text.mean(0).square().sum()
    return {
        "loss": likelihood + gamma * quantisation + eta * balance,
        "likelihood": likelihood,
        "quantisation": quantisation,
        "balance": balance,
    }
