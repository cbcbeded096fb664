"""Published numbers to set beside ours: published.csv, one row a number with its source.

Columns of the file: system ("dim": set beside our runs; "composed": of others' methods; "aai",
"crcgs"), dataset, task, protocol, method, metric, value
in percent, source, certainty, note (why ours may differ). A method of which no number is known has
one row without metric and value, whose source says why. Certainty is one of CERTAINTIES:
"verified" was read in what its authors published, "secondary" where others ran or quote it.

Average precision of codes has its depth as protocol: "MAP@all" looks at the whole database,
"MAP@queries" at as many places as there are queries. That is far higher, and no row of one may be
compared with a row of the other.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from cmir_repro.core.errors import one_of
from cmir_repro.report import markdown as md

CERTAINTIES = ("verified", "secondary", "from memory, not shown", "unknown")
# Data sets that others have measured on, too; on any other nobody but us has.
BENCHMARKS = ("css", "css-released", "fashion200k", "mitstates", "fashioniq", "cirr")
RECALLS = tuple(f"{side} R@{k}" for side in ("i2t", "t2i") for k in (1, 5, 10))
CODES = tuple(f"{side} {bits}" for side in ("i2t", "t2i") for bits in (16, 32, 64))
DEPTHS = ("all", "queries", "unknown")  # places that average precision looks at
UNKNOWN = "unknown"


@cache
def numbers() -> pd.DataFrame:
    """The rows of published.csv, value float64 (NaN: none known), all other columns str."""
    path = Path(__file__).with_name("published.csv")
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    return rows.assign(value=pd.to_numeric(rows["value"]))


def r1(method: str, dataset: str, task: str) -> str:
    """The published R@1 as words for a table cell; "unknown" where no source was seen."""
    found = _composed(dataset, task, method)
    if len(found):
        return " / ".join(f"{value:.1f}" for value in found["value"])
    return UNKNOWN if dataset in BENCHMARKS else "none: data of our own"


def why(method: str, dataset: str, task: str) -> str:
    """One sentence on why our number may differ from the published one."""
    if dataset not in BENCHMARKS:
        return "Nobody else has measured on these pictures and queries."
    found = _composed(dataset, task, method)
    return found["note"].iloc[0] if len(found) else "No source with its number could be read."


def sources(dataset: str, task: str) -> list[str]:
    """One line a number: method, value and where it was read."""
    lines = []
    for row in _composed(dataset, task).itertuples():
        quoted = "secondary: " if row.certainty == "secondary" else ""
        lines.append(f"{row.method} {row.value:.1f}: {quoted}{row.source}")
    return lines


def recalls(protocol: str) -> pd.DataFrame:
    """Recalls of image <-> sentence retrieval under one preset, in percent.

    Returns:
        Columns method, RECALLS, RSUM (NaN: unknown), source, certainty. RSUM is as published, or
        our sum of the six recalls where the source gives none.

    Raises:
        InputError: nothing was published under `protocol`.
    """
    one_of("protocol", protocol, known("aai"))
    table = _wide(_of("aai", protocol=protocol), (*RECALLS, "RSUM"), ["source", "certainty"])
    total = table[list(RECALLS)].sum(axis=1, skipna=False).round(1)
    return table.assign(RSUM=table["RSUM"].fillna(total))


def codes(dataset: str, depth: str | None = None) -> pd.DataFrame:
    """Mean average precision of codes on one data set, in percent.

    Args:
        depth: one of DEPTHS, only the rows of that; None: all rows.

    Returns:
        Columns method, CODES (NaN: unknown), depth, source, certainty.

    Raises:
        InputError: nothing was published for `dataset`, or an unknown depth.
    """
    one_of("dataset", dataset, known("crcgs"))
    one_of("depth", depth, (None, *DEPTHS))
    found = _of("crcgs", dataset=dataset)
    found = found.assign(depth=found["protocol"].str.removeprefix("MAP@"))
    table = _wide(found, CODES, ["depth", "source", "certainty"])
    return table if depth is None else table[table["depth"] == depth].reset_index(drop=True)


def composed(dataset: str) -> pd.DataFrame:
    """What others report of composed retrieval on one data set, in percent.

    Returns:
        Columns method, protocol (rows of two compare only where it is the same), the metrics
        (NaN: unknown), source, certainty, note.

    Raises:
        InputError: nothing was published for `dataset`.
    """
    one_of("dataset", dataset, known("composed"))
    found, parts = _of("composed", dataset=dataset), []
    metrics = tuple(found["metric"].unique())
    for protocol, rows in found.groupby("protocol", sort=False):
        table = _wide(rows, metrics, ["source", "certainty", "note"])
        table.insert(1, "protocol", protocol)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def two_galleries() -> pd.DataFrame:
    """Models of which the same source prints FashionIQ under both galleries: what a rule is worth.

    Returns:
        A row a model: with VAL's gallery, with the owners', and the difference, in points of the
        mean of R@10 and R@50. Of a rule the survey says the gallery and no more.
    """
    found = _of("composed", dataset="fashioniq").pivot(
        index="method", columns="protocol", values="value"
    )
    both = found.dropna().rename_axis(index="model", columns=None)
    heads = {"fashioniq/val-union": "VAL's gallery", "fashioniq/original": "owners' gallery"}
    both = both[list(heads)].rename(columns=heads)
    both["difference"] = both.iloc[:, 0] - both.iloc[:, 1]
    return both.sort_values("difference", ascending=False)


def known(system: str) -> list[str]:
    """What `recalls` ("aai": protocols), `codes` ("crcgs": data sets) or `composed` ("composed":
    data sets) has numbers of.
    """
    column = {"aai": "protocol", "crcgs": "dataset", "composed": "dataset"}[system]
    return list(_of(system)[column].unique())


def markdown(table: pd.DataFrame, decimals: int) -> str:
    """`recalls`, `codes` or `composed` as Markdown; what is not known is "unknown"."""
    cells = []
    for row in table.to_dict("records"):
        missing = "not shown" if row["certainty"] == "from memory, not shown" else UNKNOWN
        cells.append(
            [
                x if isinstance(x, str) else missing if pd.isna(x) else f"{x:.{decimals}f}"
                for x in row.values()
            ]
        )
    return "\n".join(md.table(list(table.columns), cells))


def _of(system: str, **wanted: str) -> pd.DataFrame:
    found = numbers()
    for column, value in {"system": system, **wanted}.items():
        found = found[found[column] == value]
    return found


def _composed(dataset: str, task: str, method: str | None = None) -> pd.DataFrame:
    """Rows of a task of CSS, whichever rendering of it, and of one method of it."""
    if not dataset.startswith("css"):
        return numbers().iloc[:0]
    return _of("dim", dataset="css", task=task, **({"method": method} if method else {}))


def _wide(found: pd.DataFrame, metrics: tuple[str, ...], words: list[str]) -> pd.DataFrame:
    """One row a method in the order of the file: method, metrics, then columns of words."""
    methods = found.drop_duplicates("method").set_index("method")
    values = found[found["metric"] != ""].pivot(index="method", columns="metric", values="value")
    values = values.reindex(index=methods.index, columns=list(metrics))
    return values.join(methods[words]).reset_index()
