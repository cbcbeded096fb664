"""Relationship: what every pair of positions means, given the text (Santoro et al. 2017, eq. 2).

query = f(mean over i, j of g(o_i, o_j, t)). An object o is a position of the last map with its
row and column. The paper adds the pairs up; the mean makes the size of the map no matter and is
TIRG's (Vo et al. 2019, from memory). Four layers of g and three of f with 256 units and dropout
0.5 before the last are the paper's for CLEVR (from memory).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import BLOCKS, ImageFeatures
from cmir_repro.models.text import TextFeatures

UNITS = 256
DROPOUT = 0.5
# Cost grows with the fourth power of this. The paper has 8; our choice fits two cores.
SIDE = 3  # larger maps are averaged over this many cells, each way


class Relationship(Compositor):
    """g's first layer is linear, so it is applied to o_i, o_j and t apart and added.

    That gives the same numbers without building the concatenation of all pairs.
    """

    needs_map = True

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        U, D = UNITS, embed_dim
        self.first = nn.Linear(channels + 2, U)
        self.second = nn.Linear(channels + 2, U, bias=False)
        self.text = nn.Linear(D, U, bias=False)
        self.g = nn.Sequential(
            nn.ReLU(),
            nn.Linear(U, U),
            nn.ReLU(),
            nn.Linear(U, U),
            nn.ReLU(),
            nn.Linear(U, U),
            nn.ReLU(),
        )
        self.f = nn.Sequential(
            nn.Linear(U, U),
            nn.ReLU(),
            nn.Linear(U, U),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(U, D),
        )

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        o = objects(image.maps[BLOCKS[-1]])  # (B, P, C + 2)
        single = self.first(o) + self.text(text.vector)[:, None]  # (B, P, U)
        pairs = single[:, :, None] + self.second(o)[:, None]  # (B, P, P, U)
        return self.f(self.g(pairs).mean((1, 2)))


def objects(last: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, P, C + 2): every position with its row and column in [-1, 1]."""
    last = F.adaptive_avg_pool2d(last, [min(side, SIDE) for side in last.shape[2:]])
    sides = [torch.linspace(-1, 1, n).to(last) for n in last.shape[2:]]
    place = torch.stack(torch.meshgrid(*sides, indexing="ij"))  # (2, h, w)
    tagged = torch.cat([last, place.expand(len(last), -1, -1, -1)], dim=1)
    return tagged.flatten(2).transpose(1, 2)
