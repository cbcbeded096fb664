"""Does a benchmark need composition? What one input alone already finds, and what is left.

A query of composed retrieval is meant to need its picture and its text. Where a model that sees
only one of them ranks the target within k, the query does not show that a model composes (a
shortcut). The audit counts such queries and looks at a model, and at what a second one gains over
it, on the others. It takes the rank of every query: anybody's files will do.

A rank file is parquet or CSV with the columns `query` (any id) and `rank` (1 is first; an expected
rank over ties need not be whole, and 1.5 is not within 1). A query with several truths may have a
row for each: the best counts. The per-query tables of a ledger (`results/queries`) are such files;
their columns of ties make a hit the expected one, as in recall.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.tables import read_parquet
from cmir_repro.data.readers.files import read_csv
from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.tied_ranks import Ranks
from cmir_repro.evaluation.verdicts import sentence

CUTOFFS = (1, 10)
ALL, SOLVED, COMPOSED = "all", "one input suffices", "need composition"
IMAGE, TEXT, MODEL, OTHER = "image only", "text only", "the model", "the other model"
_PER_RANKING = ("scoring", "direction")  # columns of which a file may hold one value only


class Audit(NamedTuple):
    """What `audit` found.

    Attributes:
        shares: a row a cut-off and input: within, solved_by ("image only", "text only", "either",
            "neither"), percent of the queries, low, high (bootstrap over queries), and one_run:
            what it is when one run of each input is looked at, mean over the runs (solved by
            either of more runs is more, also by chance).
        parts: a row a cut-off, part of the queries (ALL, SOLVED, COMPOSED) and metric: within,
            queries, count, metric, recall, low, high; with a second model also other, other_low,
            other_high, difference (its recall minus the model's), difference_low, difference_high.
            Percent, 95 % intervals over seeds and queries together (queries only with one seed),
            NaN where a part has too few queries.
        seeds: of the model.
    """

    shares: pd.DataFrame
    parts: pd.DataFrame
    seeds: int


def read_ranks(path: Path) -> pd.DataFrame:
    """The best row of every query: index query (str), columns rank (float64) and others there are.

    Raises:
        InputError: the file is missing, damaged or neither parquet nor CSV; it lacks a column or
            rows; it holds several rankings; a rank is no number of at least 1.
    """
    path = Path(path)
    table = _table(path)
    for column in ("query", "rank"):
        if column not in table:
            raise InputError(
                f"{path} has no column {column!r}, only {', '.join(map(str, table.columns))}; "
                "a rank file has query and rank"
            )
    if table.empty:
        raise InputError(f"{path} has no rows")
    for column in _PER_RANKING:
        if column in table and table[column].nunique() > 1:
            raise InputError(
                f"{path} ranks by more than one {column}: "
                f"{', '.join(sorted(table[column].unique()))}; keep the rows of one"
            )
    rank = pd.to_numeric(table["rank"], errors="coerce").astype(np.float64)
    bad = ~(np.isfinite(rank) & (rank >= 1)).to_numpy()
    if bad.any():
        row = table.iloc[int(bad.argmax())]
        raise InputError(
            f"{path}: rank {row['rank']!s} of query {row['query']!s} is no number of at least 1"
        )
    unnamed = table["query"].isna() | (table["query"].astype(str).str.strip() == "")
    table = table.assign(query=table["query"].astype(str), rank=rank)
    if unnamed.any():
        row = int(unnamed.to_numpy().argmax()) + 1
        raise InputError(f"{path}: the query of row {row} is empty; name it")
    table = table.sort_values("rank", kind="stable").drop_duplicates("query").set_index("query")
    table.attrs["file"] = str(path)
    return table


def audit(
    image_only: Sequence[pd.DataFrame],
    text_only: Sequence[pd.DataFrame],
    model: Sequence[pd.DataFrame],
    other: Sequence[pd.DataFrame] | None = None,
    within: Sequence[int] = CUTOFFS,
    seed: int = 0,
) -> Audit:
    """Who needs composition, and what models make of it.

    A query is solved by an input if any of its runs ranks the target within k (where it ties, more
    likely than not); it needs composition if no run of either does. Which queries these are is
    taken as given: intervals of recalls and gains are for other seeds of the models and other
    queries of that kind. Runs that know nothing solve their share by chance.

    Args:
        image_only, text_only: ranks of one run or several, see `read_ranks`.
        model: a run or several, one a seed.
        other: of a second model, the same seeds in the same order.
        within: the k that count as solved, and the cut-offs of recall.
        seed: of the bootstrap.

    Raises:
        InputError: no run of a role, runs that rank other queries, models of other numbers of
            seeds, a bad cut-off.
    """
    runs = {IMAGE: image_only, TEXT: text_only, MODEL: model}
    runs |= {} if other is None else {OTHER: other}
    ranks = _aligned(runs)
    if other is not None and len(model) != len(other):
        raise InputError(
            f"{len(model)} runs of the model and {len(other)} of the other cannot be paired; give "
            "the same seeds of both"
        )
    if not within or min(within) < 1:
        raise InputError(f"cut-offs are ranks of at least 1, got {list(within)}")
    shares, parts = [], []
    for k in within:
        hits = {role: _hits(ranks[role], k) >= 0.5 for role in (IMAGE, TEXT)}  # (runs, Q)
        solved = hits[IMAGE].any(axis=0) | hits[TEXT].any(axis=0)
        shares += [{"within": k, **row} for row in _shares(hits, seed)]
        chosen = {ALL: np.full(len(solved), True), SOLVED: solved, COMPOSED: ~solved}
        for name, queries in chosen.items():
            row = {"within": k, "queries": name, "count": int(queries.sum())}
            parts += [row | _recalls(ranks, queries, m, seed) for m in within]
    return Audit(pd.DataFrame(shares), pd.DataFrame(parts), len(model))


def audit_files(
    image_only: str, text_only: str, model: str, other: str | None = None, seed: int = 0
) -> Audit:
    """`audit` of rank files; of several runs the names, with a comma between.

    Errors as there and in `read_ranks`.
    """
    roles = [image_only, text_only, model, *([] if other is None else [other])]
    return audit(*([read_ranks(Path(n)) for n in names.split(",")] for names in roles), seed=seed)


def as_dict(found: Audit) -> dict:
    """An audit as JSON takes it; what is unknown is None."""
    frames = {"shares": found.shares, "parts": found.parts}
    known = {name: f.astype(object).where(f.notna(), None) for name, f in frames.items()}
    return {"seeds": found.seeds} | {name: f.to_dict("records") for name, f in known.items()}


def text(found: Audit) -> str:
    """An audit as aligned text, with a sentence for what a second model gains."""
    lines = [f"{'solved by':<20}{'within':>8}{'percent':>9}  {'95 % interval':^17}{'one run':>9}"]
    for row in found.shares.itertuples():
        interval = f"{row.low:>7.1f} - {row.high:<7.1f}"
        lines.append(
            f"{row.solved_by:<20}{row.within:>8}{row.percent:>9.1f}  {interval}{row.one_run:>9.1f}"
        )
    both = "other" in found.parts
    heads = f"{'the model':^23}" + (f"{'the other':^23}{'minus the model':^22}" if both else "")
    lines += ["", f"{'queries':<20}{'within':>8}{'count':>8}  {'recall':<6}{heads}".rstrip()]
    for row in found.parts.itertuples():
        cells = f"{_cell(row.recall, row.low, row.high):^23}"
        if both:
            cells += f"{_cell(row.other, row.other_low, row.other_high):^23}"
            gain = row.difference, row.difference_low, row.difference_high
            cells += f"{_cell(*gain, sign='+'):^22}"
        start = f"{row.queries:<20}{row.within:>8}{row.count:>8}"
        lines.append(f"{start}  {row.metric:<6}{cells}".rstrip())
    return "\n".join([*lines, *([""] if both else []), *sentences(found)])


def sentences(found: Audit, model: str = "the model", other: str = "the other model") -> list[str]:
    """What the second model gains where composition is needed and where it is not, in words.

    At each cut-off the recall of the first one; a part too small for an interval has no sentence.
    """
    if "other" not in found.parts:
        return []
    first = found.parts["metric"].iloc[0]
    rows = found.parts[(found.parts["metric"] == first) & found.parts["difference_low"].notna()]
    said = []
    for row in rows[rows["queries"] != ALL].itertuples():
        kind = f"{row.queries} within rank {row.within}" if row.queries == SOLVED else row.queries
        where = f"{row.count:,} queries, {kind}"
        if row.queries == COMPOSED:
            where += f" (neither input alone within rank {row.within})"
        gain = row.difference, row.difference_low, row.difference_high
        crossed = intervals.Crossed(*gain, found.seeds)
        said.append(f"{where}: {first}, {sentence(other, model, crossed)}")
    return said


def _table(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return read_csv(path)
    if path.suffix != ".parquet":
        raise InputError(f"{path} must end in .parquet or .csv")
    return read_parquet(path)


def _aligned(runs: Mapping[str, Sequence[pd.DataFrame]]) -> dict[str, list[Ranks]]:
    """Ranks of each run of each role, the queries in the order of the first run."""
    for role, found in runs.items():
        if not len(found):
            raise InputError(f"no run of {role} was given")
    first, told = runs[IMAGE][0].index, runs[IMAGE][0].attrs.get("file", "image only, run 1")
    for role, found in runs.items():
        for i, run in enumerate(found):
            lacks, more = first.difference(run.index), run.index.difference(first)
            if len(lacks) or len(more):
                raise InputError(
                    f"{run.attrs.get('file', f'{role}, run {i + 1},')} ranks other queries than "
                    f"{told}: "
                    f"{len(lacks)} missing, {len(more)} more, for instance "
                    f"{str([*lacks, *more][0])!r}"
                )
    return {role: [Ranks.of_table(run.loc[first]) for run in found] for role, found in runs.items()}


def _hits(ranks: Sequence[Ranks], k: int) -> np.ndarray:
    """(runs, Q) in [0, 1]."""
    return np.stack([run.hits(k) for run in ranks])


def _shares(hits: Mapping[str, np.ndarray], seed: int) -> list[dict]:
    """How many queries each input solves, and both."""
    image, text_ = hits[IMAGE], hits[TEXT]
    either = image[:, None] | text_[None]  # (image runs, text runs, Q)
    solved = {IMAGE: image, TEXT: text_, "either": either, "neither": ~either}
    rows = []
    for name, found in solved.items():
        by_run = found.reshape(-1, found.shape[-1])
        of_query = by_run.all(axis=0) if name == "neither" else by_run.any(axis=0)
        generator = np.random.default_rng(seed)
        low, high = intervals.bootstrap(100.0 * of_query, generator=generator)
        row = {"solved_by": name, "percent": 100.0 * of_query.mean(), "low": low, "high": high}
        rows.append(row | {"one_run": 100.0 * by_run.mean()})
    return rows


def _recalls(ranks: Mapping[str, Sequence[Ranks]], queries: np.ndarray, k: int, seed: int) -> dict:
    """Recall within k of the models on some of the queries, and the second's gain."""
    both = [role for role in (MODEL, OTHER) if role in ranks]
    hits = {role: 100.0 * _hits(ranks[role], k)[:, queries] for role in both}
    row = {"metric": f"R@{k}"}
    names = ("recall", "low", "high")
    row |= dict(zip(names, np.clip(_interval(hits[MODEL], seed), 0, 100), strict=True))
    if OTHER in hits:
        names = ("other", "other_low", "other_high")
        row |= dict(zip(names, np.clip(_interval(hits[OTHER], seed), 0, 100), strict=True))
        names = ("difference", "difference_low", "difference_high")
        row |= dict(zip(names, _interval(hits[OTHER] - hits[MODEL], seed), strict=True))
    return row


def _interval(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Mean, low and high of (S, Q) values; what too few queries do not tell is NaN."""
    if values.shape[1] < 2:
        return (float(values.mean()) if values.size else np.nan), np.nan, np.nan
    return intervals.over_seeds_and_queries(values, generator=np.random.default_rng(seed))[:3]


def _cell(value: float, low: float, high: float, sign: str = "") -> str:
    if np.isnan(value):
        return "-"
    if np.isnan(low):
        return f"{value:{sign}.1f}"
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
