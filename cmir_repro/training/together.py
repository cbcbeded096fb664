"""Several processes that train one run: they agree before, and end together."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from textwrap import shorten

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from cmir_repro.core.distributed import place
from cmir_repro.core.errors import InputError
from cmir_repro.training import checkpoint

LAUNCHED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what a launcher sets besides
# For processes that start late, and while the first one validates or prepares data (our choice).
PATIENCE = timedelta(hours=1)
# How gloo, NCCL and torch's store begin or name what they say when a process is gone.
SIGNS = ("connection closed", "connection reset", "broken pipe", "connection refused")
SIGNS += ("timed out", "timeout", "nccl", "gloo", "tcpstore", "socket")


class LostProcess(InputError):
    """Another process of this training is gone."""


def start(device: str) -> PartialState:
    """Let the processes that `accelerate launch` started know each other; alone that is nothing.

    Args:
        device: "cpu" or "cuda"; of several GPUs each process takes its own.

    Raises:
        InputError: the environment tells of processes that do not come.
    """
    told = os.environ.get("WORLD_SIZE", "1")
    lacking = [name for name in LAUNCHED if name not in os.environ]
    if told != "1" and lacking:
        raise InputError(
            f"WORLD_SIZE is {told}, but {lacking[0]} is not set; start several processes by "
            "accelerate launch or torchrun, or unset WORLD_SIZE"
        )
    try:
        return PartialState(cpu=device == "cpu", timeout=PATIENCE)
    except dist.DistError as error:
        raise InputError(
            f"{told} processes were to come together (WORLD_SIZE) and did not: {error}"
        ) from error


@contextmanager
def first_before_others() -> Iterator[None]:
    """What is in here the first process does before the others; where it fails, they try too."""
    rank, processes = place()
    if rank:
        dist.barrier()
    try:
        yield
    finally:
        if processes > 1 and not rank:
            dist.barrier()


@contextmanager
def ending_together() -> Iterator[None]:
    """Inside, that another process is gone is an error of one line.

    Raises:
        LostProcess: it is.
    """
    try:
        yield
    except RuntimeError as error:
        if place()[1] == 1 or not any(sign in str(error).lower() for sign in SIGNS):
            raise
        raise LostProcess(
            f"process {place()[0]} ends, for another one of its run is gone or stuck; that one's "
            "lines say why; the last checkpoint is whole, and the same command goes on "
            f"({shorten(str(error), 160)})"
        ) from error


def agree(what: str, value: object) -> None:
    """Refuse processes whose JSON values differ; alone there is nothing to agree on.

    Raises:
        InputError: in every process; it names the first key that differs.
    """
    if place()[1] == 1:
        return
    first, *others = _everyone(json.loads(json.dumps(value)))
    for rank, other in enumerate(others, 1):
        if unlike := checkpoint.difference(first, other, what):
            unlike = unlike.replace(" there,", " in 0,").removesuffix(" here") + f" in {rank}"
            raise InputError(f"processes 0 and {rank} differ: {unlike}; start all by one command")


def meet(folder: Path, identity: dict, batch: int) -> None:
    """What processes make sure of before they train together.

    Args:
        folder: of the run, which all must see.
        identity: JSON values that must be the same everywhere.
        batch: of which each gets rows.

    Raises:
        InputError: they do not fit together; in every process.
    """
    _, processes = place()
    if processes == 1:
        return
    if batch < processes:
        raise InputError(
            f"a batch of {batch} cannot be shared by {processes} processes; start at most {batch}"
        )
    agree("config", identity)
    mark = folder / f".met-{_everyone(secrets.token_hex(8))[0]}"
    if place()[0] == 0:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    dist.barrier()
    seen, folders = zip(*_everyone((mark.exists(), str(folder))), strict=True)
    if place()[0] == 0:
        mark.unlink()
    if not all(seen):
        rank = seen.index(False)
        raise InputError(
            f"process {rank} does not see {folders[0]} of process 0 at {folders[rank]}; give all "
            "processes one CMIR_HOME, on a disk that their machines share"
        )


def normalise_together(system: nn.Module, device: torch.device) -> None:
    """Let batch norm in front of the gather see the whole batch, as it does behind it.

    Args:
        system: changed in place; children that `gathered` names see the whole batch anyway.

    Raises:
        InputError: torch has no such layer for this device.
    """
    if place()[1] == 1:
        return
    for name, child in system.named_children():
        norms = [m for m in child.modules() if isinstance(m, BatchNorm)]
        if name in getattr(system, "gathered", ()) or not norms:
            continue
        if device.type != "cuda":
            raise InputError(
                f"part {name!r} of the net has batch norm, which several processes share on GPUs "
                "only; train it in one process, or name an encoder without (convnet, vit, bert)"
            )
        setattr(system, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


def _everyone(value: object) -> list:
    found = [None] * place()[1]
    dist.all_gather_object(found, value)
    return found
