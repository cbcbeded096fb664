"""Sets of vectors of different size in one tensor: what encoders of words and of regions give.

Letters: B sets, N places of the largest, D width. Places beyond a set's length are padding.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class TokenSet(NamedTuple):
    """tokens: (B, N, D) float, zero in padding; lengths: (B,) int64, at least 1."""

    tokens: Tensor
    lengths: Tensor

    @property
    def real(self) -> Tensor:
        """(B, N) bool, False in padding."""
        return real_positions(self.lengths, self.tokens.shape[1])

    @classmethod
    def full(cls, tokens: Tensor) -> "TokenSet":
        """Sets without padding, (B, N, D)."""
        B, N = tokens.shape[:2]
        return cls(tokens, torch.full((B,), N, device=tokens.device))

    @classmethod
    def padded(cls, tokens: Tensor, lengths: Tensor) -> "TokenSet":
        """Sets whose padding is not zero yet, (B, N, D) and (B,)."""
        real = real_positions(lengths, tokens.shape[1])
        return cls(tokens.masked_fill(~real[..., None], 0), lengths)


def real_positions(lengths: Tensor, N: int) -> Tensor:
    """Lengths (B,) -> (B, N) bool, True before the length."""
    return torch.arange(N, device=lengths.device) < lengths[:, None]
