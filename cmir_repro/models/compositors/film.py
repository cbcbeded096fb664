"""FiLM: the text scales and shifts the channels of the image's map (Perez et al. 2018, eq. 1-2).

A block, with layers as in nashory/rtic-gcn-pytorch, on a map x:

    r = relu(conv1x1(x)),    block(x) = r + relu(gamma * norm(conv3x3(r)) + beta)

One linear layer of the text gives gamma - 1 and beta of all blocks; gamma about 1 is the paper's
remedy against maps that start at nought (from memory). The map of the last block goes through the
image encoder's head.
"""

from collections.abc import Callable

from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import BLOCKS, ImageFeatures
from cmir_repro.models.text import TextFeatures

FILM_BLOCKS = 4  # as in the paper for CLEVR (from memory)


class FiLM(Compositor):
    """Maps are (B, C, h, w), gamma and beta (B, C) a block."""

    needs_map = True

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(embed_dim, 2 * channels * FILM_BLOCKS)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(FILM_BLOCKS))

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        x = image.maps[BLOCKS[-1]]
        modulation = self.modulation(text.vector).view(len(x), FILM_BLOCKS, 2, -1)
        for n, block in enumerate(self.blocks):
            x = block(x, 1 + modulation[:, n, 0], modulation[:, n, 1])
        return head(x)


class Block(nn.Module):
    """One modulated residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        C = channels
        self.enter = nn.Sequential(nn.Conv2d(C, C, 1), nn.ReLU())
        self.net = nn.Sequential(
            nn.Conv2d(C, C, 3, padding=1, bias=False), nn.BatchNorm2d(C, affine=False)
        )

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """(B, C, h, w) and twice (B, C) -> (B, C, h, w)."""
        r = self.enter(x)
        return r + (gamma[:, :, None, None] * self.net(r) + beta[:, :, None, None]).relu()
