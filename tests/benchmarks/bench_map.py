"""Time of scoring codes against the naive way, a sort of every query's distances; and memory.

    python tests/benchmarks/bench_map.py [--small]

The full size is NUS-WIDE: 2,100 queries, 188,321 database items, 64 bits, 21 categories.
"""

import argparse
import resource
import time

import numpy as np

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation.average_precision import average_precision
from cmir_repro.evaluation.labels import score
from cmir_repro.evaluation.tie_groups import hamming_groups, hamming_histograms


def naive(
    queries: np.ndarray, database: np.ndarray, query_labels: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Average precision by a sort, a query at a time; ties in the order of the database."""
    found = np.empty(len(queries))
    signs, labels = 2 * database.astype(np.float32) - 1, labels.astype(np.float32)
    for i, (query, asked) in enumerate(zip(queries, query_labels, strict=True)):
        scores = signs @ (2 * query.astype(np.float32) - 1)
        relevant = (labels @ asked.astype(np.float32) > 0)[np.argsort(-scores, kind="stable")]
        places = np.flatnonzero(relevant) + 1
        found[i] = (np.arange(1, len(places) + 1) / places).mean() if len(places) else np.nan
    return found


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def timed(call, *arguments):
    start = time.perf_counter()
    found = call(*arguments)
    return found, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the work")
    Q, N = (2000, 20_000) if parser.parse_args().small else (2100, 188_321)
    L, C = 64, 21
    r = np.random.default_rng(0)
    ways = r.standard_normal((C, L))
    labels, codes = [], []
    for n in (Q, N):
        labels.append(r.random((n, C)) < 0.1)
        codes.append(labels[-1] @ ways + r.standard_normal((n, L)) > 0)
    case = (*codes, *labels)

    counts = hamming_histograms(*case)
    whole = timed(score, *case, preset("map-all/hamming"))[1]
    peak = peak_mb()  # before the naive way can raise it
    # In turn and the best of three: other work on the machine disturbs single runs. The naive way
    # sees a part of the queries, for it takes minutes.
    part = 200
    times = []
    for _ in range(3):
        bare, slow = timed(naive, codes[0][:part], codes[1], labels[0][:part], labels[1])
        _, counting = timed(hamming_histograms, *case)
        ap, formulas = timed(lambda: average_precision(hamming_groups(*counts)))
        times.append((slow * Q / part, counting, formulas))
    slow, counting, formulas = np.min(times, axis=0)
    print(f"{Q:,} queries x {N:,} codes of {L} bits, {C} categories")
    print(f"naive sort       {slow:8.2f} s   (from {part} queries)")
    print(f"counting         {counting:8.2f} s")
    print(f"closed form      {formulas:8.2f} s   sort / both {slow / (counting + formulas):.1f}")
    print(f"all of a score   {whole:8.2f} s   two depths, curves, intervals, chance")
    print(f"peak memory of it, the inputs and all libraries included {peak:.0f} MB")
    apart = np.nanmax(np.abs(bare - ap[:part]))
    print(f"a query's average precision by a sort is up to {100 * apart:.2f} points off")


if __name__ == "__main__":
    main()
