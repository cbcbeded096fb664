"""A GRU that reads padded sequences from both ends."""

import torch
from torch import Tensor, nn


class TwoWayGRU(nn.Module):
    """One layer, two directions, their states averaged; what `nn.GRU` does on packed sequences.

    Packing wants the lengths on the CPU and so makes a GPU wait. Here the second direction reads
    each sequence turned round, its padding still behind it, which needs no packing.

    Args:
        features: C of the input.
        units: D of the states.
    """

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.onward = nn.GRU(features, units, batch_first=True)
        self.back = nn.GRU(features, units, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, N, C) float and (B,) int64 -> (B, N, D); states in padding mean nothing."""
        place = torch.arange(x.shape[1], device=x.device)
        turned = (lengths[:, None] - 1 - place).clamp(min=0)[..., None]  # (B, N, 1)
        onward, _ = self.onward(x)
        states, _ = self.back(x.gather(1, turned.expand_as(x)))
        return (onward + states.gather(1, turned.expand_as(states))) / 2
