"""Where the time of a training step goes, as ratios measured side by side in one run.

    python tests/benchmarks/bench_train.py [--scale mini|full|paper] [--device cpu|cuda]
        [--steps 20] [--precision fp32 bf16] [--threads 1]

1. A step with real data against the same step on a fixed batch: what the pictures cost.
2. A step whose pictures are normalised channel by channel and whose optimiser goes parameter by
   parameter, as one would write it, against ours, which does the same in fewer passes; and, where
   it is asked for, a step in bf16 against one in fp32.
3. Our step against a plain loop: a DataLoader over PNG files, decoded and normalised one by one.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cmir_repro.data import registry
from cmir_repro.experiments.dim_task import QueryBatches, Task, tokeniser
from cmir_repro.experiments.presets.dim import SCALES, configure
from cmir_repro.models.image import MEAN, STD, build_image_encoder
from cmir_repro.systems.dim import Composed


class PngPairs(Dataset):
    """Source and target pictures of training queries, each decoded when asked for."""

    def __init__(self, folder: Path, batches: QueryBatches) -> None:
        self.folder, self.batches = folder, batches
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )

    def __len__(self) -> int:
        return len(self.batches.source)

    def __getitem__(self, row: int):
        names = (self.batches.source[row], self.batches.target[row])
        return tuple(self.transform(Image.open(self.folder / f"{name}.png")) for name in names)


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

    # The plain loop: the same encoder, pictures from PNG files through worker processes.
    encoder = build_image_encoder(config.model.image_encoder, config.model.embed_dim)
    encoder = encoder.to(a.device)
    plain_optimizer = torch.optim.AdamW(encoder.parameters())
    with tempfile.TemporaryDirectory() as folder:
        store = batches.stores["3d"].pixels.cpu().numpy()
        used = np.unique(np.concatenate([batches.source, batches.target]))
        for row in used:
            Image.fromarray(store[row]).save(Path(folder) / f"{row}.png")
        pairs = PngPairs(Path(folder), batches)

        def encode(source: torch.Tensor, target: torch.Tensor) -> None:
            with autocast:
                loss = encoder(source).vector.square().mean()
                loss = loss + encoder(target).vector.square().mean()
            plain_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            plain_optimizer.step()

        workers = min(4, len(os.sched_getaffinity(0)))
        loader = DataLoader(
            pairs, batch_size=batch, shuffle=True, num_workers=workers, drop_last=True
        )
        start, count = None, 0
        for source, target in loader:
            encode(source.to(a.device), target.to(a.device))
            synchronise()
            if start is None:  # the first batch pays for starting the workers
                start = time.perf_counter()
                continue
            count += 1
            if count == a.steps:
                break
        plain = (time.perf_counter() - start) / count

        def ours(number: int) -> None:
            data = batches(number)
            with autocast:
                loss = system.encode(data["source"]).vector.square().mean()
                loss = loss + system.encode(data["target"]).vector.square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        stored = statistics.median(seconds(ours, a.steps, synchronise))
    print("  image encoder alone, images/s: "
          f"pictures in memory {2 * batch / stored:,.0f}, "
          f"DataLoader over PNG {2 * batch / plain:,.0f}, ratio {plain / stored:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
