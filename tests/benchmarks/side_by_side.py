"""Ways to do the same work, timed in turns in one run, and the table that comes of it.

from side_by_side import compare, table
taken = compare({"sort": sort, "count": count}, rounds=5)
print(table(taken, "sort"))
"""

import contextlib
import ctypes
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
from generated_page import hardware, write_part

PACKAGES = ("numpy", "numba", "torch", "faiss-cpu", "torchmetrics", "pytorch-metric-learning")


def compare(ways: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, list[float]]:
    """Seconds of the processor that each way takes in each round, after one that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            if number:
                taken[name].append(time.process_time() - start)
    return taken


def ratio(taken: Mapping[str, list[float]], name: str, baseline: str) -> float:
    """Median over the rounds of the time of `name` over that of `baseline`."""
    pairs = zip(taken[name], taken[baseline], strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def table(
    taken: Mapping[str, list[float]],
    baseline: str,
    work: Mapping[str, float] | None = None,
    unit: str = "s",
    more: Mapping[str, str] | None = None,
    heading: str = "",
) -> str:
    """Markdown: way, time, ratio to the baseline, and what `more` says of each.

    Args:
        work: how many queries, pictures or the like a way does; the time is of one. Default: 1.
        unit: "s" or "ms". more: of each way; heading: of that column.
    """
    factor = {"s": 1, "ms": 1000}[unit]
    scale = {name: factor / (work or {}).get(name, 1) for name in taken}
    scaled = {name: [scale[name] * x for x in times] for name, times in taken.items()}
    extra = f" {heading} |" if more else ""
    lines = [f"| way | {unit} | ratio |{extra}", "|---|---:|---:|" + ("---|" if more else "")]
    for name, times in scaled.items():
        said = f" {more.get(name, '')} |" if more else ""
        times_, share = statistics.median(times), ratio(scaled, name, baseline)
        lines.append(f"| {name} | {times_:.3g} | {share:.2f} |{said}")
    return "\n".join(lines)


def peak_mb(way: Callable[[], object]) -> float:
    """Memory beyond what there is, in MiB, that `way` needs at its peak, in a forked process."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child() -> None:
        with contextlib.suppress(OSError, AttributeError):  # not GNU's: less is found
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # freed memory would be taken again, unseen
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
        before = memory_mb("VmRSS")
        way()
        peak = memory_mb("VmHWM")
        answers.put(max(0.0, peak - before))

    process = context.Process(target=child)
    process.start()
    found = answers.get(timeout=600)
    process.join()
    return found


def memory_mb(name: str) -> float:
    """A line of Linux' /proc/self/status, in MiB: what is in memory (VmRSS), its peak (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0]) / 1024  # Linux counts in KiB


def made_by(script: str) -> str:
    """The last line of a part: command, processor and versions."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return f"`python tests/benchmarks/{script}` on {hardware()}, {_processor()}; {versions}."


def publish(title: str, parts: list[str], script: str) -> None:
    """Print a part of docs/performance.md and write it there."""
    markdown = "\n\n".join([*parts, made_by(script)])
    print(f"## {title}\n\n{markdown}", flush=True)
    write_part(title, markdown, "performance.md")


def labelled_case(
    Q: int, N: int, L: int, C: int = 21
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features (Q, L) and (N, L) float32 around the categories of (Q, C) and (N, C) bool."""
    r = np.random.default_rng(0)
    ways = r.standard_normal((C, L))
    features, labels = [], []
    for n in (Q, N):
        labels.append(r.random((n, C)) < 0.1)
        labels[-1][~labels[-1].any(1), 0] = True
        features.append((labels[-1] @ ways + r.standard_normal((n, L))).astype(np.float32))
    return *features, *labels


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            name = next(
                line.split(":")[1].strip() for line in file if line.startswith("model name")
            )
    except (OSError, StopIteration):
        name = platform.processor() or "processor unknown"
    return name
