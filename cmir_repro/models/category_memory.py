"""A memory of earlier samples with their categories, from which support sets are extended."""

import torch
from torch import Tensor, nn


class CategoryMemory(nn.Module):
    """The last M samples: both converted features and labels; all of it in `state_dict`.

    Our choice: the released code knows the batch only. Unlike `momentum.FeatureQueue` it starts
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
