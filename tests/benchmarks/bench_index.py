"""Recall, speed, size and memory of indexes from 10,000 to 1,000,000 vectors, and what follows.

    python tests/benchmarks/bench_index.py [--small]

Writes a part of docs/performance.md. Galleries are synthetic neighbours of the test pictures of
css/mini as the shipped TIRG + DIM sees them. The full size takes about a quarter of an hour of one
core, and 4 GB of disk.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from side_by_side import peak_mb, publish

import cmir_repro as cmir
from cmir_repro.evaluation.index import build, growth, ivfpq

QUERIES, PROBES, BEYOND = 200, (1, 4, 16, 64), 100_000_000
# Columns of the tables, and how their values are written.
MEASURED = {
    "items": "{:,}", "way": "{}", "code": "{}", "cells": "{:,}", "probe": "{}", "recall": "{:.1f}",
    "queries a second": "{:,.0f}", "bytes": "{:.0f}", "build": "{:.1f}",
}  # fmt: skip
PEAKS = {"pictures": "{:,}", "MiB stated": "{:.0f}", "MiB measured": "{:.0f}"}
BEYONDS = {
    "items": "{:,}", "way": "{}", "code": "{}", "GiB": "{:.1f}", "ms a query": "{:,.2f}",
    "measured": "{}", "hours to build": "{:.1f}", "machines": "{:,}",
}  # fmt: skip


def markdown(table: pd.DataFrame, formats: dict[str, str]) -> str:
    """The columns that have a format, as text."""
    shown = table[[*formats]].astype(object)
    for name, form in formats.items():
        shown[name] = [form.format(value) for value in table[name]]
    right = ["left" if form == "{}" else "right" for form in formats.values()]
    return shown.to_markdown(index=False, disable_numparse=True, colalign=right)


def memory(gallery: Path, folder: Path, D: int, code: int) -> dict[str, object]:
    """MiB that building IVF-PQ takes, by the model and measured."""
    made = {"kind": "ivfpq", "code": code, "memory": 64.0, "progress": False}
    taken = peak_mb(lambda: build.build(gallery, folder, **made))
    N = sum(1 for file in gallery.glob("*.txt") for _ in file.open())
    needed = build.needed("ivfpq", N, D, code, ivfpq.cells_for(N)) / 2**20
    return {"pictures": N, "MiB stated": needed, "MiB measured": taken}


def prediction(
    table: pd.DataFrame, costs: dict[str, float], sizes: list[int], codes: tuple[int, ...], D: int
) -> pd.DataFrame:
    """What the model says of each size, and of those that were measured what was."""
    rows = [
        growth.predicted(costs, size, D, code, PROBES[-1]).assign(code=code)
        for size in sizes
        for code in codes
    ]
    said = pd.concat(rows)
    said.loc[said["way"] == "exact", "code"] = 0
    said = said.drop_duplicates(["items", "way", "code"])
    deep = table[table["probe"].isin((0, PROBES[-1]))].set_index(["items", "way", "code"])
    keys = zip(said["items"], said["way"], said["code"], strict=True)
    took = [1000 * deep["seconds"].get(key, np.nan) for key in keys]
    return said.assign(measured=["" if np.isnan(ms) else f"{ms:.2f}" for ms in took])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="up to 20,000 vectors, seconds")
    small = parser.parse_args().small
    sizes = (10_000, 20_000) if small else (10_000, 100_000, 1_000_000)
    codes = (8, 16) if small else (16, 32)
    shared = cmir.load("css/tirg-dim-mini")
    _, real = shared.experiment().gallery(shared.model)
    generator, D = np.random.default_rng(0), real.shape[1]
    queries = growth.neighbours(real, QUERIES, generator)
    found, peaks = [], []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=cmir.core.paths.home()) as root:
            gallery = growth.write_gallery(real, size, Path(root) / "gallery", generator)
            peaks.append(memory(gallery, Path(root) / "peak", D, codes[-1]))
            found.append(growth.measure(gallery, queries, Path(root), codes, PROBES))
        print(found[-1].to_string(), flush=True)
    table = pd.concat(found, ignore_index=True)
    costs = growth.model(table)
    beyond = prediction(table, costs, [sizes[-1], BEYOND], codes, D)
    parts = [
        f"**Recall of the exact first ten** (percent), queries a second of one core, bytes a "
        f"picture and seconds to build: {QUERIES} queries, {D} dimensions, synthetic neighbours of "
        f"{len(real)} real vectors. *Exact scores* scores a hundred candidates anew by their "
        f"features, {2 * D} bytes a picture more, which here were in the system's cache. Bytes are "
        "those of the index, ids and what was learnt included.",
        markdown(table[table["probe"].isin((0, *PROBES[1:]))], MEASURED),
        "**Memory** beyond the libraries at the peak of building IVF-PQ, mapped files included, "
        "and what `cmir index` holds against its bound.",
        markdown(pd.DataFrame(peaks), PEAKS),
        f"**Beyond**, by costs of a unit of work that fit the table "
        f"(`cmir_repro/evaluation/index/growth.py`), {PROBES[-1]} cells looked into: how many "
        "machines of 64 GiB and 16 cores hold the index in memory and answer 1,000 queries a "
        f"second. A prediction: nothing of {BEYOND:,} was run, features read from a disk take "
        "longer than from the cache, and recall is not predicted: codes of few bytes lose more of "
        "it the larger the gallery.",
        markdown(beyond, BEYONDS),
    ]
    publish("Large galleries", parts, f"bench_index.py{' --small' if small else ''}")


if __name__ == "__main__":
    main()
