"""Critics: how well does y_i go with x_j? Scores of every pair of a batch.

Letters as in Hjelm et al. 2019 (Deep InfoMax): B batch size, U critic units, P positions. `x` is a
map (B, C, h, w) or a vector (B, C), taken as a map of one position; `y` is a vector (B, D). The
scores are (B, B, P): scores[i, j, p] = T(y_i, x_j at position p).
"""

import torch
from torch import Tensor, nn


class EncodeAndDot(nn.Module):
    """Map both sides to U units, score by the dot product (Deep InfoMax, Hjelm et al. 2019).

    Layers as in the reference code (rdevon/DIM): a two-layer net beside a linear
    shortcut that starts near the identity, then layer norm. Our choices: layer norm in the
    two-layer net too, where the reference has batch norm; and as layer norm leaves vectors of
    length sqrt(U), so that a score would start at the order of sqrt(U), it is divided by that.
    """

    def __init__(self, x_channels: int, y_channels: int, units: int) -> None:
        super().__init__()
        self.x_net = _Embed(x_channels, units)
        self.y_net = _Embed(y_channels, units)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        x = self.x_net(_positions(x))  # (B, P, U)
        y = self.y_net(y)  # (B, U)
        return torch.einsum("iu,jpu->ijp", y, x) / x.shape[-1] ** 0.5


class ConcatAndConvolve(nn.Module):
    """Put y beside x at every position, three 1x1 convolutions (Deep InfoMax, Hjelm et al. 2019).

    The first layer is linear, so it is applied to x and y apart and added: the same numbers
    without ever building the concatenation of all B * B pairs.
    """

    def __init__(self, x_channels: int, y_channels: int, units: int) -> None:
        super().__init__()
        self.x_in = nn.Linear(x_channels, units)
        self.y_in = nn.Linear(y_channels, units, bias=False)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 1)
        )

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        x = self.x_in(_positions(x))  # (B, P, U)
        y = self.y_in(y)  # (B, U)
        return self.rest(y[:, None, None] + x[None]).squeeze(-1)  # (B, B, P)


CRITICS = {"encode-and-dot": EncodeAndDot, "concat-and-convolve": ConcatAndConvolve}


class _Embed(nn.Module):
    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(
            nn.Linear(channels, units, bias=False),
            nn.LayerNorm(units),
            nn.ReLU(),
            nn.Linear(units, units),
        )
        self.shortcut = nn.Linear(channels, units, bias=False)
        nn.init.uniform_(self.shortcut.weight, -0.01, 0.01)
        with torch.no_grad():
            self.shortcut.weight.fill_diagonal_(1.0)
        self.norm = nn.LayerNorm(units)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.deep(x) + self.shortcut(x))


def _positions(x: Tensor) -> Tensor:
    return x[:, None] if x.ndim == 2 else x.flatten(2).transpose(1, 2)  # (B, P, C)
