"""Where the time of a training step goes, and training as the field's reference does it.

    python tests/benchmarks/bench_steps.py [--small]

1. A step of TIRG and one of AAI: time by kind of operation, from torch's profiler.
2. Our loop over prepared pictures beside one over PNG files, decoded and normalised item by item
   when asked for, losses read at each step: the same net, pictures and batches.
3. How steps and the encoding of sentences grow with their number and length.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from side_by_side import compare, peak_mb, publish, table
from torch.profiler import ProfilerActivity, profile
from torchvision import transforms

from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.models.image import MEAN, STD
from cmir_repro.models.text import build_text_tokens
from cmir_repro.systems.dim import Composed

BATCH, REFERENCE_BATCH = 64, 32
METHODS = {"dim": "TIRG", "aai": "AAI"}
# Of an operation's name; what is none of these is "the rest".
KINDS = {
    "convolutions": ("convolution", "mkldnn"),
    "matrix products": ("mm", "addmm", "bmm", "baddbmm", "dot"),
    "attention": ("scaled_dot_product", "softmax", "flash"),
    "normalisation": ("norm",),
    "recurrent": ("lstm", "gru", "rnn"),
    "optimiser": ("fused_adamw",),
    "element by element": (
        "add",
        "mul",
        "div",
        "sub",
        "relu",
        "threshold",
        "copy",
        "gelu",
        "where",
    ),
}


def stepper(name: str, batch: int) -> tuple[Callable[[], None], int]:
    """One training step of a system at mini; and how many parameters it has."""
    system_of = SYSTEMS[name]
    config = system_of.presets.configure(
        scale="mini", method=METHODS[name], training={"batch": batch}
    )
    experiment = system_of.experiment(config, progress=False)
    batches, system = experiment.batches(), experiment.net(config, experiment.sizes())
    system = system.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(system.parameters(), fused=True)
    generator, step = torch.Generator(), iter(range(10**9))

    def train() -> None:
        loss = system(batches(next(step)), generator)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(system.parameters(), 1.0)
        optimizer.step()

    return train, sum(p.numel() for p in system.parameters())


def kind_of(operation: str) -> str:
    for kind, words in KINDS.items():
        if any(word in operation for word in words):
            return kind
    return "the rest"


def profiled(name: str, steps: int) -> list[str]:
    train, parameters = stepper(name, BATCH)
    for _ in range(5):  # the first ones wait for memory
        train()
    taken = []
    for _ in range(steps):
        start = time.process_time()
        train()
        taken.append(1000 * (time.process_time() - start))
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            train()
    spent, calls = Counter(), Counter()
    for event in found.key_averages():
        spent[kind_of(event.key)] += event.self_cpu_time_total
        calls[kind_of(event.key)] += event.count
    total = sum(spent.values())
    lines = ["| operations | share | calls a step |", "|---|---:|---:|"]
    lines += [
        f"| {kind} | {100 * part / total:.0f} % | {calls[kind] / steps:,.0f} |"
        for kind, part in spent.most_common()
    ]
    head = (
        f"**A step of {METHODS[name]}** at mini, batch {BATCH}, {parameters:,} parameters: "
        f"{statistics.median(taken):.0f} ms of the processor on one thread, median of {steps}."
    )
    return [head, "\n".join(lines)]


class Decoded(Composed):
    """`Composed` of pictures that are normalised already, (B, 3, H, W)."""

    def encode(self, pixels: torch.Tensor):
        return self.image(pixels)


def beside_the_reference(steps: int) -> list[str]:
    dim = SYSTEMS["dim"]
    config = dim.presets.configure(scale="mini", method="TIRG", training={"batch": REFERENCE_BATCH})
    experiment = dim.experiment(config, progress=False)
    batches, generator = experiment.batches(), torch.Generator()
    waited: dict[str, list[float]] = {"ours": [], "reference": []}

    def trainer(kind: type, fused: bool) -> Callable[[dict], torch.Tensor]:
        system = kind(config.model, len(experiment.tokens)).train()
        optimizer = torch.optim.AdamW(system.parameters(), fused=fused)

        def train(data: dict) -> torch.Tensor:
            losses = system(data, generator)
            optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            optimizer.step()
            return losses["loss"]

        return train

    def loop(name: str, load: Callable[[int], dict], train: Callable) -> Callable[[], None]:
        def run() -> None:
            begin, waiting, kept = time.process_time(), 0.0, []
            for step in range(steps):
                start = time.process_time()
                data = load(step)
                waiting += time.process_time() - start
                loss = train(data)
                if name == "reference":
                    kept.append(loss.item())  # the reference averages losses on the host
            waited[name].append(waiting / (time.process_time() - begin))

        return run

    with tempfile.TemporaryDirectory() as folder:
        pixels = batches.stores["3d"].pixels.numpy()
        for row in np.unique(np.concatenate([batches.source, batches.target])):
            Image.fromarray(pixels[row]).save(Path(folder) / f"{row}.png")
        normalised = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

        def decoded(step: int) -> dict:
            data = batches(step)  # sentences and labels; its pictures are replaced
            rows = batches._queries(step)
            for key, chosen in zip(("source", "target"), rows, strict=False):
                files = [Path(folder) / f"{row}.png" for row in chosen]
                pictures = [normalised(Image.open(file).convert("RGB")) for file in files]
                data[key] = torch.stack(pictures)
            return data

        ways = {
            "reference": loop("reference", decoded, trainer(Decoded, False)),
            "ours": loop("ours", batches, trainer(Composed, True)),
        }
        memory = {name: peak_mb(way) for name, way in ways.items()}
        taken = compare(ways, 5)
    rate = {name: 2 * REFERENCE_BATCH * steps / np.median(x) for name, x in taken.items()}
    said = {
        name: f"{rate[name]:,.0f} pictures a second, {100 * np.median(waited[name]):.0f} % of it "
        f"data, {memory[name]:.0f} MB"
        for name in ways
    }
    head = (
        f"**Training beside the field's reference**: TIRG at mini, batches of {REFERENCE_BATCH}, "
        f"{steps} steps, no worker processes; memory beyond data and libraries at its peak."
    )
    return [head, table(taken, "reference", more=said, heading="rate, data, memory")]


def growth(base: int) -> list[str]:
    """Seconds of 1, 2, 4 and 8 times as many steps, sentences, and words of a sentence."""
    times = (1, 2, 4, 8)
    lines = []
    for name in METHODS:
        train, _ = stepper(name, BATCH)
        ways = {f"{n}": lambda n=n, train=train: [train() for _ in range(n)] for n in times}
        lines.append((f"steps of {METHODS[name]}, batch {BATCH}", ways))
    torch.manual_seed(0)
    encoder = build_text_tokens("transformer", 96, 100, longest=128).eval()

    def encode(count: int, words: int) -> Callable[[], None]:
        ids, lengths = torch.randint(100, (count, words)), torch.full((count,), words)

        def way() -> None:
            with torch.inference_mode():
                for part in range(0, count, 256):
                    encoder(ids[part : part + 256], lengths[part : part + 256])

        return way

    lines.append(
        (f"encoding {base:,} sentences of 16 words", {f"{n}": encode(n * base, 16) for n in times})
    )
    lines.append(
        (f"words of {base:,} sentences, from 16", {f"{n}": encode(base, 16 * n) for n in times})
    )
    rows = ["| work | 1 | 2 | 4 | 8 |", "|---|---:|---:|---:|---:|"]
    for said, ways in lines:
        taken = compare(ways, 3)
        cells = " | ".join(f"{np.median(x):.3g}" for x in taken.values())
        rows.append(f"| {said} | {cells} |")
    return ["**Growth**: seconds, and with 2, 4 and 8 times as many.", "\n".join(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="few steps")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    steps = 2 if small else 10
    parts = [*profiled("dim", steps), *profiled("aai", steps), *beside_the_reference(steps)]
    parts += growth(256 if small else 1024)
    publish("Training", parts, "bench_steps.py" + " --small" * small)


if __name__ == "__main__":
    main()
