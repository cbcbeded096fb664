"""Floating-point operations of a training step at scale paper, by method: what estimates rest on.

    python tests/benchmarks/bench_cost.py [--batch 8]

Counted by torch, forward and backward, on made-up batches of the sizes of CSS, and scaled to the
batch of the presets: encoders, fusion and their gradients grow with it. `grid/assumed.py` holds the
largest count of each system.
"""

import argparse

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cmir_repro.core.distributed import sharing
from cmir_repro.data.augment import DRAWS
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.systems import SYSTEMS

PICTURE, WORDS, VOCABULARY, SPECIAL = (120, 180, 3), 40, 100, {"special": (0, 1, 2), "mask": 4}
FEATURES, TAGS, CATEGORIES, CODES = 648, 30, 24, 1024  # of CRCGS on CSS; K of its teachers


def made_up(system: str, B: int) -> dict[str, Tensor]:
    """A batch of a system."""

    def pictures() -> Tensor:
        return torch.randint(256, (B, *PICTURE), dtype=torch.uint8)

    words, lengths = torch.randint(5, VOCABULARY, (B, WORDS)), torch.full((B,), WORDS)
    if system == "dim":
        labels = {n: torch.arange(B) for n in ("source_label", "target_label", "sentence")}
        given = {"source": pictures(), "target": pictures(), "input_ids": words[:, :12]}
        return given | {"lengths": torch.full((B,), 12)} | labels
    if system == "aai":
        texts = {"input_ids": words, "lengths": lengths}
        clean = {f"clean_{name}": x for name, x in texts.items()}
        given = {"image": pictures(), "draws": torch.rand(B, 2, DRAWS), "id": torch.arange(B)}
        return given | texts | clean
    features, text = torch.rand(B, FEATURES), torch.randint(2, (B, TAGS)).float()
    labels = torch.randint(2, (B, CATEGORIES)).float()
    codes = {"f": torch.rand(B, CODES), "g": torch.rand(B, CODES)}
    return {"image": features, "features": features, "text": text, "labels": labels, **codes}


def sizes(system: str) -> dict:
    """What `Experiment.net` needs to know of CSS."""
    known = {"vocabulary": VOCABULARY, "special_tokens": SPECIAL, "shape": PICTURE}
    if system == "crcgs":
        known = {"shape": (FEATURES,), "features": FEATURES, "text": TAGS}
        known |= {"categories": CATEGORIES, "train": 1000}
    return known


def operations(config: RunConfig, B: int) -> float:
    """Of a step of the configured batch, all its turns."""
    net = SYSTEMS[config.system].experiment.net(config, sizes(config.system)).train()
    batch, generator = made_up(config.system, B), torch.Generator()
    turns = net.turns(1) if hasattr(net, "turns") else [None]
    with FlopCounterMode(display=False) as counter, sharing(B):
        for turn in turns:
            net(batch, generator, *([turn] if turn else []))["loss"].backward()
    return counter.get_total_flops() * config.train.batch / B


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--batch", type=int, default=8, help="that is counted")
    B = asked.parse_args().batch
    print("system, method, operations a step in 1e9")
    for name, system in SYSTEMS.items():
        for method in system.presets.METHODS:
            config = system.presets.configure(scale="paper", method=method)
            print(f"{name}, {method}, {operations(config, B) / 1e9:,.0f}", flush=True)


if __name__ == "__main__":
    main()
