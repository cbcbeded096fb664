"""What exactly is measured, as a value: two numbers compare only under the same protocol.

Codebases of this field silently differ in what the gallery holds, whether the source image may
be returned, and what counts as correct; the same vectors then differ by several points. So a
protocol is frozen, travels with every result, and a table column takes only one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from cmir_repro.core.errors import InputError, one_of

TIES = ("mean", "best", "worst")
AGGREGATES = (
    "mean over queries",
    "mean over categories",
    "each direction, mean over folds",
    "mean average precision over queries",
)
DIRECTIONS = ("both",)
SIMILARITIES = ("cosine", "hamming")  # of protocols with depths; others have cosine
# Whose images are ranked, by name and in words.
POOLS = {
    "category": "all images of the split and category",
    "triplets": "references and targets of the category's triplets",
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


def _fashioniq(name: str, pool: str, drop_source: bool, captions: str) -> Protocol:
    """FashionIQ (Wu et al. 2021) as one of the codebases scores its validation split.

    Recall is averaged over the categories, each weighing the same.
    """
    return Protocol(
        name=f"fashioniq/{name}",
        gallery=POOLS[pool],
        drop_source=drop_source,
        relevance="the target image",
        cutoffs=(10, 50),
        aggregate="mean over categories",
        pool=pool,
        captions=captions,
    )


def _one_gallery(name: str) -> Protocol:
    return Protocol(
        name=name,
        gallery="all images of the split, each once",
        drop_source=True,
        relevance="the target image",
        cutoffs=(1, 5, 10, 50),
    )


def _image_sentence(
    name: str, images: int | None = None, fold: int | None = None, folds: int | None = None
) -> Protocol:
    """Images ranked for each sentence and sentences for each image, cosine of the features.

    An image's rank is that of the first of its own sentences. The published test sets hold five
    sentences of each image (Karpathy and Fei-Fei 2015); folds as in VSE++ (Faghri et al. 2018).
    """
    ranked = "all" if fold is None else f"{fold:,} consecutive"
    return Protocol(
        name=name,
        gallery=f"{ranked} images of the split, or their sentences",
        drop_source=False,
        relevance="the sentence's own image",
        cutoffs=(1, 5, 10),
        aggregate=AGGREGATES[2],
        direction="both",
        images=images,
        sentences=None if images is None else 5,
        fold=fold,
        folds=folds,
    )


def _categories(name: str, similarity: str) -> Protocol:
    """Mean average precision where items with a category in common are relevant to each other.

    The depth "all" is what the field reports (DCMH, SSAH, UCCH). "queries" is what the code of
    CRCGS computes: average precision of as many places as there are queries, divided by the
    relevant ones within. It is far higher, so both are always measured, side by side.

    "map-pairs" ranks the texts of the very pairs whose images are queries, and the other way round:
    a query's own other half is in the database, and relevant.
    """
    pairs = name.startswith("map-pairs")
    return Protocol(
        name=name,
        gallery="the other modality of the queries' own pairs"
        if pairs
        else "all items that are no queries, those trained on included",
        drop_source=False,
        relevance="shares at least one category",
        cutoffs=(10, 100, 1000),
        tie_tolerance=1e-6 if similarity == "cosine" else 0.0,  # distances are whole numbers
        similarity=similarity,
        aggregate=AGGREGATES[3],
        depths=("all", "queries"),
    )


PRESETS = {
    protocol.name: protocol
    for protocol in (
        _tirg("tirg/css", "same label"),
        _tirg("tirg/fashion200k", "same caption"),
        _tirg("tirg/mitstates", "same caption"),
        # Pictures of one's own, scored as TIRG scores.
        _tirg("own/same-caption", "same caption"),
        _tirg("own/target", "the target image"),
        # The owners' split; they say neither whether the reference stays nor how captions are
        # joined, so both are as in CLIP4Cir and magiclens.
        _fashioniq("original", "category", False, "joined"),
        _fashioniq("val-union", "triplets", True, "each alone"),
        _fashioniq("artemis", "category", True, "both orders"),
        _fashioniq("cosmo-val", "triplets", True, "both orders"),  # CosMo's commented-out lines
        _fashioniq("composeae-union", "all categories", False, "with category"),
        _fashioniq("searle", "category", False, "mean of both orders"),
        # What a run that trains on FashionIQ or CIRR is scored by: one gallery, one query a
        # triplet, mean over queries. Our choice: nobody else reports it for FashionIQ; for CIRR it
        # is cirr/official without the subsets. The source is left out, as in all other trained
        # data sets here, for it is never the answer. Official measures: official_scores.
        _one_gallery("fashioniq/val-all"),
        _one_gallery("cirr/val-all"),
        # Liu et al. 2021 (CIRPLANT) and CLIP4Cir.
        Protocol(
            name="cirr/official",
            gallery="all images of the split",
            drop_source=True,
            relevance="the target image",
            cutoffs=(1, 5, 10, 50),
            subset_cutoffs=(1, 2, 3),
            captions="one",
        ),
        _image_sentence("flickr30k-1k", 1000),
        _image_sentence("coco-5k", 5000),
        _image_sentence("coco-1k-5fold", 5000, fold=1000, folds=5),
        # What some papers report as COCO 1K: one thousand instead of five.
        _image_sentence("coco-1k-first-fold", 5000, fold=1000, folds=1),
        # Any number of images, with any number of sentences each.
        _image_sentence("own/image-sentence"),
        _image_sentence("css/image-sentence"),
        # Features of any numbers, and codes of bits.
        _categories("map-all", "cosine"),
        _categories("map-all/hamming", "hamming"),
        # DSCMR (Zhen et al. 2019), ACMR: test images against the texts of the same pairs.
        _categories("map-pairs", "cosine"),
        _categories("map-pairs/hamming", "hamming"),
    )
}
# Other names of the same measurement. What sets those of FashionIQ apart from one another is the
# model and its training, or a capital letter in the text, and no rule of scoring.
ALIASES = {
    "fashioniq/clip4cir": "fashioniq/original",
    "fashioniq/magiclens": "fashioniq/original",
    "fashioniq/cosmo": "fashioniq/artemis",
    # Both depths are in each.
    "map-at-queries": "map-all",
    "map-at-queries/hamming": "map-all/hamming",
}

_GALLERY = "[gallery="  # as `Protocol.changed` writes it


def preset(name: str) -> Protocol:
    """The preset called `name`, or that `name` is another name of; see also `incomplete`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    base, changed, gallery = name.partition(_GALLERY)
    one_of("protocol", base, (*PRESETS, *ALIASES))
    found = PRESETS[ALIASES.get(base, base)]
    return found.changed(gallery=gallery.removesuffix("]")) if changed else found


def incomplete(name: str, lacks: str) -> str:
    """The name of a preset on data that lack something, say "3 images missing".

    `tirg/css[gallery=all images of the split, 3 images missing]`; `preset` takes it.
    """
    base = preset(name.partition(_GALLERY)[0])
    return base.changed(gallery=f"{preset(name).gallery}, {lacks}").name


def hashed(name: str) -> Protocol:
    """The preset of codes beside `name`, of features; what the data lack stays in the name.

    `map-all[gallery=...]` -> `map-all/hamming[gallery=...]`.
    """
    base, changed, gallery = name.partition(_GALLERY)
    return preset(f"{base}/hamming{changed}{gallery}")


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
