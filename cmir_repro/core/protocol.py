"""The protocols by name; `rule` says what a protocol is."""

from cmir_repro.core.errors import one_of
from cmir_repro.core.rule import (
    AGGREGATES,
    CAPTIONS,
    POOLS,
    TIES,
    Protocol,
    only_protocol,
)

__all__ = [
    "ALIASES", "CAPTIONS", "POOLS", "PRESETS", "TIES", "Protocol",
    "hashed", "incomplete", "only_protocol", "preset",
]  # fmt: skip


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


def _judged(
    name: str,
    gallery: str,
    relevance: str,
    measures: tuple[str, ...],
    cutoffs: tuple[int, ...],
    drop_source: bool = False,
) -> Protocol:
    """Rankings of which several places may be right, judged by what `measures` names."""
    return Protocol(
        name=name,
        gallery=gallery,
        drop_source=drop_source,
        relevance=relevance,
        cutoffs=cutoffs,
        measures=measures,
    )


def _leaderboard(name: str, pool: str, relevance: str) -> Protocol:
    """MTEB's task of M-BEIR's data (task 7, Wei et al. 2023), read in mteb/descriptive_stats.

    Triplets with the same reference and text are one query with several right answers.
    """
    return _judged(f"mteb/{name}", pool, relevance, ("nDCG@10", "mAP@10", "MRR@10"), (1, 5, 10, 50))


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
        # Baldrati et al. 2023, evaluation.py of miccunifi/CIRCO, which is what its server runs.
        _judged(
            "circo/official",
            "all images of COCO 2017 unlabeled",
            "any of the query's ground truths; recall counts the target image alone",
            ("mAP@5", "mAP@10", "mAP@25", "mAP@50"),
            (5, 10, 25, 50),
        ),
        # Vaze et al. 2023, eval_functions.py of facebookresearch/genecis: mean over four tasks.
        _judged(
            "genecis/official",
            "the query's own gallery",
            "the target image",
            ("macro R@1", "macro R@2", "macro R@3"),
            (1, 2, 3),
        ),
        # Psomas et al. 2025, utils.py and run_retrieval.py of billpsomas/icir: average precision
        # by trapezoids, mean over queries and (macro) over instances.
        _judged(
            "icir/official",
            "all images of the query's instance, explicit hard negatives among them",
            "the query's instance and text",
            ("macro mAP by trapezoids", "mAP by trapezoids", "macro mAP", "mAP", "negatives@10"),
            (1, 10),
        ),
        _leaderboard(
            "fashioniq",
            "images of all splits and categories, each once (74,381)",
            "the target image of any triplet with this reference and these captions",
        ),
        _leaderboard(
            "cirr",
            "images of all splits (21,551)",
            "images that the triplets with this reference and caption mark as right (target_soft "
            "1.0)",
        ),
        # Levy et al. 2024 released no code that scores: that the reference stays is our choice.
        _judged(
            "lasco/val",
            "all images of the validation corpus (39,826)",
            "the target image",
            ("R@1", "MRR"),
            (1, 5, 10, 50, 100, 500, 1000),
        ),
        # Guo et al. 2018 as ARTEMIS scores it (naver/artemis, evaluate.py).
        _judged(
            "shoes/artemis",
            "all images of the split",
            "the target image",
            ("R@10", "MRR"),
            (1, 10, 50),
            drop_source=True,
        ),
        # Our choice. Nothing is left out: that the source does not change is a mistake to be seen.
        Protocol(
            name="css-x",
            gallery=POOLS["diagnosed"],
            drop_source=False,
            relevance="any scene that the sentence allows",
            cutoffs=(1, 5, 10),
            aggregate=AGGREGATES[4],
            pool="diagnosed",
        ),
        # Anyone's ranked lists with judgements of relevance, as TREC's are scored.
        _judged(
            "own/judged",
            "what is ranked for the query",
            "as judged",
            ("nDCG@10", "mAP@10", "MRR@10", "R-precision"),
            (1, 5, 10),
        ),
        # What the test server of CIRR computes of its two files (Test-split_server.md).
        _judged(
            "cirr/recall",
            "all images of the split",
            "the target image",
            ("R@1", "R@5", "R@10", "R@50"),
            (1, 5, 10, 50),
            drop_source=True,
        ),
        _judged(
            "cirr/recall_subset",
            "the query's set of six images",
            "the target image",
            ("R@1", "R@2", "R@3"),
            (1, 2, 3),
            drop_source=True,
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
