"""What test_distributed.py runs in each of two processes, and once alone."""

import os
import signal
from pathlib import Path

import numpy as np
import tiny_aai
import torch
import torch.distributed as dist
from accelerate import PartialState

from cmir_repro.core.distributed import anyone, gather
from cmir_repro.data.css import dataset as css
from cmir_repro.experiments import run as experiments
from cmir_repro.experiments.grid.cell import DONE, take
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.systems.dim import Composed, ModelConfig
from cmir_repro.training.loop import TrainConfig, train

B, V, IDENTITY = 8, 9, {"net": "tiny"}
MODEL = {
    "image_encoder": "convnet",
    "embed_dim": 8,
    "text_dropout": 0.0,
    "metric": "soft-triplet",
    "dim": {"parts": "AB", "pair": "both", "units": 8, "positions": 5},
}
TRAINING = {
    "optimizer": "sgd", "learning_rate": 0.05, "steps": 5, "batch": B, "log_every": 1,
    "evaluate_every": 5,
}  # fmt: skip


class Shares:
    """Made-up batches; `at[step]` is called before that step's batch."""

    def __init__(self, at=None):
        self.at = at or {}

    def __call__(self, step, rank, processes):
        self.at.get(step, lambda: None)()
        g = torch.Generator().manual_seed(step)
        pictures = torch.randint(256, (2, B, 32, 48, 3), dtype=torch.uint8, generator=g)
        batch = {
            "source": pictures[0],
            "target": pictures[1],
            "input_ids": torch.randint(V, (B, 4), generator=g),
            "lengths": torch.randint(1, 5, (B,), generator=g),
            "source_label": torch.randint(6, (B,), generator=g),
            "target_label": torch.randint(6, (B,), generator=g),
            "sentence": torch.randint(6, (B,), generator=g),
        }
        share = B // processes
        return {name: x[rank * share : (rank + 1) * share] for name, x in batch.items()}

    def describe(self, step):
        return str(step)


def fresh():
    torch.manual_seed(0)
    return Composed(ModelConfig.make(**MODEL), V)


def trained(folder, at=None, validate=None, **changes):
    system = fresh()
    config = TrainConfig.make(**TRAINING | changes)
    log = train(
        system, Shares(at), config, folder, identity=IDENTITY, validate=validate, progress=False
    )
    return system, log


def run(root, tiny):
    """One whole run, from data to ledger, of a method that reads the sentence word by word."""
    for name in ("RUNS", "RESULTS"):
        os.environ[f"CMIR_{name}"] = str(root / name.lower())
    css.SCALES["mini"] = tiny
    config = configure(
        method="Show and Tell + DIM",
        model={"embed_dim": 16, "text_dropout": 0.0},
        training={"optimizer": "sgd", "steps": 4, "batch": 16, "evaluate_every": 2},
    )
    assert take(config).state == DONE  # as a cell of a grid, by both processes together
    return experiments.run(config, progress=False)


class PairShares(Shares):
    """Made-up images and sentences for AAI."""

    def __call__(self, step, rank, processes):
        given = tiny_aai.batch(step)
        share = tiny_aai.B // processes
        return {name: x[rank * share : (rank + 1) * share] for name, x in given.items()}


def aligned(folder):
    """A few steps of AAI with every term, size augmentation and queue."""
    system = tiny_aai.build(mlm=1.0, size_augmentation=True)
    config = TrainConfig.make(**TRAINING | {"batch": tiny_aai.B, "learning_rate": 0.02})
    log = train(system, PairShares(), config, folder, identity=IDENTITY, progress=False)
    return system, log


def functions(rank):
    """Gradients through `gather`, what it makes of memory formats, and flags."""
    x, y = (torch.arange(6.0).view(2, 3).add(i + rank).requires_grad_() for i in (0, 10))
    whole = gather(x).square().sum(1)  # (4,)
    (whole.outer(whole).sum() + (gather(x) * gather(y)).sum()).backward()
    a, b = (torch.ones(2, 2, requires_grad=True) for _ in range(2))
    (gather(a) + gather(b)).square().sum().backward()  # one gradient for both
    maps = torch.arange(16.0).view(2, 2, 2, 2).add(100 * rank)
    if rank:
        maps = maps.to(memory_format=torch.channels_last)
    return {
        "x": x.grad, "y": y.grad, "a": a.grad, "b": b.grad, "maps": gather(maps),
        "flags": torch.tensor([anyone(rank == 1), anyone(False)]),
    }  # fmt: skip


def main(rank: int, port: int, root: Path, data: Path, tiny: css.Scale) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CMIR_DATA": str(data),
    }  # fmt: skip
    torch.set_num_threads(1)
    PartialState(cpu=True)
    out = {name: x.numpy() for name, x in functions(rank).items()}

    seen = []
    system, log = trained(root / "dim", validate=lambda s: seen.append(1) or {"selection": rank})
    out |= {f"dim {name}": x.numpy() for name, x in system.state_dict().items()}
    out["losses"] = [row["loss"] for row in log if "loss" in row]
    out["validations"] = len(seen)
    out["selection"] = log[-1]["val selection"]

    system, log = aligned(root / "aai")
    out |= {f"aai {name}": x.numpy() for name, x in system.state_dict().items()}
    out["aai losses"] = [row["loss"] for row in log if "loss" in row]

    # One of the two is told to stop; both do, after the same step.
    at = {1: lambda: signal.raise_signal(signal.SIGINT)} if rank == 1 else None
    try:
        trained(root / "stopped", at, log_every=3)
    except KeyboardInterrupt as error:
        out["stopped"] = str(error)
    system, _ = trained(root / "stopped")
    out |= {f"resumed {name}": x.numpy() for name, x in system.state_dict().items()}

    out["ranks"] = run(root, tiny).queries["rank"]
    np.savez(root / f"{rank}.npz", **out)
    dist.destroy_process_group()
