"""What makes a code of a feature: keep similarities, come near +-1 (released code of CRCGS).

The third part of its hash stage is `categories.likelihood` on the heads' outputs. Letters: B batch,
E retrieval space, L bits.
"""

import torch
from torch import Tensor

from cmir_repro.losses.cosine import cosine


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
