"""MRN: the product of both inputs on top of a linear shortcut of the text (Kim et al. 2016, eq. 4).

    v = tanh(V2 tanh(V1 x)),    u = tanh(U1 t),    query = v * u + S t

One block, with dropout 0.5 before each linear layer, as in nashory/rtic-gcn-pytorch; the paper
stacks up to three for visual question answering (from memory).
"""

from collections.abc import Callable

from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures

DROPOUT = 0.5


class MRN(Compositor):
    """Multimodal residual network; x, t, v, u and the query are (B, D)."""

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        D = embed_dim
        self.v = nn.Sequential(
            nn.Dropout(DROPOUT),
            nn.Linear(D, D),
            nn.Tanh(),
            nn.Dropout(DROPOUT),
            nn.Linear(D, D),
            nn.Tanh(),
        )
        self.u = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(D, D), nn.Tanh())
        self.shortcut = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(D, D))

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return self.v(image.vector) * self.u(text.vector) + self.shortcut(text.vector)
