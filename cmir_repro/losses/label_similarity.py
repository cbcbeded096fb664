"""Which samples have categories in common, and how many. Letters: B samples, C categories."""

import torch
from torch import Tensor


def common(labels: Tensor, other: Tensor | None = None) -> Tensor:
    """How many categories samples i and j share: N = Y Y'^T.

    Args:
        labels: (B, C) 0/1, bool or any number type; a sample may be without categories.
        other: (B', C), the same samples if None.

    Returns:
        (B, B') float32 at least, whole numbers.
    """
    y = labels.to(torch.promote_types(labels.dtype, torch.float32))
    return y @ (y if other is None else other.to(y.dtype)).T


def share(labels: Tensor, other: Tensor | None = None) -> Tensor:
    """Whether samples i and j share a category: 1[N > 0], arguments and shape as of `common`.

    A sample without categories shares none, not even with itself.
    """
    N = common(labels, other)
    return (N > 0).to(N.dtype)
