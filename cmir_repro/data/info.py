"""What `dataset.json` of a prepared data set holds: its schema.

Parts are dicts with known keys, as the scripts write them.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

Count = Annotated[int, Field(ge=0, lt=2**63)]
View = Annotated[str, Field(pattern=r"^[^/\\\x00]*$")]  # a part of the names of files
FORBID = ConfigDict(extra="forbid")


class Provenance(TypedDict):
    """All that the data depend on, for each kind of data something else."""

    __pydantic_config__ = ConfigDict(extra="allow")
    kind: str  # "released", "rendered"


class File(TypedDict):
    """Size and digest of a file of the folder."""

    __pydantic_config__ = FORBID
    bytes: Count
    sha256: str


class Counts(TypedDict):
    """Of a split."""

    __pydantic_config__ = FORBID
    images: Count
    queries: Count


class Text(TypedDict):
    """The texts of data with categories: their kind, a key of labelled.KINDS, and D names."""

    __pydantic_config__ = FORBID
    kind: str
    names: list[str]


class LabelTask(Text):
    """A task of data with categories; see `labelled`."""

    __pydantic_config__ = FORBID
    view: View
    protocol: str
    categories: list[str]
    columns: NotRequired[Annotated[list[Count], Field(min_length=2, max_length=2)]]


class SentenceTask(TypedDict):
    """A task of images and sentences; see `sentences`."""

    __pydantic_config__ = FORBID
    view: View
    protocol: str
    whole: NotRequired[bool]


class Rule(TypedDict):
    """How training pairs are drawn; see `training_pairs`."""

    __pydantic_config__ = FORBID
    rule: str
    column: NotRequired[str]
    columns: NotRequired[list[str]]
    noun: NotRequired[str]
    adjective: NotRequired[str]
    removal: NotRequired[str]


class Info(TypedDict):
    """`dataset.json`."""

    __pydantic_config__ = FORBID
    name: str
    provenance: Provenance
    sources: list[str]
    licence: str
    left_out: list[str]
    protocol: str  # a preset's name
    tasks: dict[str, Annotated[list[View], Field(min_length=2, max_length=2)]]
    files: dict[View, File]
    counts: NotRequired[dict[str, Counts]]
    tables_sha256: NotRequired[str]
    scale: NotRequired[str]
    differs: NotRequired[list[str]]  # files that are not the published ones
    overlap: NotRequired[dict[str, Count]]  # what of test occurs in train too, counted
    coverage: NotRequired[dict[str, dict[str, Count]]]  # split -> what of it is there
    pictures: NotRequired[dict[str, Count]]  # what was done to them, counted
    audit: NotRequired[list[dict[str, JsonValue]]]
    training_pairs: NotRequired[Rule | None]
    recall_also: NotRequired[list[str]]  # columns of the images
    text: NotRequired[Text | Literal["one attribute"]]
    categories: NotRequired[list[str]]
    labelled: NotRequired[dict[str, LabelTask]]
    image_text: NotRequired[dict[str, SentenceTask]]
    described: NotRequired[dict[str, int]]  # versions of what the generated world is told in
