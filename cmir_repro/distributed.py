"""Batches shared by several processes: gather what others computed, gradients included."""

import torch
import torch.distributed as dist
from torch import Tensor


def gather(x: Tensor) -> Tensor:
    """(B, ...) of every process, in order of rank -> (processes * B, ...); alone: x itself.

    If every process then computes the same loss from the gathered batch, DistributedDataParallel's
    average of the gradients is the gradient of that loss: each process's backward pass adds its
    share through the gather (the sum over processes), and the average takes the count out again.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    return _Gather.apply(x)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        start = dist.get_rank() * ctx.rows
        return gradient[start : start + ctx.rows]
