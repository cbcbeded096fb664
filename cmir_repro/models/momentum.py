"""Momentum copies of nets, and what is kept of earlier batches: a queue of features, a memory.

He et al. 2020 (MoCo), as ALBEF uses it with the ids of the pictures; the memory with categories is
that of CRCGS. Letters: E embedding, M size of a queue or memory, B batch, K converted space, C
categories.
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MomentumCopy(nn.Module):
    """Copies that follow their nets: theta_m <- m * theta_m + (1 - m) * theta.

    The copies start equal, get no gradients, and are this module's only parameters: the nets stay
    where they are. `momentum[name]` is the copy of the net of that name.

    Args:
        nets: name -> net to follow, already with its first weights.
    """

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        super().__init__()
        # One deepcopy of all, so that parts which nets share are shared by the copies too.
        self.copies = nn.ModuleDict(deepcopy(dict(nets))).requires_grad_(False)
        self._nets = dict(nets)  # a plain dict: not registered, so not saved or trained twice

    def __getitem__(self, name: str) -> nn.Module:
        return self.copies[name]

    @torch.no_grad()
    def update(self, m: float) -> None:
        """Move the copies towards the nets; buffers, as of batch norm, are taken over.

        Args:
            m: share of the old weights, 0.995 in ALBEF.

        Raises:
            ValueError: m is not in [0, 1].
        """
        if not 0 <= m <= 1:
            raise ValueError(f"the momentum must be between 0 and 1, got {m}")
        nets = nn.ModuleDict(self._nets)
        torch._foreach_lerp_(list(self.copies.parameters()), list(nets.parameters()), 1 - m)
        for kept, new in zip(self.copies.buffers(), nets.buffers(), strict=True):
            kept.copy_(new)


class FeatureQueue(nn.Module):
    """The last M features and their ids, oldest replaced first; all of it in `state_dict`.

    It starts with random directions, as in ALBEF, whose id -100 belongs to nobody; ids must not be
    negative. Any batch fits: writing goes on at the front where the end is reached.

    Attributes:
        features: (E, M) float, columns of length 1.
        ids: (M,) int64.
        pointer: () int64, the column to be replaced next.

    Args:
        width: E.
        size: M.
        generator: draws the first features, on the CPU.

    Raises:
        ValueError: the size is below 1.
    """

    NOBODY = -100

    def __init__(self, width: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"a queue holds at least 1 feature, got {size}")
        start = torch.randn(width, size, generator=generator)
        self.register_buffer("features", F.normalize(start, dim=0))
        self.register_buffer("ids", torch.full((size,), self.NOBODY))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, features: Tensor, ids: Tensor) -> None:
        """Put features (B, E), already of length 1, and their ids (B,) in; the last M stay."""
        B, M = len(features), len(self.ids)
        columns = (self.pointer + torch.arange(B, device=self.ids.device)) % M
        columns = columns[-M:]  # of more than M, the first would be overwritten at once
        self.features[:, columns] = features[-M:].T.to(self.features.dtype)
        self.ids[columns] = ids[-M:]
        self.pointer.add_(B).remainder_(M)


class CategoryMemory(nn.Module):
    """The last M samples: both converted features and labels; all of it in `state_dict`.

    Our choice: the released code knows the batch only. Unlike `FeatureQueue` it starts
    empty, as a random feature of no category would support nobody.

    Attributes:
        a, b: (M, K) float, of images and of texts. labels: (M, C) float 0/1.
        seen: () int64, how many were pushed so far; sample number n is in row n % M.

    Args:
        size: M. width: K. categories: C.

    Raises:
        ValueError: the size is below 1.
    """

    def __init__(self, size: int, width: int, categories: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"a memory holds at least 1 sample, got {size}")
        self.register_buffer("a", torch.zeros(size, width))
        self.register_buffer("b", torch.zeros(size, width))
        self.register_buffer("labels", torch.zeros(size, categories))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, a: Tensor, b: Tensor, labels: Tensor) -> None:
        """Put a (B, K), b (B, K), labels (B, C) in, oldest out; of more than M, the last M stay."""
        B, M = len(a), len(self.a)
        rows = (self.seen + torch.arange(B, device=self.a.device)) % M
        for buffer, new in ((self.a, a), (self.b, b), (self.labels, labels)):
            buffer[rows[-M:]] = new[-M:].to(buffer.dtype)
        self.seen.add_(B)

    def filled(self) -> tuple[Tensor, Tensor, Tensor]:
        """a, b, labels of the samples held so far, at most M; views, so read before a push."""
        n = min(int(self.seen), len(self.a))
        return self.a[:n], self.b[:n], self.labels[:n]
