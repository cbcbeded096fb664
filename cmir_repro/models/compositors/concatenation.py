"""Concatenation: both vectors side by side through two layers, q = W2 f(W1 f([x, t])).

The baseline of TIRG (Vo et al. 2019); layers as in the code of google/tirg. f is norm and ReLU.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures

DROPOUT = 0.1


class Concatenation(Compositor):
    """norm, ReLU, linear 2D -> 2D, norm, ReLU, dropout, linear 2D -> D.

    The source's vector (B, D) and the sentence's (B, D) make the query's (B, D).
    """

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        D = embed_dim
        self.net = nn.Sequential(
            nn.BatchNorm1d(2 * D),
            nn.ReLU(),
            nn.Linear(2 * D, 2 * D),
            nn.BatchNorm1d(2 * D),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(2 * D, D),
        )

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return self.net(torch.cat([image.vector, text.vector], dim=1))
