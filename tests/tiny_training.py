"""A small net, batches of numbers, and a training of a few steps."""

import signal

import torch
from torch import nn

from cmir_repro.losses.metric import scaled, soft_triplet
from cmir_repro.training.loop import TrainConfig, train

IDENTITY = {"run": {"width": 5, "name": "toy"}}


class Toy(nn.Module):
    """Dropout, sampled triplets and a buffer: all that must come back after a break."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.trunk = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3))
        self.query, self.target = nn.Linear(8, 5), nn.Linear(6, 5)

    def parameter_groups(self, config):
        return [(list(self.parameters()), 1.0, {})]

    def forward(self, batch, generator):
        q, t = self.query(self.trunk(batch["x"])), self.target(batch["y"])
        scale = torch.tensor(2.0)
        return {"loss": soft_triplet(scaled(q, scale), scaled(t, scale), generator)}


class Draws:
    """Batches of numbers; `at[step]`, if there, is called when that step's batch is made."""

    def __init__(self, at=None):
        self.at = at or {}

    def __call__(self, step, rank=0, processes=1):
        x = torch.randn(7, 6, generator=torch.Generator().manual_seed(step))
        batch = {"x": x, "y": x.flip(1)}
        if step in self.at:
            self.at[step](batch)
        return batch

    def describe(self, step):
        return f"number {step}"


def settings(**changes):
    values = {"batch": 7, "steps": 12, "log_every": 1, "evaluate_every": 100}
    return TrainConfig.make(**values | changes)


def go(folder, system=None, batches=None, identity=IDENTITY, validate=None, **changes):
    """Train; the system and its log without times."""
    system = Toy() if system is None else system
    log = train(
        system, batches or Draws(), settings(**changes), folder,
        identity=identity, validate=validate, progress=False,
    )  # fmt: skip
    return system, [{k: v for k, v in row.items() if k != "seconds"} for row in log]


def raised(number, times=1):
    """What a batch does to stop its own process."""

    def stop(batch):
        for _ in range(times):
            signal.raise_signal(number)

    return stop


def same(a, b):
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def plain_sgd():
    """Settings under which a weight moves by rate x gradient."""
    return {
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "clip": 0.0,
        "schedule": "constant",
        "learning_rate": 0.5,
    }
