"""UMAP of many vectors for three seeds: as `analysis.projection` does it, and as umap-learn alone.

python tests/benchmarks/bench_projection.py [--small]
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from side_by_side import compare, publish, table
from umap import UMAP

from cmir_repro.analysis import projection
from cmir_repro.analysis.modality_gap import unit

D, CLASSES, SEEDS = 512, 50, (0, 1, 2)


def two_sets(N: int) -> dict[str, np.ndarray]:
    """Vectors of images and texts, N in all, about the same class centres with a gap between."""
    r = np.random.default_rng(0)
    centres, gap = r.standard_normal((CLASSES, D)), r.standard_normal(D)
    of = r.integers(CLASSES, size=(2, N // 2))
    return {
        name: (centres[rows] + sign * gap + r.standard_normal((N // 2, D))).astype(np.float32)
        for name, rows, sign in zip(("image", "text"), of, (1, -1), strict=True)
    }


def ways_of(N: int) -> dict[str, Callable[[], object]]:
    sets = two_sets(N)
    union = np.concatenate([unit(rows, name) for name, rows in sets.items()])

    def alone() -> None:
        for seed in SEEDS:
            UMAP(random_state=seed, n_jobs=1).fit_transform(union)

    return {
        "umap-learn, a seed after the other": alone,
        "ours": lambda: projection.umap(sets, SEEDS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a part of the work")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    N = 2_000 if small else 20_000
    taken = compare(ways_of(N), 1)
    head = f"**UMAP**: {N:,} vectors of {D} dimensions, {len(SEEDS)} seeds."
    publish(
        "Projection",
        [head, table(taken, next(iter(taken)))],
        "bench_projection.py" + " --small" * small,
    )


if __name__ == "__main__":
    main()
