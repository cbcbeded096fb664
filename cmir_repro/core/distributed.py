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
    return x if _alone() else _Gather.apply(x)


def anyone(flag: bool, device: torch.device | str = "cpu") -> bool:
    """Whether `flag` is true in any process; all of them must ask."""
    if _alone():
        return flag
    raised = torch.tensor(int(flag), device=device)
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return bool(raised)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        x = x.contiguous()  # channels last in one process and not in another would be scrambled
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        # A copy: autograd may hand the same tensor to others.
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        start = dist.get_rank() * ctx.rows
        return gradient[start : start + ctx.rows]


def _alone() -> bool:
    return not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1
