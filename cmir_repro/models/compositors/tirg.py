"""TIRG: the query is the gated source feature plus a residual (Vo et al. 2019).

f = a0 * sigmoid(gate(x, t)) * x + a1 * residual(x, t), with a0, a1 learned from 1 and 10 (code of
google/tirg; its spare third and fourth weight are left out).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import BLOCKS, ImageFeatures
from cmir_repro.models.text import TextFeatures


class TIRG(Compositor):
    """On vectors: x is the source image's (B, D)."""

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        D = embed_dim
        self.a = nn.Parameter(torch.tensor([1.0, 10.0]))
        self.gate = nn.Sequential(nn.BatchNorm1d(2 * D), nn.ReLU(), nn.Linear(2 * D, D))
        self.residual = nn.Sequential(
            nn.BatchNorm1d(2 * D),
            nn.ReLU(),
            nn.Linear(2 * D, 2 * D),
            nn.ReLU(),
            nn.Linear(2 * D, D),
        )

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return self._compose(image.vector, torch.cat([image.vector, text.vector], dim=1))

    def _compose(self, x: Tensor, both: Tensor) -> Tensor:
        return self.a[0] * self.gate(both).sigmoid() * x + self.a[1] * self.residual(both)


class TIRGLastConv(TIRG):
    """On the last block's map: x is (B, C, h, w), the sentence is repeated at every position."""

    needs_map = True

    def __init__(self, channels: int, embed_dim: int) -> None:
        nn.Module.__init__(self)
        C, both = channels, channels + embed_dim
        self.a = nn.Parameter(torch.tensor([1.0, 10.0]))
        self.gate = self._net(both, C)
        self.residual = self._net(both, C)

    @staticmethod
    def _net(both: int, C: int) -> nn.Sequential:
        return nn.Sequential(
            nn.BatchNorm2d(both),
            nn.Conv2d(both, both, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(both, C, 3, padding=1),
        )

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        x = image.maps[BLOCKS[-1]]  # (B, C, h, w)
        tiled = text.vector[:, :, None, None].expand(-1, -1, *x.shape[2:])  # (B, D, h, w)
        return head(self._compose(x, torch.cat([x, tiled], dim=1)))
