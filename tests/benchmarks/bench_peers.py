"""Scores beside those of what one would pick instead, on the same features: numbers and time.

    python tests/benchmarks/bench_peers.py [--small]

Needs the extra `bench` (torchmetrics, pytorch-metric-learning). Every value is held against ours:
to 1e-6 where the rule is the same; where it is not, the table shows what it gives.
"""

import argparse
import importlib.util
from collections.abc import Callable

import faiss
import numpy as np
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from side_by_side import compare, labelled_case, publish, table
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import tie_groups
from cmir_repro.evaluation.average_precision import average_precision
from cmir_repro.evaluation.recall import ranks, unit_rows

SAME = 1e-6  # what a value may differ by where the rule is the same
K = 10
DROPS = "torchmetrics, of cosines"  # takes a relevant item of a score below 0 for irrelevant


def composed(Q: int, G: int, D: int) -> tuple[np.ndarray, ...]:
    """Queries near their targets among G images, a label of two images each."""
    r = np.random.default_rng(0)
    gallery = r.standard_normal((G, D), dtype=np.float32)
    labels, target = np.arange(G) // 2, r.integers(0, G, Q)
    noise = 3 * (D / 128) ** 0.75  # so that not every target is found
    queries = gallery[target] + noise * r.standard_normal((Q, D), dtype=np.float32)
    return unit_rows(queries, "query"), unit_rows(gallery, "gallery"), labels[target], labels


def recall_by(Q: int, G: int, D: int) -> dict[str, Callable[[], float]]:
    """Recall at K, of one protocol, by each way."""
    queries, gallery, asked, labels = composed(Q, G, D)
    rule = preset("tirg/css").changed(drop_source=False)

    def ours() -> float:
        return float(ranks(queries, gallery, asked, labels, None, rule).hits(K).mean())

    def sorted_whole() -> float:
        """As test_retrieval.py of TIRG does: a sort of each query's scores, labels compared."""
        found = 0
        scores = queries.dot(gallery.T)
        order = [np.argsort(-scores[i, :]) for i in range(Q)]
        for i, row in enumerate(order):
            found += asked[i] in [labels[item] for item in row[:K]]
        return found / Q

    def flat() -> float:
        index = faiss.IndexFlatIP(D)
        index.add(gallery)
        near = index.search(queries, K)[1]
        return float((labels[near] == asked[:, None]).any(1).mean())

    def metric() -> float:
        scores = torch.from_numpy(queries @ gallery.T)
        relevant = torch.from_numpy(asked[:, None] == labels)
        rows = torch.arange(Q)[:, None].expand(Q, G)
        hit = RetrievalHitRate(top_k=K)
        return float(hit(scores.flatten(), relevant.flatten(), indexes=rows.flatten()))

    ways = {"ours": ours, "full sort": sorted_whole, "faiss flat": flat, "torchmetrics": metric}
    if importlib.util.find_spec("mteb"):  # no dependency; measured where it is installed
        ways["mteb"] = lambda: by_mteb(queries, gallery, asked, labels)
    return ways


def by_mteb(*case: np.ndarray) -> float:
    """Hit rate at K by the library of the largest leaderboard, which keeps 1,000 items a query."""
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    queries, gallery, asked, labels = case
    scores = queries @ gallery.T
    kept = np.argpartition(-scores, 999, axis=1)[:, :1000]
    results = {
        f"q{i}": {f"g{j}": float(scores[i, j]) for j in row} for i, row in enumerate(kept.tolist())
    }
    right = [np.flatnonzero(labels == label).tolist() for label in asked]
    truth = {f"q{i}": dict.fromkeys((f"g{j}" for j in row), 1) for i, row in enumerate(right)}
    found = calculate_retrieval_scores(results, truth, [K])
    return float(np.mean([one[f"success_{K}"] for one in found.all_scores.values()]))


def map_by(Q: int, N: int, D: int) -> dict[str, Callable[[], float]]:
    """MAP over all items by one class a row, of distinct scores."""
    q, d, *_ = labelled_case(Q, N, D)
    r = np.random.default_rng(1)
    asked, labels = r.integers(0, 10, Q), r.integers(0, 10, N)
    q, d = unit_rows(q, "query"), unit_rows(d, "database")
    marks = [np.eye(10, dtype=bool)[x] for x in (asked, labels)]

    def ours() -> float:
        parts = tie_groups.cosine_groups(q, d, *marks, preset("map-all").tie_tolerance)
        return float(np.concatenate([average_precision(part) for part in parts]).mean())

    def loops() -> float:
        """CalcMap of DCMH's and its followers' code, with cosines in place of distances."""
        total = 0.0
        for i in range(Q):
            truth = (asked[i] == labels).astype(np.float32)
            count = int(truth.sum())
            truth = truth[np.argsort(-(d @ q[i]))]
            places = np.asarray(np.where(truth == 1)) + 1.0
            total += np.mean(np.linspace(1, count, count) / places)
        return total / Q

    def metric(shift: float = 1.0) -> float:
        scores = torch.from_numpy(q @ d.T + np.float32(shift))
        relevant = torch.from_numpy(asked[:, None] == labels)
        rows = torch.arange(Q)[:, None].expand(Q, N)
        return float(RetrievalMAP()(scores.flatten(), relevant.flatten(), indexes=rows.flatten()))

    def calculator() -> float:
        """Of pytorch-metric-learning; k=None asks for as many neighbours as there are items."""
        found = AccuracyCalculator(
            include=("mean_average_precision",), k=None, device=torch.device("cpu")
        ).get_accuracy(*map(torch.from_numpy, (q, asked, d, labels)))
        return float(found["mean_average_precision"])

    return {
        "ours": ours,
        "loops of hashing papers": loops,
        "torchmetrics, of 1 + cosine": metric,
        DROPS: lambda: metric(0.0),
        "pytorch-metric-learning": calculator,
    }


def codes_by(Q: int, N: int, L: int) -> dict[str, Callable[[], float]]:
    """MAP over all items by codes, where nearly everything ties."""
    q, d, ql, dl = labelled_case(Q, N, L)
    q, d = q > 0, d > 0

    def ours() -> float:
        groups = tie_groups.hamming_groups(*tie_groups.hamming_histograms(q, d, ql, dl))
        return float(np.nanmean(average_precision(groups)))

    def loops(order: slice = slice(None)) -> float:
        """CalcMap of DCMH's code: ties as the sort leaves them, so as the database is ordered."""
        signs, labels, total = 2.0 * d[order] - 1, dl[order], 0.0
        for code, asked in zip(2.0 * q - 1, ql, strict=True):
            truth = (asked.astype(np.float32) @ labels.T > 0).astype(np.float32)
            truth = truth[np.argsort(0.5 * (L - code @ signs.T), kind="stable")]
            count = int(truth.sum())
            total += np.mean(np.linspace(1, count, count) / (np.flatnonzero(truth) + 1.0))
        return total / Q

    by_relevance = np.argsort(-dl.sum(1), kind="stable")  # an order that a file may well have
    return {
        "ours, expected over ties": ours,
        "loops, as the file is ordered": loops,
        "loops, items of many labels first": lambda: loops(by_relevance),
    }


def part(title: str, ways: dict[str, Callable[[], float]], same: bool, rounds: int) -> list[str]:
    values = {name: way() for name, way in ways.items()}
    ours = next(iter(values.values()))
    apart = [abs(value - ours) for name, value in values.items() if name != DROPS]
    if same and max(apart) > SAME:
        raise SystemExit(f"{title}: values that should be the same differ: {values}")
    said = {name: f"{value:.6f}" for name, value in values.items()}
    taken = compare(ways, rounds)
    return [title, table(taken, next(iter(ways)), more=said, heading="value")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a part of the work")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    Q, G = (200, 2000) if small else (2000, 5000)
    rounds = 1 if small else 3
    fashioniq = (600, 1500, 64) if small else (6016, 15415, 512)
    whole = recall_by(*fashioniq)
    del whole["torchmetrics"]  # 93 million pairs in one tensor
    parts = [
        *part(
            f"**Recall at {K}, a set of FashionIQ's size**: {fashioniq[0]:,} queries, "
            f"{fashioniq[1]:,} images, {fashioniq[2]} dimensions; one rule.",
            whole,
            True,
            1,
        ),
        *part(
            f"**Recall at {K}**: {Q:,} queries, {G:,} images, 128 dimensions; one rule.",
            recall_by(Q, G, 128),
            True,
            rounds,
        ),
        *part(
            f"**MAP by cosine**: {Q // 10:,} queries, {2 * G:,} items, 64 dimensions, ten classes; "
            "one rule, but that torchmetrics takes what scores below 0 for irrelevant.",
            map_by(Q // 10, 2 * G, 64),
            True,
            rounds,
        ),
        *part(
            f"**MAP of codes**: {Q // 4:,} queries, {4 * G:,} codes of 32 bits, 21 categories. The "
            "rule differs: a sort leaves ties in the order of the database.",
            codes_by(Q // 4, 4 * G, 32),
            False,
            rounds,
        ),
    ]
    publish("Beside other ways to score", parts, "bench_peers.py" + " --small" * small)


if __name__ == "__main__":
    main()
