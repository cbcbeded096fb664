"""Parameter hashing: the text makes the weights of a layer of the image (Noh et al. 2016).

DPPnet's dynamic parameter layer, from memory: candidate weights c = W t (K,), and a matrix filled
from them by a fixed hash h and a fixed sign xi (Chen et al. 2015, hashed nets):

    T[m, n] = xi(m, n) * c[h(m, n)],    query = head(T x at every position of the last map)

In TIRG's adaptation (Vo et al. 2019, from memory) T takes the place of the image encoder's last
layer. Our choice: T stands right before that layer, which stays. With a head that averages the
positions this is T on the averaged map; a head that keeps them apart goes on doing so. Another
public variant (nashory/rtic-gcn-pytorch) hashes text to a vector, adds
it to the image's and sends the sum through norm, ReLU, dropout 0.5 and a linear layer.
"""

from collections.abc import Callable
from math import ceil

import torch
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import BLOCKS, ImageFeatures
from cmir_repro.models.text import TextFeatures

ENTRIES_A_WEIGHT = 16  # entries of T that share a candidate weight, on average; our choice
HASH_SEED = 0


class ParameterHashing(Compositor):
    """T is (C, C) for every sample; `h` and `xi` (C, C) are the same in every process and run."""

    needs_map = True

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        size = channels, channels
        K = ceil(channels**2 / ENTRIES_A_WEIGHT)
        self.candidates = nn.Linear(embed_dim, K, bias=False)
        # A table of draws is as good a hash as any; its own generator leaves the run's alone.
        generator = torch.Generator().manual_seed(HASH_SEED)
        self.register_buffer("h", torch.randint(K, size, generator=generator))
        self.register_buffer("xi", torch.randint(2, size, generator=generator) * 2.0 - 1)

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        x = image.maps[BLOCKS[-1]]  # (B, C, h, w)
        c = self.candidates(text.vector)  # (B, K)
        T = self.xi * c.index_select(1, self.h.flatten()).view(-1, *self.h.shape)  # (B, C, C)
        return head(torch.einsum("bmn,bnhw->bmhw", T, x))
