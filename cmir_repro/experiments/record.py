"""What a record of the ledger holds: its schema, which a file is held to when it is read.

Parts are dicts with known keys, not objects, so that a record is what its JSON shows.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, NotRequired, Self

from pydantic import AllowInfNan, ConfigDict, Field, JsonValue, model_validator
from typing_extensions import TypedDict

from cmir_repro.core.config import Config

# Where a record was read.
OWN, COMMITTED = ORIGINS = ("own", "committed")

LogRow = dict[str, float]
Number = Annotated[float, AllowInfNan(False)]
Count = Annotated[int, Field(ge=0)]
SHOWN = (1, 5, 10)  # cut-offs of recall in the tables
FORBID = ConfigDict(extra="forbid")


class Metric(TypedDict):
    """Percent, or ranks in places; chance is None where there is no closed form."""

    __pydantic_config__ = FORBID
    value: Number
    low: Number
    high: Number
    chance: Number | None


Metrics = dict[str, Metric]
# Of image and sentence, and of labels.
Scoring = Annotated[str, Field(pattern=r"^(itc|itm|itc\+itm|cosine|hamming-\d{1,5})$")]


class Radius(TypedDict):
    """Percent within each Hamming distance; None: nothing lies within."""

    __pydantic_config__ = FORBID
    precision: list[Number | None]
    recall: list[Number | None]


class Curve(TypedDict):
    """Precision in percent at even steps of recall."""

    __pydantic_config__ = FORBID
    precision: list[Number]
    radius: NotRequired[Radius]


class Interval(TypedDict):
    """How low and high of the metrics were made."""

    __pydantic_config__ = FORBID
    method: str
    level: Number
    resamples: Count
    seed: Count


class Result(TypedDict):
    """The summary of the scores; what `evaluation` says of images, sentences or labels.

    Of a search the validation figures of its best and its last step, and nothing else.
    """

    __pydantic_config__ = FORBID
    validation: NotRequired[dict[str, JsonValue]]
    protocol: NotRequired[dict[str, str | bool | int | Number | list[str | int] | None]]
    queries: NotRequired[Count]
    gallery: NotRequired[Count]
    metrics: NotRequired[Metrics]
    interval: NotRequired[Interval]
    gap: NotRequired[dict[str, dict[str, JsonValue]]]
    also: NotRequired[dict[str, Metrics]]  # of composed retrieval: other labels are relevant
    # Of images and sentences, and of labels.
    by_scoring: NotRequired[dict[Scoring, Metrics]]
    scoring: NotRequired[str]
    images: NotRequired[Count]
    sentences: NotRequired[Count]
    without_relevant: NotRequired[Count]
    depths: NotRequired[dict[str, Count]]
    curves: NotRequired[dict[str, dict[str, Curve]]]
    beyond: NotRequired[list[Count]]


class Data(TypedDict):
    """What was trained on: digests, and the kind of provenance."""

    __pydantic_config__ = FORBID
    manifest: str
    tables: str
    kind: str
    weights: NotRequired[str]
    image_features: NotRequired[str]
    text_features: NotRequired[str]


class Code(TypedDict):
    """Which code ran, for information; what decides is `Record.versions`.

    dirty: whether package or data scripts differed from the commit. sources, lock, own: digests;
    in records of older versions of the sources that decided.
    """

    __pydantic_config__ = FORBID
    version: NotRequired[str]
    commit: NotRequired[str]
    dirty: NotRequired[bool | Literal["unknown"]]
    sources: NotRequired[str]
    lock: NotRequired[str]
    own: NotRequired[str]


MACHINE = ("cpu", "cores", "gpu")  # what is known of every run's


class Hardware(TypedDict, total=False):
    """Which machine ran it; empty of features."""

    __pydantic_config__ = FORBID
    cpu: str
    cores: Count | None
    gpu: str | None
    processes: Count  # that trained it together, where there were several


class Record(Config):
    """One run, or features of any model that were scored as one; see `kind`.

    Percentages, ranks in places, seconds, GB; what is unknown is None or empty: of features all
    that is about training.
    """

    run: str
    dataset: str
    scale: str
    task: str
    method: str
    seed: Count
    config: dict[str, JsonValue]
    selection: str
    data: Data
    code: Code
    # Of what decided the numbers: see versions.used; none in records of before there were any.
    versions: dict[str, int] = Field(default_factory=dict)
    hardware: Hardware
    software: dict[str, str]
    parameters: Count | None
    steps: Count | None
    seconds: Number | None  # of training, by the clock: with pauses and the load of others
    # Of training, of the processor: all threads of one process; None in older records.
    cpu_seconds: Number | None = None
    peak_memory_gb: Number | None
    result: Result
    validation: dict[str, Number]
    checkpoint_sha256: str | None
    command: str
    finished: str
    kind: Literal["run", "features", "search"] = "run"  # search: validated only, see search.py
    system: str = ""  # a key of systems.SYSTEMS
    files: dict[str, str] = Field(default_factory=dict)  # of features: which file -> its sha256
    recomputed: str = ""  # what of the result was made again later, from what the ledger keeps
    origin: str = Field(OWN, exclude=True)  # which ledger it was read from; not in the file

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """What tables show is there: of a run its hardware, of each scoring some metrics."""
        if self.kind == "run" and not set(MACHINE) <= self.hardware.keys():
            raise ValueError(f"hardware lacks one of {', '.join(MACHINE)}")
        if self.kind == "search":
            if self.result.keys() != {"validation"}:
                raise ValueError("a search has result.validation and nothing of the test data")
            return self
        for key in ("protocol", "queries", "gallery", "metrics"):
            if key not in self.result:
                raise ValueError(f"'result.{key}' is missing")
        for key in self._keys():
            if key not in self.result:
                raise ValueError(f"lacks result.{key}")
        for where, metrics in self._scored():
            for name in self._expected():
                if name not in metrics:
                    raise ValueError(f"{where} has no {name!r}")
        return self

    def _keys(self) -> tuple[str, ...]:
        """What of a result tables of its system show besides the metrics."""
        if self.result["protocol"].get("depths"):
            return "by_scoring", "curves", "without_relevant"
        if self.result["protocol"].get("direction"):
            return "by_scoring", "images", "sentences"
        return ()

    def _scored(self) -> Iterator[tuple[str, Metrics]]:
        yield "result.metrics", self.result["metrics"]
        for name, metrics in self.result.get("by_scoring", {}).items():
            yield f"result.by_scoring.{name}", metrics

    def _expected(self) -> list[str]:
        protocol, ways = self.result["protocol"], ("i2t", "t2i")
        if protocol.get("depths"):
            return [f"{way} MAP@{depth}" for way in ways for depth in protocol["depths"]]
        if protocol.get("direction"):
            return ["RSUM", *(f"{way} R@1" for way in ways)]
        return [f"R@{k}" for k in protocol.get("cutoffs", ()) if k in SHOWN]
