"""Cosines that are safe where a vector has no direction, as after a ReLU that gave only zeros."""

import torch
from torch import Tensor

NOTHING = 1e-8  # a shorter vector has no direction: its cosines are 0 and give no gradient


def unit(x: Tensor) -> Tensor:
    """x / ||x|| by rows, (B, D) -> (B, D) float32 at least; rows shorter than NOTHING become 0."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    # Divided by infinity, not by a small number, which would make a gradient of a hundred million.
    return x / length.masked_fill(length < NOTHING, torch.inf)


def cosine(x: Tensor, z: Tensor) -> Tensor:
    """cos(x_i, z_j) of (B, D) and (B', D), any length: (B, B') float32 at least."""
    # Under autocast the product would be rounded to 16 bits and then divided by a temperature.
    with torch.autocast(x.device.type, enabled=False):
        return unit(x) @ unit(z).T
