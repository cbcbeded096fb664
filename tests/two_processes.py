"""What test_distributed.py runs in each of two processes, and once alone."""

import os
from pathlib import Path

import numpy as np
import tiny_runs
import torch
from accelerate import PartialState
from shared_batches import INTERRUPTED, MOVED, SYSTEMS, broken_off, found, trained
from torch import nn

from cmir_repro.core.distributed import anyone, gather
from cmir_repro.core.errors import InputError
from cmir_repro.data.css import dataset as css
from cmir_repro.experiments import grid
from cmir_repro.experiments import run as experiments
from cmir_repro.experiments.grid import settings
from cmir_repro.experiments.grid.cell import DONE, take
from cmir_repro.experiments.presets import crcgs, dim
from cmir_repro.training import together
from cmir_repro.training.together import LostProcess

WHOLE = ("dim", "aai", "crcgs", "cca")


def configured(system):
    """Short runs on the tiny scenes, of batches that two cannot halve."""
    short = {"optimizer": "sgd", "steps": 3, "batch": 15, "evaluate_every": 2}
    if system == "dim":  # it reads the sentence word by word, with dropout
        return dim.configure(method="Show and Tell + DIM", model={"embed_dim": 16}, training=short)
    if system == "cca":
        return crcgs.configure(method="CCA, ITQ", model={"dims": 4})
    made = tiny_runs.config(system)
    return made.model_copy(update={"train": made.train.model_copy(update=short)})


def whole_runs(root, tiny):
    """Whole runs, from data to ledger, as cells of a grid: what was scored, by system."""
    for name in ("RUNS", "RESULTS"):
        os.environ[f"CMIR_{name}"] = str(root / name.lower())
    css.SCALES["mini"] = tiny
    runs = {}
    for system in WHOLE:
        assert take(configured(system)).state == DONE  # by both processes together
        runs[system] = experiments.run(configured(system), progress=False)
    return runs


def functions(rank):
    """Gradients through `gather`, what it makes of memory formats and uneven rows, and flags."""
    x, y = (torch.arange(6.0).view(2, 3).add(i + rank).requires_grad_() for i in (0, 10))
    whole = gather(x).square().sum(1)  # (4,)
    (whole.outer(whole).sum() + (gather(x) * gather(y)).sum()).backward()
    a, b = (torch.ones(2, 2, requires_grad=True) for _ in range(2))
    (gather(a) + gather(b)).square().sum().backward()  # one gradient for both
    uneven = torch.arange(2.0 - rank).add(10 * rank).requires_grad_()
    gather(uneven, 3).pow(2).sum().backward()
    maps = torch.arange(16.0).view(2, 2, 2, 2).add(100 * rank)
    if rank:
        maps = maps.to(memory_format=torch.channels_last)
    return {
        "x": x.grad, "y": y.grad, "a": a.grad, "b": b.grad, "maps": gather(maps),
        "uneven": gather(uneven, 3).detach(), "uneven gradient": uneven.grad,
        "flags": torch.tensor([anyone(rank == 1), anyone(False)]),
    }  # fmt: skip


def refusals(rank, root):
    """What processes say that do not fit together."""

    def said(call, *args, **changes):
        try:
            call(*args, **changes)
        except (InputError, ValueError) as error:
            return str(error)
        return "nothing"

    cpu, net = torch.device("cpu"), nn.Sequential(nn.BatchNorm1d(2))
    other, workers = {"run": {"seed": rank}}, settings.Local(backend="local")
    return {
        "no rows": said(gather, torch.ones(3), 3),
        "no batch": said(together.meet, root / "refused", {}, 1),
        "no identity": said(trained, "dim", root / "refused", identity=other),
        "no folder": said(trained, "dim", root / f"of {rank}"),
        "no config": said(experiments.run, dim.configure(seed=rank)),
        "no workers": said(grid.fill, "dim", device="cpu", backend=workers),
        "no data": said(take, dim.configure(dataset="fashion200k")),
        "no batch norm": said(together.normalise_together, net, cpu),
    }


def main(rank: int, port: int, root: Path, data: Path, tiny: css.Scale) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CMIR_DATA": str(data),
    }  # fmt: skip
    torch.set_num_threads(1)
    PartialState(cpu=True)
    out = {name: x.numpy() for name, x in functions(rank).items()}

    def keep(name, system, log):
        out.update({f"{name} {key}": x for key, x in found(system, log).items()})

    for name in SYSTEMS:
        keep(name, *trained(name, root / name))
    for name in MOVED:
        broken_off(name, root / f"{name} of two")
        keep(f"{name} resumed", *trained(name, root / f"{name} of one"))

    seen = []
    validate = {"validate": lambda system: seen.append(1) or {"selection": rank}}
    _, log = trained("dim", root / "validated", **validate)
    out["validations"], out["selection"] = len(seen), log[-1]["val selection"]

    # One of the two is told to stop; both do, after the same step.
    try:
        trained("dim", root / "stopped", at=INTERRUPTED if rank else None, log_every=3)
    except KeyboardInterrupt as error:
        out["stopped"] = str(error)
    keep("stopped", *trained("dim", root / "stopped"))

    for name, run in whole_runs(root, tiny).items():
        out[f"{name} scores"] = run.queries["ap" if "ap" in run.queries else "rank"]
    out |= refusals(rank, root)
    out["lost"] = ""
    if rank:
        np.savez(root / "1.npz", **out)
    try:  # the other one is gone in the middle of a training, as if it were killed
        trained("dim", root / "lost", at={2: lambda: os._exit(0)} if rank else None)
    except LostProcess as error:
        out["lost"] = str(error)
    np.savez(root / "0.npz", **out)
