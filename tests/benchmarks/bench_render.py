"""Pictures per second of both views, and where the time of the 3D view goes.

Run as a script: python tests/benchmarks/bench_render.py [--device cuda] [--seconds 3]
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch

from cmir_repro.data.css import render_3d
from cmir_repro.data.css.render_2d import draw_2d, render_2d
from cmir_repro.data.css.scenes import EMPTY

FULL_SET = 38_069  # pictures of both splits of CSS


def scenes_of(n: int) -> np.ndarray:
    """Scenes of 2 to 8 objects."""
    rng = np.random.default_rng(0)
    scenes = np.stack([rng.integers(0, k, (n, 9)) for k in (8, 3, 2, 2)], -1).astype(np.int8)
    rank = rng.random((n, 9)).argsort(1)
    scenes[rank >= rng.integers(2, 9, (n, 1))] = EMPTY
    return scenes


def rate(work: Callable[[], object], count: int, seconds: float) -> float:
    """Pictures per second of `work`, which makes `count`: the best of the runs that fit."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return count / best


def stages(width: int, height: int, device: str, seconds: float) -> dict[str, float]:
    """Milliseconds per picture spent in sorting into groups, shadows, objects, and all else."""
    n = 64 if device == "cpu" else 1024
    scenes, jitter = scenes_of(n), render_3d.draw_jitter(0, range(n))
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable) -> Callable:
        def run(*args: object, **options: object) -> object:
            start = time.perf_counter()
            result = work(*args, **options)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
            return result

        return run

    parts = {"groups": "_groups", "shadows": "_shadow", "objects": "_shaded"}
    whole = timed("all", render_3d.render_3d)
    with contextlib.ExitStack() as stack:
        for name, part in parts.items():
            wrapped = timed(name, getattr(render_3d, part))
            stack.enter_context(mock.patch.object(render_3d, part, wrapped))
        repeats, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            whole(scenes, jitter, width=width, height=height, device=device)
            repeats += 1
    total = spent.pop("all")
    spent["blending and the rest"] = total - sum(spent.values())
    return {name: 1e3 * value / (repeats * n) for name, value in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=3.0, help="per line")
    args = parser.parse_args()

    scenes = scenes_of(2000)
    columns = [scenes[..., i] for i in range(3)]
    positions = np.random.default_rng(0).uniform(0.15, 0.85, (2000, 9, 2))
    for name, run in {
        "2D on the grid": lambda: render_2d(scenes),
        "2D, free positions": lambda: draw_2d(positions, *columns),
    }.items():
        print(f"{name:22} {rate(run, 2000, args.seconds):10.0f} /s")

    n = 256 if args.device == "cpu" else 8192
    scenes, jitter = scenes_of(n), render_3d.draw_jitter(0, range(n))
    for width, height in ((90, 60), (180, 120)):

        def run(width: int = width, height: int = height) -> torch.Tensor:
            return render_3d.render_3d(
                scenes, jitter, width=width, height=height, device=args.device
            )

        speed = rate(run, n, args.seconds)
        minutes = FULL_SET / speed / 60
        print(f"3D {width}x{height:<16} {speed:10.0f} /s   full set {minutes:.1f} min")
        for stage, spent in stages(width, height, args.device, args.seconds).items():
            print(f"    {stage:22} {spent:8.3f} ms per picture")


if __name__ == "__main__":
    main()
