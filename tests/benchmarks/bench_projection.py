"""UMAP of many vectors for three seeds: as `analysis.projection` does it, and as umap-learn alone.

python tests/benchmarks/bench_projection.py [--small]
"""

import argparse

import numpy as np
import torch
from side_by_side import compare, publish, table
from sklearn.manifold import trustworthiness
from umap import UMAP

from cmir_repro.analysis import projection
from cmir_repro.analysis.modality_gap import unit

D, CLASSES, SEEDS = 512, 50, (0, 1, 2)
SAMPLE = 2000  # vectors that the trustworthiness of a map is taken on


def two_sets(N: int) -> dict[str, np.ndarray]:
    """Vectors of images and texts, N in all, about the same class centres with a gap between."""
    r = np.random.default_rng(0)
    centres, gap = r.standard_normal((CLASSES, D)), r.standard_normal(D)
    of = r.integers(CLASSES, size=(2, N // 2))
    return {
        name: (centres[rows] + sign * gap + r.standard_normal((N // 2, D))).astype(np.float32)
        for name, rows, sign in zip(("image", "text"), of, (1, -1), strict=True)
    }


class Ways:
    """The ways by name, and the map (N, 2) of the last seed that each has made."""

    def __init__(self, N: int) -> None:
        self.sets, self.maps = two_sets(N), {}
        self.union = np.concatenate([unit(rows, name) for name, rows in self.sets.items()])
        self.ways = {"umap-learn, a seed after the other": self.alone, "ours": self.ours}

    def alone(self) -> None:
        for seed in SEEDS:
            made = UMAP(random_state=seed, n_jobs=1).fit_transform(self.union)
        self.maps["umap-learn, a seed after the other"] = made

    def ours(self) -> None:
        made = projection.umap(self.sets, SEEDS)
        self.maps["ours"] = made[made["seed"] == SEEDS[-1]][["x", "y"]].to_numpy()

    def trusted(self) -> dict[str, str]:
        """Trustworthiness of each map, 1 where all neighbours in the plane are true ones."""
        rows = np.random.default_rng(1).permutation(len(self.union))[:SAMPLE]
        return {
            name: f"{trustworthiness(self.union[rows], made[rows], n_neighbors=15):.4f}"
            for name, made in self.maps.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a part of the work")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    N = 2_000 if small else 20_000
    all_ways = Ways(N)
    taken = compare(all_ways.ways, 1)
    head = f"**UMAP**: {N:,} vectors of {D} dimensions, {len(SEEDS)} seeds."
    publish(
        "Projection",
        [head, table(taken, next(iter(taken)), more=all_ways.trusted(), heading="trustworthiness")],
        "bench_projection.py" + " --small" * small,
    )


if __name__ == "__main__":
    main()
