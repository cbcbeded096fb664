"""How recall, speed and size of an index go with the gallery, and what that predicts beyond it.

Galleries of any size are made of real features: synthetic neighbours, which keep their directions
of variation. What is counted is time of the processor, one thread.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic, write_text
from cmir_repro.evaluation.index import build, ivfpq, search
from cmir_repro.evaluation.recall import unit_rows

SHARD = 2**17  # rows of a file
HOLD = 39 * 10 * 2  # products of vector and centroid that a vector's training takes, k-means of 10


def neighbours(features: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Synthetic neighbours of real features: a + t (b - c) of three rows, t uniform in [0.2, 0.8].

    The difference of two real rows varies in the directions in which features do; our choice.

    Args:
        features: (n, D) number.

    Returns:
        (count, D) float32 of length 1.
    """
    real = unit_rows(features, "real")
    a, b, c = (real[generator.integers(len(real), size=count)] for _ in range(3))
    return unit_rows(a + generator.uniform(0.2, 0.8, (count, 1)) * (b - c), "synthetic")


def write_gallery(
    features: np.ndarray, count: int, folder: Path, generator: np.random.Generator
) -> Path:
    """Write `count` synthetic neighbours as float16 shards; the folder."""
    number = -(-count // SHARD)
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(number):
        rows = range(shard * SHARD, min((shard + 1) * SHARD, count))
        path = folder / f"part-{shard:05d}-of-{number:05d}.npy"
        write_text(path.with_suffix(".txt"), "".join(f"p{row}\n" for row in rows))
        with atomic(path) as temporary:
            np.save(temporary, neighbours(features, len(rows), generator).astype(np.float16))
    return folder


def measure(
    gallery: Path,
    queries: np.ndarray,
    folder: Path,
    codes: Sequence[int],
    probes: Sequence[int],
    depth: int = 10,
) -> pd.DataFrame:
    """Build an exact index and one of IVF-PQ for each length of code, and ask all of them.

    Args:
        gallery: features in shards.
        queries: (Q, D).
        folder: for the indexes.
        codes: bytes of a code.
        probes: cells that are looked into, those above the number of cells left out.
        depth: whose share of the exact first items is the recall.

    Returns:
        A row for each index and way to ask it: way, items, dimension, code, cells, probe,
        rerank (bool), recall in percent, queries a second, seconds a query, bytes an item, and
        train and encode, seconds of the whole index. Time is of the processor.
    """
    rows, wanted = [], None
    for code in (0, *codes):
        kind = "ivfpq" if code else "exact"
        place = folder / f"{kind}-{code}"
        started = time.process_time()
        options = {"kind": kind, "code": code or 1, "memory": 64.0, "progress": False}
        card = build.build(gallery, place, **options)
        seconds = time.process_time() - started
        size = sum(file.bytes for file in card.files.values()) / card.count
        facts = {
            "items": card.count, "dimension": card.dimension, "code": card.code,
            "cells": card.cells, "bytes": size, "build": seconds,
        }  # fmt: skip
        for rerank in (False, True) if code else (False,):
            asked = search.Index(place, gallery if rerank else None)
            for probe in [p for p in probes if p <= card.cells] if code else [None]:
                found, taken = _timed(asked, queries, depth, probe)
                wanted = found if wanted is None else wanted
                rows.append(facts | {
                    "way": f"IVF-PQ{', exact scores' if rerank else ''}" if code else "exact",
                    "probe": probe or 0, "rerank": rerank, "seconds": taken,
                    "recall": overlap(found, wanted), "queries a second": 1 / taken,
                })  # fmt: skip
    return pd.DataFrame(rows)


def overlap(found: np.ndarray, wanted: np.ndarray) -> float:
    """Percent of the rows wanted, (Q, k), that are among those found, (Q, k)."""
    pairs = zip(found, wanted, strict=True)
    return 100 * float(np.mean([np.isin(b, a).mean() for a, b in pairs]))


def model(table: pd.DataFrame) -> dict[str, float]:
    """What a unit of work costs in seconds, from a table of `measure` over several sizes.

    exact: a number of a vector in the gallery. IVF-PQ, a query: `query` whatever the gallery,
    `coarse` a number of a centroid, `scan` a byte of a code that is looked at. Building: `assign`
    a number of a centroid that a vector is compared with, in training and in encoding.
    Least squares of relative errors, no cost below zero.

    Raises:
        InputError: fewer than two sizes.
    """
    from scipy.optimize import nnls

    if table["items"].nunique() < 2:
        raise InputError("growth is seen from two sizes of the gallery on")

    def fit(rows: pd.DataFrame, works: list[pd.Series], seconds: str) -> np.ndarray:
        y = rows[seconds].to_numpy()
        A = np.stack([np.asarray(work, float) / y for work in works], axis=1)
        scale = A.max(axis=0)
        return nnls(A / scale, np.ones(len(y)))[0] / scale

    exact = table[table["way"] == "exact"]
    near = table[table["way"] == "IVF-PQ"]
    (item,) = fit(exact, [exact["items"] * exact["dimension"]], "seconds")
    scanned = near["items"] * near["probe"] / near["cells"] * near["code"]
    works = [pd.Series(1.0, near.index), near["cells"] * near["dimension"], scanned]
    query, coarse, scan = fit(near, works, "seconds")
    once = near.drop_duplicates(["items", "code"])
    compared = once["cells"] * once["dimension"] * (once["items"] + HOLD * once["cells"])
    start, assign = fit(once, [pd.Series(1.0, once.index), compared], "build")
    both = table[table["rerank"]].merge(near, on=["items", "code", "probe"], suffixes=("", " bare"))
    scores = max(0.0, float((both["seconds"] - both["seconds bare"]).median()))
    return {
        "exact": item, "query": query, "coarse": coarse, "scan": scan, "scores": scores,
        "start": start, "assign": assign,
    }  # fmt: skip


def predicted(
    costs: dict[str, float],
    items: int,
    dimension: int,
    code: int,
    probe: int,
    memory: float = 64.0,
    cores: int = 16,
    load: float = 1000.0,
) -> pd.DataFrame:
    """What a gallery would take by `model`, exact and IVF-PQ: a row each.

    A machine holds what its memory takes and answers what its cores do; each holds a part of the
    gallery or a copy of it, whichever needs more machines. Ids are 16 bytes an item.

    Args:
        probe: cells that are looked into.
        memory: GiB of a machine. cores: of it. load: queries a second that are asked.
    """
    cells = ivfpq.cells_for(items)
    compared = cells * dimension * (items + HOLD * cells)
    scanned = items * probe / cells * code
    near = costs["query"] + costs["coarse"] * cells * dimension + costs["scan"] * scanned
    made = costs["start"] + costs["assign"] * compared
    rows = {  # bytes an item, seconds a query, seconds to build
        "exact": (4 * dimension + 16, costs["exact"] * items * dimension, 0.0),
        "IVF-PQ, exact scores": (code + 8 + 16, near + costs["scores"], made),
    }
    table = []
    for way, (each, seconds, made) in rows.items():
        gib = each * items / 2**30
        machines = max(np.ceil(gib / memory), np.ceil(load * seconds / cores))
        table.append({
            "way": way, "items": items, "GiB": gib, "ms a query": 1000 * seconds,
            "hours to build": made / 3600, "machines": int(machines),
        })  # fmt: skip
    return pd.DataFrame(table)


def _timed(asked, queries: np.ndarray, depth: int, probe: int | None) -> tuple[np.ndarray, float]:
    """What is found, and seconds a query, the better of two rounds: the first maps files."""
    found, taken = None, []
    for _ in range(2):
        started = time.process_time()
        found, _ = asked.search(queries, depth, probe)
        taken.append((time.process_time() - started) / len(queries))
    return found, min(taken)
