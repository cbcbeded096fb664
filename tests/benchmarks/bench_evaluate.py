"""Time of `ranks` against the bare matrix product it contains, and its memory.

    python tests/benchmarks/bench_evaluate.py [--small]

The full size is the CSS test split: 18,057 queries, 19,057 images, 512 dimensions.
"""

import argparse
import resource
import time

import numpy as np

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation.recall import pool, ranks, summary


def product(queries: np.ndarray, gallery: np.ndarray) -> None:
    """What any exact evaluation must do, in blocks of the same 32 MB."""
    chunk = max(1, 2**23 // len(gallery))
    for start in range(0, len(queries), chunk):
        queries[start : start + chunk] @ gallery.T


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def seconds(call, *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="an eighth of the work, seconds")
    small = parser.parse_args().small
    Q, G, D = (6000, 7000, 512) if small else (18_057, 19_057, 512)
    r = np.random.default_rng(0)
    queries = r.standard_normal((Q, D), dtype=np.float32)
    gallery = r.standard_normal((G, D), dtype=np.float32)
    labels = r.integers(0, G // 2, G)
    target, source = r.integers(0, G, (2, Q))
    source[labels[source] == labels[target]] = -1  # so that something relevant is left
    case = (queries, gallery, labels[target], labels, source, preset("tirg/css"))

    before = peak_mb()
    found = ranks(*case)  # first, so that no other step has raised the peak
    beyond = peak_mb() - before
    # In turn and the best of three: other work on the machine disturbs single runs.
    times = np.array([(seconds(product, *case[:2]), seconds(ranks, *case)) for _ in range(3)])
    bare, whole = times.min(axis=0)
    counts = pool(*case[2:])
    print(f"{Q} queries x {G} images x {D} float32")
    print(f"bare product       {bare:8.2f} s")
    print(f"ranks              {whole:8.2f} s   ratio {whole / bare:.2f}")
    print(f"summary, intervals {seconds(summary, found, case[-1], 0, counts):8.2f} s")
    print(f"memory beyond the inputs {beyond:.0f} MB")


if __name__ == "__main__":
    main()
