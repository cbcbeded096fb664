"""What of a table is a system's own: the shape of such a description."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from cmir_repro.core.protocol import Protocol
from cmir_repro.experiments.ledger import Record
from cmir_repro.report import comparable
from cmir_repro.report import markdown as md

ByMethod = dict[str, list[Record]]
INTERVALS = (
    "Means over seeds have the 95 % t-interval of that mean, on these queries; differences have "
    "95 % intervals over seeds and queries together, with one seed over queries only"
)


class Found(NamedTuple):
    """One setting's records and what is made of them."""

    by_method: ByMethod
    means: pd.DataFrame  # by method, scoring (where there are several) and metric
    gains: pd.DataFrame  # by method: differences from the reference
    dataset: str
    task: str

    def mean(self, *key: str, missing: str = "–") -> str:
        """The cell of a method (and scoring) and metric."""
        return md.mean(self.means.loc[key]) if key in self.means.index else missing

    @property
    def records(self) -> list[Record]:
        """All records, in the order of the rows."""
        return [record for records in self.by_method.values() for record in records]

    def gain(self, method: str) -> str:
        return md.difference(self.gains.loc[method]) if method in self.gains.index else ""


class Column(NamedTuple):
    """A column of a Markdown table, after method and seeds."""

    head: str
    cell: Callable[[str], str]  # method -> what stands there
    chance: str = ""


@dataclass(frozen=True)
class Columns:
    """One system's tables: its metrics, what of a query is compared, and what is shown.

    Attributes:
        methods: the rows of a table, in their order.
        configure: a method's own settings, as in `comparable.finished`.
        reference: the method that others are compared with.
        metric: what they are compared by.
        metrics: record, scoring -> name -> {"value": percent, "chance": percent}.
        asked: columns that a per-query table must have.
        points: per-query table of a run, metric -> what each unit (query, image or pair) brings to
            the metric by id, NaN where the metric leaves it out.
        percent: what a point is worth. Shares of hits become percent after their mean over seeds
            is taken: the bootstrap draws distinct values together, and 100 / 3 + 100 / 3 is
            another last digit, thus another value, than 100 * (1 / 3 + 1 / 3).
        columns: those of the Markdown table.
        below: the sentences below it, but for time and hardware.
        took: what the seconds of the records are of.
        scorings: record -> its scorings; () where a record has one without a name.
        best: records of a method -> the scoring that it is compared by; None likewise.
        names: scorings in words.
        pairs: method -> its reference, where not all have `reference`.
        over: what the compared methods are, where the mean of their differences is of interest.
        has_row: whether a method has a row of its own in the Markdown table.
        finished: dataset, scale, task, methods, origin -> records of each, where
            `comparable.finished` is too strict.
        protocol: of a record, the one that all records of a table share.
        sources: lines at the end.
        untrained: records of a table -> those of rows that were composed without training.
    """

    methods: tuple[str, ...]
    configure: Callable
    reference: str
    metric: str
    metrics: Callable[[Record, str | None], dict]
    asked: tuple[str, ...]
    points: Callable[[pd.DataFrame, str], pd.Series]
    columns: Callable[[Found], list[Column]]
    below: Callable[[Found], str]
    took: str
    percent: float = 1.0
    scorings: Callable[[Record], Collection[str]] = lambda record: ()
    best: Callable[[list[Record]], str | None] = lambda records: None
    names: dict[str, str] = field(default_factory=dict)
    pairs: Callable[[ByMethod], dict[str, str]] | None = None
    over: str = ""
    has_row: Callable[[str], bool] = lambda method: True
    finished: Callable[[str, str, str, Iterable[str], str | None], ByMethod] | None = None
    protocol: Callable[[Record], Protocol | dict] = lambda record: record.result["protocol"]
    sources: Callable[[Found], list[str]] = lambda found: []
    untrained: Callable[[list[Record]], list[Record]] = lambda records: []

    def records(
        self, dataset: str, scale: str, task: str, methods: Iterable[str], origin: str | None = None
    ) -> ByMethod:
        """Comparable records of each method; origin and errors as in `comparable.finished`."""
        if self.finished is not None:
            return self.finished(dataset, scale, task, methods, origin)
        return comparable.finished(dataset, scale, task, methods, self.configure, origin)
