"""Where the time of a training step goes, as ratios measured side by side in one run.

    python tests/benchmarks/bench_train.py [--scale mini|full|paper] [--device cpu|cuda]
        [--steps 20] [--precision fp32 bf16] [--threads 1]

1. A step with real data against the same step on a fixed batch: what the pictures cost.
2. A step whose pictures are normalised channel by channel and whose optimiser goes parameter by
   parameter, as one would write it, against ours, which does the same in fewer passes; and, where
   it is asked for, a step in bf16 against one in fp32.
A loop over PNG files stands in bench_steps.py.
"""

import argparse
import statistics
import time

import torch

from cmir_repro.data import registry
from cmir_repro.experiments.dim_task import QueryBatches, Task, tokeniser
from cmir_repro.experiments.presets.dim import SCALES, configure
from cmir_repro.models.image import MEAN, STD
from cmir_repro.systems.dim import Composed


def seconds(step, count: int, synchronise, first: int = 0) -> list[float]:
    """Of each call; of the processor where that computes, since others may keep it busy, too."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    out = []
    for number in range(first, first + count):
        synchronise()
        start = clock()
        step(number)
        synchronise()
        out.append(clock() - start)
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=SCALES, default="mini")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32"])
    parser.add_argument("--threads", type=int, default=1, help="a run uses one, see the grid")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    synchronise = torch.cuda.synchronize if a.device == "cuda" else lambda: None
    for batch in a.batch:
        for precision in a.precision:
            compare(a, batch, precision, synchronise)
        for method in ("TIRG", "TIRG + DIM"):
            passes(a, batch, method, synchronise)


class Plain(Composed):
    """`Composed` whose pictures are normalised as one would write it."""

    def encode(self, pixels: torch.Tensor):
        x = pixels.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
        mean, std = (
            255 * torch.tensor(x, device=pixels.device)[:, None, None] for x in (MEAN, STD)
        )
        return self.image((x - mean) / std)


def passes(a, batch: int, method: str, synchronise) -> None:
    """A plain step, and one in bf16, against ours: ratios of their processor time."""
    config = configure(scale=a.scale, method=method, training={"batch": batch})
    task = Task(registry.open("css", a.scale, a.device), "3d-3d", a.device)
    tokens = tokeniser(config.model, task)
    batches, generator = QueryBatches(task, tokens, config.train), torch.Generator()

    def stepper(kind: type, fused: bool, bf16: bool = False):
        system = kind(config.model, len(tokens))
        system = system.to(a.device, memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(system.parameters(), fused=fused)

        def step(number: int) -> None:
            with torch.autocast(a.device, torch.bfloat16, enabled=bf16):
                loss = system(batches(number), generator)["loss"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return step

    steps = {"ours": stepper(Composed, True), "plain": stepper(Plain, False)}
    if "bf16" in a.precision:
        steps["bf16"] = stepper(Composed, True, True)
    taken = {name: [] for name in steps}
    for number in range(a.steps + 3):  # in turns, so that a drift of the machine hits all
        for name, step in steps.items():
            taken[name] += seconds(step, 1, synchronise, number)
    middle = {name: statistics.median(x[3:]) for name, x in taken.items()}
    ours = middle.pop("ours")
    ratios = ", ".join(f"{name} / ours = {x / ours:.2f}" for name, x in middle.items())
    print(f"{a.scale} {method}, batch {batch}: {ours:.4f} s a step; {ratios}")


def compare(a, batch: int, precision: str, synchronise) -> None:
    config = configure(
        scale=a.scale, method="TIRG", training={"batch": batch, "precision": precision}
    )
    task = Task(registry.open("css", a.scale, a.device), "3d-3d", a.device)
    tokens = tokeniser(config.model, task)
    batches = QueryBatches(task, tokens, config.train)
    system = Composed(config.model, len(tokens))
    system = system.to(a.device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(system.parameters(), fused=True)
    generator = torch.Generator()
    autocast = torch.autocast(a.device, torch.bfloat16, enabled=precision == "bf16")

    def train(data) -> None:
        with autocast:
            loss = system(data, generator)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    fixed = batches(0)
    for _ in range(5):
        train(fixed)
    real, still = [], []
    for number in range(a.steps):  # in turns, so that a drift of the machine hits both
        real += seconds(lambda _, n=number: train(batches(n)), 1, synchronise)
        still += seconds(lambda _: train(fixed), 1, synchronise)
    ratio = statistics.median(r / s for r, s in zip(real, still, strict=True))
    rate = 2 * batch / statistics.median(real)
    print(f"{a.scale} {a.device} batch {batch} {precision}: {rate:,.0f} images/s; "
          f"real data / fixed batch = {ratio:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
