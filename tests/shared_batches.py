"""Every system in a tiny form, with batches that two processes cannot halve.

Dropout is everywhere where the systems have some; queue and memory wrap.
"""

import signal

import numpy as np
import pytest
import tiny_aai
import tiny_crcgs
import torch
from torch import nn

from cmir_repro.core.distributed import share
from cmir_repro.systems.baselines import DCMH, BaselineConfig
from cmir_repro.systems.crcgs import CRCGS, CRCGSConfig, HashConfig, Hasher
from cmir_repro.systems.dim import Composed, ModelConfig
from cmir_repro.training.loop import TrainConfig, train

V, IDENTITY = 9, {"net": "tiny"}
MODEL = {
    "image_encoder": "convnet",
    "embed_dim": 8,
    "text_dropout": 0.3,
    "compositor": "concatenation",
    "metric": "soft-triplet",
    "dim": {"parts": "AB", "pair": "both", "units": 8, "positions": 5},
}
TRAINING = {
    "optimizer": "sgd", "learning_rate": 0.02, "steps": 4, "log_every": 1, "evaluate_every": 4,
}  # fmt: skip


def composed():
    torch.manual_seed(0)
    return Composed(ModelConfig.make(**MODEL), V)


def queries(step, rows):
    g = torch.Generator().manual_seed(step)
    pictures = torch.randint(256, (2, rows, 32, 48, 3), dtype=torch.uint8, generator=g)
    return {
        "source": pictures[0],
        "target": pictures[1],
        "input_ids": torch.randint(V, (rows, 4), generator=g),
        "lengths": torch.randint(1, 5, (rows,), generator=g),
        "source_label": torch.randint(6, (rows,), generator=g),
        "target_label": torch.randint(6, (rows,), generator=g),
        "sentence": torch.randint(6, (rows,), generator=g),
    }


def aligned():
    return tiny_aai.build(mlm=1.0, size_augmentation=True, dropout=0.2)


def student():
    config = CRCGSConfig.make(**tiny_crcgs.TINY | {"memory": 7, "discriminator_steps": 2})
    teachers, sizes = tiny_crcgs.taught(), (tiny_crcgs.D, tiny_crcgs.C, tiny_crcgs.ROWS)
    torch.manual_seed(0)
    return CRCGS(config, (tiny_crcgs.F,), *sizes, 5, teachers)


def hasher():
    torch.manual_seed(0)
    return Hasher(HashConfig.make(hidden=6, quantisation=0.1), tiny_crcgs.K, 4)


def hashed(step, rows):
    given = labelled(step, rows)
    return {"u": given["f"], "v": given["g"], "labels": given["labels"]}


def two_nets():
    torch.manual_seed(0)
    config = BaselineConfig.make(kind="dcmh", hidden_image=8, hidden_text=8)
    return DCMH(config, tiny_crcgs.F, tiny_crcgs.D, (2, 4))


def labelled(step, rows):
    return {name: x[:rows] for name, x in tiny_crcgs.batch(step).items()}


def pairs(step, rows):
    return {name: x[:rows] for name, x in tiny_aai.batch(step).items()}


# Name -> the system, the whole batch of a step, its rows.
SYSTEMS = {
    "dim": (composed, queries, 7),
    "aai": (aligned, pairs, 5),
    "crcgs": (student, labelled, 5),
    "teachers": (lambda: tiny_crcgs.taught(dropout=0.3), labelled, 5),
    "hash heads": (hasher, hashed, 5),
    "dcmh": (two_nets, labelled, 5),
}
INTERRUPTED = {1: lambda: signal.raise_signal(signal.SIGINT)}  # in the second step
MOVED = ("dim", "aai", "crcgs")  # between numbers of processes; the others train as these do


class Shares:
    """A process's rows of made-up batches; `at[step]` is called before that step's batch."""

    def __init__(self, whole, rows, at=None):
        self.whole, self.rows, self.at = whole, rows, at or {}

    def __call__(self, step, rank, processes):
        self.at.get(step, lambda: None)()
        mine = share(self.rows, rank, processes)
        return {name: x[mine] for name, x in self.whole(step, self.rows).items()}

    def describe(self, step):
        return str(step)


def trained(name, folder, at=None, validate=None, identity=IDENTITY, **changes):
    """A system after its steps, and its log."""
    make, whole, rows = SYSTEMS[name]
    system, config = make(), TrainConfig.make(**TRAINING | {"batch": rows} | changes)
    how = {"identity": identity, "validate": validate, "progress": False}
    return system, train(system, Shares(whole, rows, at), config, folder, **how)


def found(system: nn.Module, log: list[dict]) -> dict:
    """Losses, weights and buffers of a training as arrays by name."""
    arrays = {name: x.numpy().copy() for name, x in system.state_dict().items()}
    return {"losses": np.array([row["loss"] for row in log if "loss" in row]), **arrays}


def broken_off(name, folder):
    """Trained for two of the steps only, with a checkpoint."""
    with pytest.raises(KeyboardInterrupt, match="step 2;"):
        trained(name, folder, at=INTERRUPTED)
