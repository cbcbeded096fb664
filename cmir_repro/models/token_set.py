"""Sets of vectors of different size in one tensor: what encoders of words and of regions give.

Letters: B sets, N places of the largest, D width. Places beyond a set's length are padding.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


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


class Packing:
    """The real places of B sets of N places as T rows, so that layers pass over the padding.

    What a layer gives for a row is what it gives for the place; only attention needs the sets.

    Args:
        real: (B, N) bool, False in padding.
        drawn: how many places dropout draws for, where those behind N are left out; None: N.
    """

    def __init__(self, real: Tensor, drawn: int | None = None) -> None:
        self.real, self.sets = real, real.shape
        self.drawn = drawn or self.sets[1]
        rows = real.flatten().nonzero().squeeze(1)
        self.rows = None if len(rows) == real.numel() else rows  # None: there is no padding

    def pack(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (T, C)"""
        x = x.flatten(0, 1)
        return x if self.rows is None else x.index_select(0, self.rows)

    def unpack(self, x: Tensor) -> Tensor:
        """(T, C) -> (B, N, C), zero in padding."""
        if self.rows is not None:
            x = x.new_zeros(self.sets.numel(), x.shape[1]).index_copy_(0, self.rows, x)
        return x.unflatten(0, self.sets)

    def dropout(self, x: Tensor, layer: nn.Dropout, places_first: bool = False) -> Tensor:
        """(T, C) -> (T, C), as the layer drops from sets with padding: the same random numbers.

        Args:
            places_first: draw place by place, where `nn.MultiheadAttention` has sets last.
        """
        if not (layer.training and layer.p):
            return x
        B, N = self.sets
        shape, order = (B, self.drawn, x.shape[1]), (1, 0, 2) if places_first else (0, 1, 2)
        # Drawn in the order of memory; sets come first, which `whole_draws` goes by.
        kept = torch.empty_permuted(shape, order, dtype=x.dtype, device=x.device)
        kept = kept.bernoulli_(1 - layer.p)[:, :N]
        return x * self.pack(kept).div_(1 - layer.p)

    def take(self, rows: Tensor) -> "Packing":
        """Of the sets with these numbers, (R,) int64."""
        return Packing(self.real.index_select(0, rows), self.drawn)

    def first(self, x: Tensor) -> Tensor:
        """(T, C) -> (B, C), the first place of each set."""
        lengths = self.real.sum(1)
        return x.index_select(0, lengths.cumsum(0) - lengths)

    def firsts(self) -> "Packing":
        """The packing of what `first` gives: sets of one place, dropped as before."""
        return Packing(self.real[:, :1], self.drawn)


def real_positions(lengths: Tensor, N: int) -> Tensor:
    """Lengths (B,) -> (B, N) bool, True before the length."""
    return torch.arange(N, device=lengths.device) < lengths[:, None]
