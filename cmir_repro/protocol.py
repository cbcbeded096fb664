"""What exactly is measured, as a value: two numbers compare only under the same protocol.

Codebases of this field silently differ in what the gallery holds, whether the source image may
be returned, and what counts as correct; the same vectors then differ by several points. So a
protocol is frozen, travels with every result, and a table column takes only one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from cmir_repro.errors import InputError, one_of

TIES = ("mean", "best", "worst")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a ranking is made and scored; `as_dict` is what a result stores.

    The fields in words (`gallery`, `relevance`) say what the caller's arrays must hold; the
    functions that score check the others and refuse what they do not implement.

    Raises:
        InputError: a field has the wrong type or an impossible value.
    """

    name: str
    gallery: str  # what is in it
    drop_source: bool  # the query's own source image cannot be returned
    relevance: str  # when a gallery item counts as correct
    cutoffs: tuple[int, ...]  # the k of recall at k, ascending
    ties: str = "mean"  # place of the correct item among equal scores: see evaluate.ranks
    tie_tolerance: float = 1e-6  # scores this close are equal; see evaluate.ranks
    similarity: str = "cosine"
    aggregate: str = "mean over queries"

    def __post_init__(self) -> None:
        for field in ("name", "gallery", "relevance", "similarity", "aggregate"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                raise InputError(f"protocol {field} must be words, got {getattr(self, field)!r}")
        if not isinstance(self.drop_source, bool):
            raise InputError(f"drop_source must be true or false, got {self.drop_source!r}")
        one_of("ties", self.ties, TIES)
        tolerance = self.tie_tolerance
        if not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
            raise InputError(f"tie_tolerance must be a number in [0, 1), got {tolerance!r}")
        ks = tuple(self.cutoffs) if isinstance(self.cutoffs, list | tuple) else ()
        whole = all(type(k) is int and k > 0 for k in ks)
        if not ks or not whole or list(ks) != sorted(set(ks)):
            raise InputError(f"cutoffs must be ascending whole numbers from 1, got {self.cutoffs}")
        object.__setattr__(self, "cutoffs", ks)

    def changed(self, **new: object) -> "Protocol":
        """This protocol with other fields, and a name that says so: `tirg/css[ties=worst]`."""
        new = {key: value for key, value in new.items() if getattr(self, key) != value}
        if not new:
            return self
        notes = ",".join(f"{key}={value}" for key, value in new.items())
        return replace(self, **new, name=f"{self.name}[{notes}]")

    def as_dict(self) -> dict:
        """Plain values that survive JSON; `from_dict` is the inverse."""
        return {**asdict(self), "cutoffs": list(self.cutoffs)}

    @classmethod
    def from_dict(cls, values: Mapping) -> "Protocol":
        """The protocol `as_dict` wrote.

        Raises:
            InputError: a field is missing or unknown (a record never gets defaults), or bad.
        """
        names = {field.name for field in fields(cls)}
        for problem, keys in (("lacks", names - set(values)), ("has unknown", set(values) - names)):
            if keys:
                raise InputError(f"stored protocol {problem} {', '.join(sorted(keys))}")
        return cls(**values)


def _tirg(name: str, relevance: str) -> Protocol:
    """TIRG's test_retrieval: Vo et al. 2019, google/tirg.

    TIRG leaves equal scores to the sort; the mean over their orders is our choice.
    """
    return Protocol(
        name=name,
        gallery="all images of the split",
        drop_source=True,
        relevance=relevance,
        cutoffs=(1, 5, 10, 50, 100),
    )


PRESETS = {
    protocol.name: protocol
    for protocol in (
        _tirg("tirg/css", "same label"),
        _tirg("tirg/fashion200k", "same caption"),
        _tirg("tirg/mitstates", "same caption"),
    )
}


def preset(name: str) -> Protocol:
    """The preset called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    one_of("protocol", name, PRESETS)
    return PRESETS[name]


def only_protocol(protocols: Iterable[Protocol | Mapping]) -> Protocol:
    """The one protocol of all results in a table column.

    Args:
        protocols: of each result, as `Protocol` or as stored by `as_dict`.

    Raises:
        InputError: there is none, or two differ; the message names the fields that do.
    """
    found = [p if isinstance(p, Protocol) else Protocol.from_dict(p) for p in protocols]
    if not found:
        raise InputError("a table column needs at least one result")
    first = found[0]
    for other in found[1:]:
        a, b = first.as_dict(), other.as_dict()
        differ = [f"{key} ({a[key]!r} and {b[key]!r})" for key in a if a[key] != b[key]]
        if differ:
            raise InputError(
                f"one column would mix protocols that differ in {', '.join(differ)}; "
                "score again under one protocol or use two columns"
            )
    return first
