"""Batches shared by several processes: who has which rows, and what the others made of theirs.

Every process draws the whole batch, encodes its own rows, gathers what all have encoded and
computes the same loss from it, so that negatives, queues and layer statistics behind the gather are
those of the whole batch. Dropout before the gather is drawn for the whole batch, too.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_batch: ContextVar[int | None] = ContextVar("rows of the whole batch", default=None)


def place() -> tuple[int, int]:
    """This process's number and how many there are: (0, 1) alone."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def share(rows: int, rank: int, processes: int) -> slice:
    """The rows of a whole that a process has; the first ones have one more where it is uneven."""
    each, more = divmod(rows, processes)
    start = rank * each + min(rank, more)
    return slice(start, start + each + (rank < more))


@contextmanager
def sharing(rows: int) -> Iterator[None]:
    """Inside, `gather` and `whole_draws` are about a batch of so many rows."""
    before = _batch.set(rows)
    try:
        yield
    finally:
        _batch.reset(before)


def gather(x: Tensor, rows: int | None = None) -> Tensor:
    """(b, ...) of every process, in order of rank -> (B, ...); alone: x itself.

    If every process then computes the same loss from the gathered batch, DistributedDataParallel's
    average of the gradients is the gradient of that loss: each process's backward pass adds its
    share through the gather (the sum over processes), and the average takes the count out again.

    Args:
        x: this process's rows, see `share`.
        rows: B; by default that of `sharing`, or else as many as here in every process.

    Raises:
        ValueError: x has not this process's number of rows.
    """
    return x if place()[1] == 1 else _Gather.apply(x, _rows(len(x), rows))


def whole_draws(rows: int | None = None) -> AbstractContextManager:
    """Inside, dropout of this process's rows is what one process would draw for all rows.

    Every process draws for the whole batch and takes its part, so that all stay at the same place
    of the same random numbers. Dropout inside fused kernels of attention, which GPUs have, is not
    seen: each process draws its own there.

    Args:
        rows: B, by default that of `sharing`.
    """
    return nullcontext() if place()[1] == 1 else _WholeDraws(rows)


def anyone(flag: bool, device: torch.device | str = "cpu") -> bool:
    """Whether `flag` is true in any process; all of them must ask."""
    if place()[1] == 1:
        return flag
    raised = torch.tensor(int(flag), device=device)
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return bool(raised)


def _rows(here: int, rows: int | None) -> int:
    rank, processes = place()
    rows = rows or _batch.get() or here * processes
    mine = share(rows, rank, processes)
    if here != mine.stop - mine.start:
        raise ValueError(
            f"process {rank} of {processes} has {here} rows of {rows}, not rows {mine.start} to "
            f"{mine.stop}"
        )
    return rows


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, rows: int) -> Tensor:
        rank, processes = place()
        shares = [share(rows, other, processes) for other in range(processes)]
        ctx.mine = shares[rank]
        most = shares[0].stop
        x = x.contiguous()  # channels last in one process and not in another would be scrambled
        if len(x) < most:  # tensors of one size travel
            x = torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])])
        parts = [torch.empty_like(x) for _ in shares]
        dist.all_gather(parts, x)
        return torch.cat([part[: s.stop - s.start] for part, s in zip(parts, shares, strict=True)])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        # A copy: autograd may hand the same tensor to others.
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[ctx.mine], None


class _WholeDraws(TorchDispatchMode):
    """Draws of dropout for all rows; tensors may have several rows a row of the batch."""

    def __init__(self, rows: int | None) -> None:
        super().__init__()
        self.rows = rows or _batch.get()
        self.mine = share(self.rows, *place()) if self.rows else None

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.mine is not None and func is torch.ops.aten.bernoulli_.float:  # on CPUs
            x = args[0]
            return x.copy_(self._part(x, lambda whole: whole.bernoulli_(*args[1:], **kwargs)))
        if self.mine is not None and func is torch.ops.aten.native_dropout.default:  # on GPUs
            x, p, training = args
            if training:
                draw = torch.ops.aten.native_dropout.default
                mask = self._part(x, lambda whole: draw(whole.fill_(1), p, True)[1])
                return x * mask * (1 / (1 - p) if p < 1 else 0), mask
        return func(*args, **kwargs)

    def _part(self, x: Tensor, draw) -> Tensor:
        """This process's part of what is drawn for all, who lie in memory as x does."""
        of_each = len(x) // (self.mine.stop - self.mine.start)
        order = sorted(range(x.ndim), key=lambda d: (-x.stride(d), d))
        shape = (self.rows * of_each, *x.shape[1:])
        whole = draw(torch.empty_permuted(shape, order, dtype=x.dtype, device=x.device))
        return whole[self.mine.start * of_each : self.mine.stop * of_each]
