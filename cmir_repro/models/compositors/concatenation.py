"""Concatenation: both vectors side by side through two layers (code of google/tirg)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cmir_repro.models.image import ImageFeatures


class Concatenation(nn.Module):
    """norm, ReLU, linear 2D -> 2D, norm, ReLU, dropout 0.1, linear 2D -> D."""

    needs_map = False

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        D = embed_dim
        self.net = nn.Sequential(
            nn.BatchNorm1d(2 * D),
            nn.ReLU(),
            nn.Linear(2 * D, 2 * D),
            nn.BatchNorm1d(2 * D),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(2 * D, D),
        )

    def forward(self, image: ImageFeatures, text: Tensor, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return self.net(torch.cat([image.vector, text], dim=1))
