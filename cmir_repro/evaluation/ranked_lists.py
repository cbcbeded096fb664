"""Ranked lists in files: TREC runs and judgements, parquet, and the JSON of benchmarks' servers.

A TREC run has lines "query Q0 item rank score tag", judgements "query 0 item grade"; blanks stand
between fields. Parquet has the columns query, item and, optionally, score, rows best first. JSON is
an object of query -> list of items, best first; the keys version and metric are CIRR's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic, write_text
from cmir_repro.data.readers.files import lines, read_json
from cmir_repro.evaluation.tie_groups import Groups

SUFFIXES = (".json", ".parquet", ".trec", ".run", ".txt", ".gz")
WRITTEN = (".parquet", ".trec", ".run", ".txt")
HEADER = ("version", "metric")  # of CIRR's files


@dataclass(frozen=True)
class RankedList:
    """The best items for one query, best first; equal scores tie, without scores nothing does."""

    items: np.ndarray  # (L,) str
    scores: np.ndarray | None = None  # (L,) number, higher is better

    def checked(self, query: str, there: set[str], dropped: str) -> "RankedList":
        """By falling score, without the item that is left out; errors as in `of_lists`."""
        names = self.items.tolist()
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise InputError(f"the ranked list of query {query!r} holds {twice!r} twice")
        unknown = [name for name in names if name not in there]
        if unknown:
            raise InputError(
                f"the ranked list of query {query!r} holds {unknown[0]!r}, which is not in its "
                "gallery"
            )
        scores = self.scores
        order = np.arange(len(names)) if scores is None else np.argsort(-scores, kind="stable")
        order = order[self.items[order] != dropped]
        return RankedList(self.items[order], None if scores is None else scores[order])

    def groups(self, mask: np.ndarray) -> Groups:
        """The groups with an item of a kind, (L,) bool, of one query."""
        L = len(self.items)
        begins = np.ones(L, bool)
        if self.scores is not None:
            begins[1:] = np.diff(self.scores) != 0
        first = np.flatnonzero(begins)
        items = np.diff(first, append=L)
        relevant = np.add.reduceat(mask.astype(np.int64), first) if L else np.zeros(0, np.int64)
        groups = Groups(
            np.zeros(len(first), np.int64), items, relevant, first, np.cumsum(relevant) - relevant,
            1, L,
        )  # fmt: skip
        return groups.only(relevant > 0)


def read(path: Path) -> dict[str, RankedList]:
    """Query id -> its list, of any of the formats; the suffix says which.

    Raises:
        InputError: the file is missing, damaged or of another format.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} must end in {', '.join(SUFFIXES)}")
    if path.suffix == ".json":
        return _of_json(path)
    table = _of_parquet(path) if path.suffix == ".parquet" else _of_trec(path)
    if table.empty:
        raise InputError(f"{path} holds no ranked list")
    scored = "score" in table
    return {
        str(query): RankedList(
            part["item"].to_numpy(str), part["score"].to_numpy(np.float64) if scored else None
        )
        for query, part in table.groupby("query", sort=False)
    }


def check_name(path: Path) -> None:
    """Refuse a name under which no list is written."""
    if path.suffix not in WRITTEN:
        raise InputError(f"{path} must end in {', '.join(WRITTEN)}")


def write(path: Path, lists: Mapping[str, RankedList], tag: str = "cmir") -> None:
    """Write lists as parquet or, by the suffix, as a TREC run.

    Raises:
        InputError: another suffix, or an id has a blank in it, which a TREC run cannot hold.
    """
    path = Path(path)
    check_name(path)
    if path.suffix == ".parquet":
        rows = [(q, found.items, _scores(found)) for q, found in lists.items()]
        table = pd.DataFrame({
            "query": np.repeat([q for q, *_ in rows], [len(items) for _, items, _ in rows]),
            "item": np.concatenate([items for _, items, _ in rows]),
            "score": np.concatenate([scores for *_, scores in rows]),
        })  # fmt: skip
        with atomic(path) as temporary:
            table.to_parquet(temporary, index=False)
        return
    text = []
    for query, found in lists.items():
        scores = _scores(found)
        for rank, (item, score) in enumerate(zip(found.items.tolist(), scores, strict=True), 1):
            _no_blank(path, query, item)
            text.append(f"{query} Q0 {item} {rank} {score:.9g} {tag}\n")
    write_text(path, "".join(text))


def read_judgements(path: Path) -> dict[str, np.ndarray]:
    """Query -> the names of its right items, (r,) str, from TREC's judgements; grade 1 or more.

    Raises:
        InputError: the file is missing, a line is of another format, or nothing is right.
    """
    found: dict[str, dict[str, None]] = {}
    for number, fields in _fields(Path(path), 4):
        try:
            right = float(fields[3]) >= 1
        except ValueError:
            raise InputError(f"{path}, line {number}: {fields[3]!r} is no grade") from None
        found.setdefault(fields[0], {})
        if right:
            found[fields[0]][fields[2]] = None
    answers = {query: np.array(list(items), str) for query, items in found.items() if items}
    if not answers:
        raise InputError(f"{path} judges nothing as right")
    return answers


def write_judgements(path: Path, answers: Mapping[str, np.ndarray]) -> None:
    """Write the right items of each query as TREC's judgements."""
    text = []
    for query, items in answers.items():
        for item in items.tolist():
            _no_blank(path, query, item)
            text.append(f"{query} 0 {item} 1\n")
    write_text(path, "".join(text))


def _scores(found: RankedList) -> np.ndarray:
    """Given scores, or such as keep the order."""
    n = len(found.items)
    return np.arange(n, 0, -1.0) if found.scores is None else np.asarray(found.scores, np.float64)


def _of_json(path: Path) -> dict[str, RankedList]:
    found, value = {}, read_json(path, dict)
    if twice := _twice(path):
        raise InputError(f"{path}: query {twice!r:.80} occurs twice; leave one of its lists out")
    for query, items in value.items():
        if query in HEADER:
            continue
        plain = isinstance(items, list) and all(type(item) in (int, str) for item in items)
        if not plain:
            raise InputError(f"{path}, query {query!r}: must be a list of ids, got {items!r:.40}")
        found[query] = RankedList(np.array([str(item) for item in items], str))
    return found


def _twice(path: Path) -> str | None:
    """A key that the object in a JSON file has twice, which parsers pass over; it was parsed."""
    found: list[str] = []

    def counted(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        found.extend(key for key, _ in pairs if key in seen or seen.add(key))

    json.loads(path.read_bytes(), object_pairs_hook=counted)
    return found[0] if found else None


def _of_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).split("\n")[0][:80]
        raise InputError(f"{path} is missing or no readable parquet ({reason})") from error
    if lacking := [name for name in ("query", "item") if name not in table]:
        has = ", ".join(map(str, table.columns))
        raise InputError(f"{path} has no column {' and no '.join(lacking)} (it has {has:.80})")
    for name in ("query", "item"):
        kind, empty = table[name].dtype, np.flatnonzero(table[name].isna())
        if len(empty):
            raise InputError(f"{path}: the {name} of row {empty[0] + 1} is empty; name every row's")
        if kind.kind == "f":
            raise InputError(f"{path}: the column {name} is {kind}; ids are text or whole numbers")
    table = table.astype({"query": str, "item": str})
    if "score" in table:
        table["score"] = _numbers(path, table["score"])
    return table


def _of_trec(path: Path) -> pd.DataFrame:
    rows = [(fields[0], fields[2], fields[4]) for _, fields in _fields(path, 6)]
    table = pd.DataFrame(rows, columns=["query", "item", "score"])
    table["score"] = _numbers(path, table["score"])
    return table


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    found = pd.to_numeric(column, errors="coerce")
    bad = np.flatnonzero(~np.isfinite(found.to_numpy(np.float64)))
    if len(bad):
        value = str(column.iloc[bad[0]])
        raise InputError(f"{path}: the score of row {bad[0] + 1} is {value!r:.40}; give a number")
    return found.astype(np.float64)


def _fields(path: Path, count: int):
    for number, line in enumerate(lines(path), start=1):
        if not line:
            continue
        fields = line.split()
        if len(fields) != count:
            raise InputError(
                f"{path}, line {number}: has {len(fields)} fields, TREC's format has {count}"
            )
        yield number, fields


def _no_blank(path: Path, *names: str) -> None:
    for name in names:
        if len(name.split()) != 1:
            raise InputError(
                f"{path}: {name!r} has a blank, which TREC's format cannot hold; write .parquet"
            )
