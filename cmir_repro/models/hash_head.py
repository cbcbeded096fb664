"""The hash head: retrieval features to values near +-1, whose signs are the code."""

from torch import Tensor, nn


class HashHead(nn.Module):
    """Dropout and three layers of tanh, one head for both modalities (released code of CRCGS).

    Its last layer is written there as a convolution over the whole width, which is this layer.

    Args:
        embed_dim: E. bits: L.
        hidden: width of the two layers before the last.
        dropout: of the input.
    """

    def __init__(self, embed_dim: int, bits: int, hidden: int = 512, dropout: float = 0.3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(embed_dim, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, bits),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, E) float -> (B, L) float in (-1, 1)."""
        return self.net(x)


def codes(h: Tensor) -> Tensor:
    """(B, L) float -> bool, True for +1; 0 counts as +1, so that every value has a sign."""
    return h >= 0
