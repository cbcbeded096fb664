"""Ranks, Hamming histograms and average precision beside what they contain, and how they grow.

    python tests/benchmarks/bench_scoring.py [--small]

Full sizes: the CSS test split (18,057 queries, 19,057 images, 512 dimensions), and NUS-WIDE's
database of 190,000 items with 21 categories.
"""

import argparse
from collections.abc import Callable
from unittest import mock

import numpy as np
from side_by_side import compare, labelled_case, peak_mb, publish, table

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import recall, tie_groups
from cmir_repro.evaluation.average_precision import average_precision
from cmir_repro.evaluation.recall import ranks, unit_rows

NEVER = 2**60  # pairs: kernels are not used
MEMORY = 2**34  # bytes, for the largest gallery
TOLERANCE = preset("map-all").tie_tolerance


def limited(module: object, limit: str, pairs: int, work: Callable[[], object]) -> Callable:
    """`work` with kernels used from so many pairs of query and item on."""

    def run() -> object:
        with mock.patch.object(module, limit, pairs):
            return work()

    return run


def ranking(Q: int, G: int, D: int) -> tuple:
    r = np.random.default_rng(0)
    queries, gallery = (r.standard_normal((n, D), dtype=np.float32) for n in (Q, G))
    labels, (target, source) = r.integers(0, G // 2, G), r.integers(0, G, (2, Q))
    source[labels[source] == labels[target]] = -1  # so that something relevant is left
    return queries, gallery, labels[target], labels, source, preset("tirg/css")


def product(queries: np.ndarray, gallery: np.ndarray) -> None:
    """What any exact evaluation must do, in blocks of the same 32 MB, written anew."""
    chunk = max(1, 2**23 // len(gallery))
    room = np.empty((min(chunk, len(queries)), len(gallery)), np.float32)
    for start in range(0, len(queries), chunk):
        block = queries[start : start + chunk]
        np.matmul(block, gallery.T, out=room[: len(block)])


def of_ranks(small: bool) -> list[str]:
    Q, G, D = (3000, 5000, 512) if small else (18_057, 19_057, 512)
    case = ranking(Q, G, D)
    ways = {
        "bare product": lambda: product(*case[:2]),
        "ranks, NumPy": limited(recall, "_MANY", NEVER, lambda: ranks(*case)),
        "ranks": limited(recall, "_MANY", 0, lambda: ranks(*case)),
    }
    taken = compare(ways, 3)
    memory = {"ranks": f"{peak_mb(ways['ranks']):.0f}"}
    return [
        f"**Ranks**: {Q:,} queries, {G:,} images, {D} dimensions.",
        table(taken, "bare product", more=memory, heading="MB beyond the inputs"),
    ]


def histograms(q: np.ndarray, d: np.ndarray, *labels: np.ndarray) -> np.ndarray:
    return tie_groups.hamming_histograms(q > 0, d > 0, *labels)[1]


def sorted_naively(q: np.ndarray, d: np.ndarray, ql: np.ndarray, dl: np.ndarray) -> None:
    """Average precision by a sort, a query at a time, as code of hashing papers does it."""
    signs, labels = np.where(d > 0, np.float32(1), np.float32(-1)), dl.astype(np.float32)
    for query, asked in zip(q, ql, strict=True):
        scores = signs @ np.where(query > 0, np.float32(1), np.float32(-1))
        relevant = (labels @ asked.astype(np.float32) > 0)[np.argsort(-scores, kind="stable")]
        places = np.flatnonzero(relevant) + 1
        (np.arange(1, len(places) + 1) / places).mean()


def of_codes(small: bool) -> list[str]:
    N = 20_000 if small else 190_000
    counts = {"a sort of each query": 20, "histograms, NumPy": 200, "histograms": 200}
    cases = {name: labelled_case(Q, N, 64) for name, Q in counts.items()}
    ways = {
        "a sort of each query": lambda: sorted_naively(*cases["a sort of each query"]),
        **{
            name: limited(tie_groups, "_MANY_CODES", limit, lambda n=name: histograms(*cases[n]))
            for name, limit in (("histograms, NumPy", NEVER), ("histograms", 0))
        },
    }
    assert (ways["histograms"]() == ways["histograms, NumPy"]()).all()
    taken = compare(ways, 5)
    scaled = {n: [2000 * x / counts[n] for x in times] for n, times in taken.items()}
    return [
        f"**Hamming histograms**: 2,000 queries (from 200, and from 20 that are sorted), {N:,} "
        "codes of 64 bits, 21 categories; counts are identical.",
        table(scaled, "histograms, NumPy"),
    ]


def of_cosines(small: bool) -> list[str]:
    N, Q = (20_000, 22) if small else (190_000, 22)
    q, d, *labels = labelled_case(Q, N, 128)
    unit = unit_rows(q, "query"), unit_rows(d, "database")

    def average() -> np.ndarray:
        parts = tie_groups.cosine_groups(q, d, *labels, TOLERANCE)
        return np.concatenate([average_precision(groups) for groups in parts])

    ways = {
        "bare product": lambda: unit[0] @ unit[1].T,
        "rows to length one": lambda: unit_rows(d, "database"),  # once, however many queries
        "MAP, NumPy": limited(tie_groups, "_MANY_COSINES", NEVER, average),
        "MAP": limited(tie_groups, "_MANY_COSINES", 0, average),
    }
    assert (ways["MAP"]() == ways["MAP, NumPy"]()).all()
    taken = compare(ways, 5)
    for name in ("MAP, NumPy", "MAP"):
        pairs = zip(taken[name], taken["rows to length one"], strict=True)
        taken[name] = [max(whole - once, 1e-9) for whole, once in pairs]
    del taken["rows to length one"]
    return [
        f"**MAP by cosine**: milliseconds a query, {N:,} items, 128 dimensions; without scaling "
        "the database to length one, which is done once. Average precision is identical, bit by "
        "bit, ties within the tolerance counted as their expectation.",
        table(taken, "MAP, NumPy", dict.fromkeys(taken, Q), "ms"),
    ]


def growth(small: bool) -> list[str]:
    """Seconds as one size grows and the others stay."""
    base, lines = (500, 2500) if small else (2000, 10_000), []
    for what in ("queries", "gallery", "bits"):
        row = []
        for factor in (1, 2, 4, 8):
            Q, G, L = base[0], base[1], 64
            if what == "queries":
                Q *= factor
            elif what == "gallery":
                G *= factor
            else:
                L = 16 * factor
            case, codes = ranking(Q, G, L), labelled_case(Q, G, L)
            ways = {
                "ranks": limited(recall, "_MANY", 0, lambda c=case: ranks(*c)),
                "codes": limited(tie_groups, "_MANY_CODES", 0, lambda c=codes: histograms(*c)),
            }
            taken = compare(ways, 3)
            row.append([float(np.median(taken[name])) for name in ways])
        for at, name in enumerate(("ranks, 64 dimensions", "Hamming histograms")):
            if what == "bits" and not at:
                continue
            cells = " | ".join(f"{times[at]:.3g}" for times in row)
            lines.append(f"| {name} | {what} | {cells} |")
    head = (
        f"**Growth**: seconds at {base[0]:,} queries, {base[1]:,} items and 64 bits (16 where bits "
        "grow), and with one of them 2, 4 and 8 times as large."
    )
    return [
        head,
        "\n".join(["| work | grows | 1 | 2 | 4 | 8 |", "|---|---|---:|---:|---:|---:|", *lines]),
    ]


def largest(small: bool) -> list[str]:
    """Items of the largest gallery whose scoring fits MEMORY, from measured bytes an item."""
    rows = []
    for name, D in (("ranks", 512), ("ranks", 128), ("codes", 64)):
        G, more = (20_000, 60_000) if small else (50_000, 150_000)
        peaks = []
        for n in (G, more):
            case = ranking(64, n, D) if name == "ranks" else labelled_case(64, n, D)
            work = (
                (lambda c=case: ranks(*c)) if name == "ranks" else (lambda c=case: histograms(*c))
            )
            given = sum(x.nbytes for x in case[:4])
            work()  # compiles, which takes memory once
            peaks.append(given + 2**20 * peak_mb(work))
        each = (peaks[1] - peaks[0]) / (more - G)
        what = (
            "Hamming histograms, 64 bits, 21 categories"
            if name == "codes"
            else f"ranks, {D} dimensions"
        )
        rows.append(f"| {what} | {each:,.0f} | {MEMORY / each / 1e6:,.1f} |")
    head = "**Largest gallery** in 16 GiB, inputs included, from the growth between two sizes."
    return [head, "\n".join(["| work | bytes an item | million items |", "|---|---:|---:|", *rows])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the work")
    small = parser.parse_args().small
    parts = [x for of in (of_ranks, of_codes, of_cosines, growth, largest) for x in of(small)]
    publish("Scoring", parts, "bench_scoring.py" + " --small" * small)


if __name__ == "__main__":
    main()
