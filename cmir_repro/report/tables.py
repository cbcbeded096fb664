"""Tables made from the ledger; README and notebook 04 show these and nothing typed by hand."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_text
from cmir_repro.evaluation import intervals
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.dim import FUSIONS, METHODS, UNIMODAL, WITH_DIM, configure
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.report import (
    aai_tables,
    comparable,
    crcgs_tables,
    published,
    published_hashing,
    published_image_sentence,
)

CUTOFFS = (1, 5, 10)
REFERENCE = "TIRG"
# What README shows: marker -> data set, scale and task.
README_TABLES = {
    "css-mini-3d-3d": ("css", "mini", "3d-3d"),
    "css-mini-2d-3d": ("css", "mini", "2d-3d"),
    "photos-mini": ("photos", "mini", "photo"),
    "css-paper-3d-3d": ("css", "paper", "3d-3d"),
    "css-paper-2d-3d": ("css", "paper", "2d-3d"),
}

# Image <-> sentence tables: marker -> data set, scale and task; and what others have published.
AAI_TABLES = {
    "aai-css-mini-3d": ("css", "mini", "3d"),
    "aai-photo-names-mini": ("photo-names", "mini", "photo"),
    "aai-coco-pictures-mini": ("coco-pictures", "mini", "photo"),
    "aai-css-paper-3d": ("css", "paper", "3d"),
}
# Label-based tables, likewise.
CRCGS_TABLES = {
    "crcgs-css-mini": ("css", "mini", "3d-colour-shape"),
    "crcgs-wikipedia-mini": ("wikipedia", "mini", "labels"),
    "crcgs-photos-tags-mini": ("photos-tags", "mini", "labels"),
    "crcgs-css-paper": ("css", "paper", "3d-colour-shape"),
}
PUBLISHED_TABLES = {
    "published-flickr30k": "flickr30k-1k",
    "published-coco-1k": "coco-1k-5fold",
    "published-coco-5k": "coco-5k",
}
PUBLISHED_HASHING = {
    "published-mirflickr": "mirflickr",
    "published-nuswide": "nuswide",
    "published-coco-hashing": "coco",
}
# Every table that README.md has a place for.
MARKERS = (
    "overview",
    *README_TABLES,
    *AAI_TABLES,
    *PUBLISHED_TABLES,
    *CRCGS_TABLES,
    *PUBLISHED_HASHING,
)


def finished(
    dataset: str, scale: str, task: str, methods: Iterable[str] = METHODS
) -> dict[str, list[ledger.Record]]:
    """Comparable records of each method, by seed; see `comparable.finished`."""
    return comparable.finished(dataset, scale, task, methods, configure)


def recall_table(by_method: dict[str, list[ledger.Record]]) -> pd.DataFrame:
    """Mean over seeds and its 95 % t-interval: one row a method and cut-off.

    Columns: method, metric, mean, low, high (None with one seed), seeds, chance.

    Raises:
        InputError: there is no record.
    """
    if not by_method:
        raise InputError(
            "no run of this setting is in the ledger; run notebooks 02 and 03 with the same "
            "dataset, task and scale, or cmir grid"
        )
    rows = []
    for method, records in by_method.items():
        for k in CUTOFFS:
            metric = [r.result["metrics"][f"R@{k}"] for r in records]
            mean = intervals.over_seeds(np.array([m["value"] for m in metric]))
            rows.append(
                {
                    "method": method,
                    "metric": f"R@{k}",
                    "mean": mean.mean,
                    "low": mean.low,
                    "high": mean.high,
                    "seeds": mean.n,
                    "chance": metric[0]["chance"],
                }
            )
    return pd.DataFrame(rows)


def query_intervals(records: dict[str, ledger.Record]) -> pd.DataFrame:
    """Recall of single runs with the bootstrap interval over queries that each record holds.

    Columns as in `recall_table`, without seeds.
    """
    rows = [
        {
            "method": method,
            "metric": f"R@{k}",
            "mean": metric["value"],
            **{name: metric[name] for name in ("low", "high", "chance")},
        }
        for method, record in records.items()
        for k in CUTOFFS
        for metric in [record.result["metrics"][f"R@{k}"]]
    ]
    return pd.DataFrame(rows)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """A long table of recalls as methods x metrics, cells "mean [low, high]", chance last."""
    cells = table.assign(cell=[_with_interval(row) for _, row in table.iterrows()])
    out = cells.pivot(index="method", columns="metric", values="cell")
    out = out.loc[table["method"].unique(), table["metric"].unique()]
    chance = table.groupby("metric")["chance"].first()
    out.loc["(chance)"] = [f"{chance[metric]:.1f}" for metric in out.columns]
    return out.rename_axis(columns=None)


def against(
    by_method: dict[str, list[ledger.Record]], reference: str | dict[str, str] = REFERENCE
) -> pd.DataFrame:
    """Methods minus a reference in R@1 points: paired bootstrap over queries.

    A query's score is its share of hits over the seeds that both methods have.

    Args:
        reference: the method that all others are compared with, or method -> its reference.

    Returns:
        Columns method, minus, difference, low, high, p, seeds; no rows where a reference lacks.
    """
    if isinstance(reference, str):
        reference = {method: reference for method in by_method if method != reference}
    rows = []
    for method, other in reference.items():
        if method not in by_method or other not in by_method:
            continue
        seeds = {r.seed for r in by_method[method]} & {r.seed for r in by_method[other]}
        if not seeds:
            continue
        ids, ours = _hits(by_method[method], seeds)
        other_ids, theirs = _hits(by_method[other], seeds)
        found = intervals.paired_bootstrap(
            ours, theirs, generator=np.random.default_rng(0), ids_a=ids, ids_b=other_ids
        )
        rows.append(
            {
                "method": method,
                "minus": other,
                "difference": found.difference,
                "low": found.low,
                "high": found.high,
                "p": found.p,
                "seeds": len(seeds),
            }
        )
    return pd.DataFrame(rows)


def with_and_without(by_method: dict[str, list[ledger.Record]]) -> dict[str, str]:
    """Each method with DIM -> the same without, for `against`."""
    return {
        method: method.removesuffix(WITH_DIM) for method in by_method if method.endswith(WITH_DIM)
    }


def markdown(by_method: dict[str, list[ledger.Record]], dataset: str, task: str) -> str:
    """The methods of one setting as a Markdown table with everything needed to judge it."""
    if not by_method:
        return "No run of this setting is in the ledger yet."
    recall = recall_table(by_method).set_index(["method", "metric"])
    gained = against(by_method, with_and_without(by_method))
    gained = gained.set_index("method") if len(gained) else gained
    lines = [
        "| method | seeds | R@1 | R@5 | R@10 | R@1 with DIM | DIM minus without | published R@1 "
        "| why they may differ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for method, records in by_method.items():
        if method.endswith(WITH_DIM):
            continue
        cells = [_with_interval(recall.loc[(method, f"R@{k}")]) for k in CUTOFFS]
        dim, gain = method + WITH_DIM, ""
        if dim in by_method:
            seeds = len(by_method[dim])
            note = "" if seeds == len(records) else f" ({seeds} seeds)"
            gain = _difference(gained.loc[dim]) if dim in gained.index else ""
            dim = _with_interval(recall.loc[(dim, "R@1")]) + note
        else:
            dim = ""
        lines.append(
            f"| {method} | {len(records)} | {' | '.join(cells)} | {dim} | {gain} "
            f"| {published.r1(method, dataset, task)} | {published.why(method, dataset, task)} |"
        )
    first = next(iter(by_method.values()))[0]
    chance = " | ".join(f"{recall.loc[(first.method, f'R@{k}'), 'chance']:.2f}" for k in CUTOFFS)
    lines.append(f"| *chance* | | {chance} | | | | |")
    every = [r for records in by_method.values() for r in records]
    seconds = [r.seconds for r in every]
    lines += [
        "",
        f"{first.result['queries']:,} queries, gallery of {first.result['gallery']:,}; protocol "
        f"`{first.result['protocol']['name']}`; pictures: {first.data['kind']}; selection: "
        f"{first.selection}. Mean over seeds with the 95 % t-interval of that mean; the difference "
        "is a paired bootstrap over queries (the seeds are not resampled: it speaks of these "
        f"runs). A run took {min(seconds):.0f} to {max(seconds):.0f} s. Hardware: "
        + "; ".join(sorted({comparable.machine(r) for r in every}))
        + ".",
        *comparable.remarks(by_method, configure),
    ]
    notes = published.sources(dataset, task)
    if notes:
        lines += ["", "Published, on the released pictures: " + "; ".join(notes) + "."]
    return "\n".join(lines)


def overview() -> str:
    """Methods x data sets x protocols as a Markdown table: what runs, and how often it has."""
    head = ["method", *(f"{c.title}<br>`{c.protocol}`" for c in COLUMNS)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    found = {c: finished(c.dataset, "mini", c.task) for c in COLUMNS}
    for method, compositor in (UNIMODAL | FUSIONS).items():
        cells = [_seeds(method, compositor, column, found[column]) for column in COLUMNS]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


class Column(NamedTuple):
    """A data set, or one task of it, in the overview."""

    title: str
    dataset: str
    task: str
    protocol: str
    one_attribute: bool = False  # texts are one attribute


COLUMNS = (
    Column("CSS 3D", "css", "3d-3d", "tirg/css"),
    Column("CSS 2D-3D", "css", "2d-3d", "tirg/css"),
    Column("photos", "photos", "photo", "own/same-caption"),
    Column("Fashion200k", "fashion200k", "photo", "tirg/fashion200k"),
    Column("MIT-States", "mitstates", "photo", "tirg/mitstates", one_attribute=True),
    # What a run is scored by; features of any origin, and runs too, under all others of these
    # data sets: see captioned and official_scores.
    Column("FashionIQ", "fashioniq", "photo", "fashioniq/val-all"),
    Column("CIRR", "cirr", "photo", "cirr/val-all"),
)


def _seeds(method: str, compositor: str, column: Column, found: dict) -> str:
    if COMPOSITORS[compositor].one_attribute and not column.one_attribute:
        return "–"
    with_dim = found.get(method + WITH_DIM, [])
    if not found.get(method) and not with_dim:
        return "trains"
    counts = [len(found.get(method, [])), *([len(with_dim)] if method in FUSIONS else [])]
    return " + ".join(map(str, counts))


def filled(text: str) -> str:
    """A README with each marked table replaced by what the ledger says.

    Raises:
        InputError: a marker is missing.
    """
    for name in MARKERS:
        start, stop = f"<!-- table: {name} -->", "<!-- end of table -->"
        head, found, rest = text.partition(start)
        _, closed, tail = rest.partition(stop)
        if not found or not closed:
            raise InputError(f"README.md lacks the markers {start} ... {stop}")
        text = f"{head}{start}\n{_table(name)}\n{stop}{tail}"
    return text


def _table(marker: str) -> str:
    if marker == "overview":
        return overview()
    if marker in AAI_TABLES:
        return aai_tables.markdown(*AAI_TABLES[marker])
    if marker in CRCGS_TABLES:
        return crcgs_tables.markdown(*CRCGS_TABLES[marker])
    if marker in PUBLISHED_HASHING:
        return published_hashing.markdown(PUBLISHED_HASHING[marker])
    if marker in PUBLISHED_TABLES:
        return published_image_sentence.markdown(PUBLISHED_TABLES[marker])
    dataset, scale, task = README_TABLES[marker]
    return markdown(finished(dataset, scale, task), dataset, task)


def write() -> Path:
    """Write the tables into README.md; for maintainers.

    Raises:
        InputError: unusable records, or no README.md to write to.
    """
    readme = _readme()
    write_text(readme, filled(readme.read_text(encoding="utf-8")))
    return readme


def agree() -> bool:
    """Whether README.md shows what the ledger says; errors as in `write`."""
    text = _readme().read_text(encoding="utf-8")
    return filled(text) == text


def _readme() -> Path:
    checkout = paths.checkout()
    if checkout is None:
        raise InputError("there is no README.md here; type this in a clone of the repository")
    return checkout / "README.md"


def _hits(records: list[ledger.Record], seeds: set[int]) -> tuple[np.ndarray, np.ndarray]:
    ids, hits = None, []
    for record in records:
        if record.seed in seeds:
            found = ledger.queries(record.run, record.origin)
            these = found["query"].to_numpy(dtype=str)
            if ids is not None and not np.array_equal(ids, these):
                raise InputError(f"{record.run} ranks other queries than the same method's others")
            ids = these
            hits.append(found["rank"].to_numpy() <= 1)
    return ids, 100 * np.mean(hits, axis=0)


def _with_interval(row: pd.Series) -> str:
    if pd.isna(row["low"]):
        return f"{row['mean']:.1f}"
    return f"{row['mean']:.1f} [{max(row['low'], 0):.1f}, {min(row['high'], 100):.1f}]"


def _difference(row: pd.Series) -> str:
    return f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
