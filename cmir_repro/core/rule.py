"""What exactly is measured, as a value: two numbers compare only under the same protocol.

Codebases of this field silently differ in what the gallery holds, whether the source image may
be returned, and what counts as correct; the same vectors then differ by several points. So a
protocol is frozen, travels with every result, and a table column takes only one.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import NamedTuple

from cmir_repro.core.errors import InputError, one_of

TIES = ("mean", "best", "worst")
AGGREGATES = (
    "mean over queries",
    "mean over categories",
    "each direction, mean over folds",
    "mean average precision over queries",
    "mean over groups of paraphrases",
)
DIRECTIONS = ("both",)
SIMILARITIES = ("cosine", "hamming")  # of protocols with depths; others have cosine
# Whose images are ranked, by name and in words.
POOLS = {
    "category": "all images of the split and category",
    "triplets": "references and targets of the category's triplets",
    "diagnosed": "all images, the unedited source and hard negatives of named kinds among them",
    "all categories": "images of the split, of all categories, each once",
}
# How the captions of a triplet become queries: for each query the texts whose features, of length
# 1 each, are averaged. The names of the texts are those of `fashioniq_cirr.texts`.
CAPTIONS = {
    "one": (("1",),),
    "each alone": (("1",), ("2",)),
    "joined": (("1 and 2",),),
    "both orders": (("1 and 2",), ("2 and 1",)),
    "mean of both orders": (("1 and 2", "2 and 1"),),
    "with category": (("category",),),
}
# Names of `measures`; all of `evaluation.measures`.
_MEASURE = re.compile(
    r"(macro )?(?:(R|mAP|nDCG|MRR|P|negatives)@([1-9][0-9]{0,8})"
    r"|(mAP|mAP by trapezoids|MRR|R-precision))"
)


class Measure(NamedTuple):
    """A name such as "macro mAP@10", taken apart."""

    kind: str
    k: int | None  # how many places count; None: all
    macro: bool  # mean over groups, each weighing the same, instead of over queries


def measure(name: object) -> Measure:
    """The measure of a name.

    Raises:
        InputError: there is none.
    """
    found = _MEASURE.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise InputError(
            f"measures must be R@k, mAP@k, nDCG@k, MRR@k, P@k, negatives@k, mAP, mAP by "
            f"trapezoids, MRR or R-precision, with or without 'macro ' before, got {name!r:.40}"
        )
    macro, at, k, whole = found.groups()
    return Measure(at or whole, int(k) if k else None, bool(macro))


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a ranking is made and scored; `as_dict` is what a result stores.

    The fields in words (`gallery`, `relevance`) say what the caller's arrays must hold; the
    functions that score check the others and refuse what they do not implement. Those that may be
    None apply to some data sets only (with categories, with several captions, of images and
    sentences, with many relevant items), and are stored only there.

    Raises:
        InputError: a field has the wrong type or an impossible value.
    """

    name: str
    gallery: str  # what is in it
    drop_source: bool  # the query's own source image cannot be returned
    relevance: str  # when a gallery item counts as correct
    cutoffs: tuple[int, ...]  # the k of recall at k, ascending
    ties: str = "mean"  # place of the correct item among equal scores: see recall.ranks
    tie_tolerance: float = 1e-6  # scores this close are equal; see recall.ranks
    similarity: str = "cosine"
    aggregate: str = "mean over queries"
    pool: str | None = None  # whose images are ranked: a key of POOLS
    captions: str | None = None  # how captions become queries: a key of CAPTIONS
    subset_cutoffs: tuple[int, ...] | None = None  # the k of recall among a query's own few images
    direction: str | None = None  # "both": image to sentence and sentence to image
    images: int | None = None  # how many images the split must hold; None: any number
    sentences: int | None = None  # how many sentences each image must have; None: any number
    fold: int | None = None  # images ranked together, in file order; None: all
    folds: int | None = None  # how many folds are averaged, from the first on
    # How many places average precision looks at: "all", "queries" (as many as there are queries),
    # or a number; the first is the headline. Cutoffs are then those of precision.
    depths: tuple[str | int, ...] | None = None
    # Beside recall, of rankings with several right answers: names that `measure` takes; the first
    # is the headline.
    measures: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("name", "gallery", "relevance", "similarity"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                raise InputError(f"protocol {field} must be words, got {getattr(self, field)!r}")
        if not isinstance(self.drop_source, bool):
            raise InputError(f"drop_source must be true or false, got {self.drop_source!r}")
        one_of("ties", self.ties, TIES)
        one_of("aggregate", self.aggregate, AGGREGATES)
        one_of("pool", self.pool, (None, *POOLS))
        one_of("captions", self.captions, (None, *CAPTIONS))
        tolerance = self.tie_tolerance
        if not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
            raise InputError(f"tie_tolerance must be a number in [0, 1), got {tolerance!r}")
        object.__setattr__(self, "cutoffs", _cutoffs("cutoffs", self.cutoffs))
        if self.subset_cutoffs is not None:
            subset = _cutoffs("subset_cutoffs", self.subset_cutoffs)
            object.__setattr__(self, "subset_cutoffs", subset)
        if self.measures is not None:
            names = tuple(self.measures) if isinstance(self.measures, list | tuple) else ()
            if not names or len(set(names)) < len(names):
                raise InputError(f"measures must be names, each once, got {self.measures!r}")
            for name in names:
                measure(name)
            object.__setattr__(self, "measures", names)
        self._check_directions()
        self._check_depths()

    def _check_directions(self) -> None:
        """The fields of images and sentences, which stand or fall together."""
        one_of("direction", self.direction, (None, *DIRECTIONS))
        if (self.direction is None) != (self.aggregate != AGGREGATES[2]):
            raise InputError(
                f"aggregate {self.aggregate!r} does not go with direction {self.direction!r}; "
                f"{AGGREGATES[2]!r} is for direction 'both', and the only one for it"
            )
        counts = {key: getattr(self, key) for key in ("images", "sentences", "fold", "folds")}
        given = {key: value for key, value in counts.items() if value is not None}
        for key, value in given.items():
            if self.direction is None:
                raise InputError(f"{key} applies to protocols with direction 'both' only")
            if type(value) is not int or value < 1:
                raise InputError(f"{key} must be a whole number from 1, got {value!r}")
        if ("fold" in given) != ("folds" in given):
            raise InputError("fold (images per fold) and folds (how many) go together")
        if "fold" in given and self.fold * self.folds > given.get("images", math.inf):
            raise InputError(f"{self.folds} folds of {self.fold} images exceed {self.images}")

    def _check_depths(self) -> None:
        """The fields of average precision, which stand or fall together."""
        if (self.depths is None) != (self.aggregate != AGGREGATES[3]):
            raise InputError(
                f"aggregate {self.aggregate!r} does not go with depths {self.depths!r}; "
                f"{AGGREGATES[3]!r} needs some, and no other takes any"
            )
        if self.depths is None:
            return
        depths = tuple(self.depths) if isinstance(self.depths, list | tuple) else ()
        good = all(d in ("all", "queries") or (type(d) is int and d > 0) for d in depths)
        if not depths or not good or len(set(depths)) < len(depths):
            raise InputError(
                f"depths must be 'all', 'queries' or whole numbers from 1, each once, got "
                f"{self.depths}"
            )
        object.__setattr__(self, "depths", depths)
        one_of("similarity", self.similarity, SIMILARITIES)
        if self.drop_source:
            raise InputError("drop_source does not go with depths: there is no source image")

    @property
    def scorer(self) -> str:
        """What scores it: a key of `scorers.SCORERS`."""
        if self.pool == "diagnosed":
            return "diagnosis"
        if self.measures:
            return "judged"
        if self.direction:
            return "image_text"
        if self.depths:
            return "labels"
        return "fashioniq_cirr" if self.captions else "recall"

    def changed(self, **new: object) -> "Protocol":
        """This protocol with other fields, and a name that says so: `tirg/css[ties=worst]`."""
        new = {key: value for key, value in new.items() if getattr(self, key) != value}
        if not new:
            return self
        notes = ",".join(f"{key}={value}" for key, value in new.items())
        return replace(self, **new, name=f"{self.name}[{notes}]")

    def as_dict(self) -> dict:
        """Plain values that survive JSON; `from_dict` is the inverse.

        A field that does not apply (None) is left out, so that records stay as they are when a
        data set brings a field that no other has.
        """
        values = {key: value for key, value in asdict(self).items() if value is not None}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping) -> "Protocol":
        """The protocol `as_dict` wrote.

        Raises:
            InputError: a field is missing or unknown (a record never gets defaults), or bad.
        """
        names = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is not None}
        for problem, keys in (
            ("lacks", needed - set(values)),
            ("has unknown", set(values) - names),
        ):
            if keys:
                raise InputError(f"stored protocol {problem} {', '.join(sorted(keys))}")
        return cls(**values)


def _cutoffs(field: str, value: object) -> tuple[int, ...]:
    ks = tuple(value) if isinstance(value, list | tuple) else ()
    whole = all(type(k) is int and k > 0 for k in ks)
    if not ks or not whole or list(ks) != sorted(set(ks)):
        raise InputError(f"{field} must be ascending whole numbers from 1, got {value}")
    return ks


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
        differ = [
            f"{key} ({a.get(key)!r} and {b.get(key)!r})"
            for key in {**a, **b}
            if a.get(key) != b.get(key)
        ]
        if differ:
            raise InputError(
                f"one column would mix protocols that differ in {', '.join(differ)}; "
                "score again under one protocol or use two columns"
            )
    return first
