"""Images and sentences ranked for one another, scored under a protocol with both directions.

    cmir score-images-sentences --images i.npz --sentences s.npz --protocol coco-5k

scores the files that `features` describes; the sentences' file says in `image` which image each
one describes, and folds take the images in the order of theirs. The metrics are "i2t R@k" (an
image is the query; it is a hit when any of its sentences is among the first k), "t2i R@k" (a
sentence is the query), "RSUM", the sum of all recalls, and ranks. Letters: G images, S sentences,
E dimensions.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError, check_seed, naming
from cmir_repro.core.protocol import Protocol
from cmir_repro.core.scorers import check_scorer
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.features import images_of, load_features
from cmir_repro.evaluation.recall import LEVEL, RESAMPLES
from cmir_repro.evaluation.relevance import Pool
from cmir_repro.evaluation.tied_ranks import Ranks

_BLOCK = 2**22  # entries of a block of resampled weights: 16 MB


class BothRanks(NamedTuple):
    """The rank of every query that the protocol ranks, each within its fold.

    With folds, the queries are the images of the folds and, in the order given, their sentences:
    rows `np.flatnonzero(image_of < fold * folds)` of the caller's.
    """

    image_to_sentence: Ranks  # of G, of the first of the image's own sentences
    sentence_to_image: Ranks  # of S, of the sentence's image
    image_of: np.ndarray  # (S,) int64, position in image_to_sentence
    scoring: str = "itc"  # what the ranking is by: cosines, or as `rerank` says


def ranks(
    images: np.ndarray,
    sentences: np.ndarray,
    image_of: np.ndarray,
    protocol: Protocol,
    chunk: int | None = None,
) -> BothRanks:
    """Ranks by cosine in both directions, exact, by counting: `recall.ranks`, twice a fold.

    Args:
        images: (G, E) number. Rows are scaled to length 1 here.
        sentences: (S, E) number.
        image_of: (S,) int, row of `images` that the sentence describes. Any order.
        protocol: one with direction "both"; decides folds, ties and their tolerance.
        chunk: queries per block; by default so many that a block of scores takes 32 MB.

    Raises:
        InputError: shapes disagree; a row is zero or not finite; counts are not the protocol's;
            an image has no sentence.

    Source: folds as in VSE++ and SCAN, the whole split as in ALBEF; ties are our choice.
    """
    images, sentences = unit_pairs(images, sentences)
    image_of = checked(image_of, len(images), len(sentences), protocol)
    last = ranked_images(len(images), protocol)
    kept = np.flatnonzero(image_of < last)  # sentences of the folds
    i2t, t2i = Ranks.empty(last), Ranks.empty(len(image_of))
    for these, rows in folds(image_of, last, protocol):
        own, number = image_of[rows], np.arange(these.start, these.stop)
        # An image's label is its row, a sentence's that of its image.
        sides = images[these], sentences[rows]
        i2t.put(these, recall.ranks(*sides, number, own, None, protocol, chunk))
        t2i.put(rows, recall.ranks(*sides[::-1], own, number, None, protocol, chunk))
    return BothRanks(i2t, t2i[kept], image_of[kept])


def unit_pairs(images: np.ndarray, sentences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with rows of length 1, float32; errors as in `recall.unit_rows`, named by side."""
    images = recall.unit_rows(images, "image")
    sentences = recall.unit_rows(sentences, "sentence")
    if images.shape[1] != sentences.shape[1]:
        raise InputError(
            f"images have {images.shape[1]} dimensions, sentences {sentences.shape[1]}; they must "
            "come from the same model"
        )
    return images, sentences


def checked(image_of: np.ndarray, G: int, S: int, protocol: Protocol) -> np.ndarray:
    """`image_of` as (S,) int64.

    Raises:
        InputError: it does not fit G images and S sentences, or these not the protocol.
    """
    check_scorer(protocol, "image_text")
    image_of = np.asarray(image_of)
    if image_of.shape != (S,) or image_of.dtype.kind not in "iu":
        raise InputError(f"image_of must be ({S},) int, got {image_of.shape} {image_of.dtype}")
    image_of = image_of.astype(np.int64)
    bad = np.flatnonzero((image_of < 0) | (image_of >= G))
    if len(bad):
        raise InputError(
            f"image_of sentence {bad[0]} is {image_of[bad[0]]}, not a row of {G} images"
        )
    if protocol.images not in (None, G):
        raise InputError(
            f"{protocol.name} ranks a split of {protocol.images:,} images, got {G:,}; give all of "
            "them, or score under own/image-sentence"
        )
    if ranked_images(G, protocol) > G:
        raise InputError(f"{protocol.folds} folds of {protocol.fold} images need more than {G}")
    count = np.bincount(image_of, minlength=G)
    if (lost := np.flatnonzero(count == 0)).size:
        raise InputError(
            f"{len(lost)} of {G} images have no sentence, first row {lost[0]}; leave them out"
        )
    if protocol.sentences is not None and (odd := np.flatnonzero(count != protocol.sentences)).size:
        raise InputError(
            f"{protocol.name} ranks {protocol.sentences} sentences of each image, but image row "
            f"{odd[0]} has {count[odd[0]]}; keep the first {protocol.sentences}"
        )
    return image_of


def ranked_images(G: int, protocol: Protocol) -> int:
    """How many of G images are in a fold."""
    return G if protocol.fold is None else protocol.fold * protocol.folds


def folds(image_of: np.ndarray, G: int, protocol: Protocol) -> Iterator[tuple[slice, np.ndarray]]:
    """Each fold's rows of images, consecutive, and rows of sentences; G: `ranked_images`."""
    size = protocol.fold or G
    for start in range(0, G, size):
        stop = start + size
        yield slice(start, stop), np.flatnonzero((image_of >= start) & (image_of < stop))


def summary(both: BothRanks, protocol: Protocol, seed: int) -> dict:
    """Everything a result stores about its ranks, as plain values for JSON.

    Every metric is the mean over the folds of its value in each. Intervals resample the images of
    each fold, a sentence always going with its image: sentences of one image succeed or fail
    together, and counting them as independent would make the intervals too narrow. All metrics
    share the resamples, so that the interval of RSUM is that of the sum.

    Args:
        both: from `ranks` or `rerank.rerank`.
        seed: of the bootstrap.

    Returns:
        As `recall.summary`, with scoring (what the ranking is by), images and sentences (how
        many are queries); queries is their sum, gallery that of the items of a fold. chance of
        RSUM is the sum of those of its recalls.
    """
    generator = np.random.default_rng(check_seed(seed))
    G = len(both.image_to_sentence)
    parts = [
        _fold(
            both.image_to_sentence[these],
            both.sentence_to_image[rows],
            both.image_of[rows] - these.start,
            protocol,
            generator,
        )
        for these, rows in folds(both.image_of, G, protocol)
    ]
    tail = (1 - LEVEL) / 2
    metrics = {}
    for name in parts[0]:
        values, draws, chances = zip(*(part[name] for part in parts), strict=True)
        low, high = np.quantile(np.mean(draws, axis=0), [tail, 1 - tail])
        metrics[name] = {
            "value": float(np.mean(values)),
            "low": float(low),
            "high": float(high),
            "chance": None if None in chances else float(np.mean(chances)),
        }
    S = len(both.image_of)
    return {
        "protocol": protocol.as_dict(),
        "scoring": both.scoring,
        "images": G,
        "sentences": S,
        "queries": G + S,
        "gallery": (G + S) // len(parts),
        "interval": {
            "method": "percentile bootstrap over images with their sentences, within folds",
            "level": LEVEL,
            "resamples": RESAMPLES,
            "seed": seed,
        },
        "metrics": metrics,
    }


_Metric = tuple[float, np.ndarray, float | None]  # value, (RESAMPLES,) resampled values, chance


def _fold(
    i2t: Ranks,
    t2i: Ranks,
    image_of: np.ndarray,
    protocol: Protocol,
    generator: np.random.Generator,
) -> dict[str, _Metric]:
    """Metrics of the ranks of one fold: of its g images, and of its s sentences."""
    g, s = len(i2t), len(t2i)
    count = np.bincount(image_of, minlength=g)  # sentences of each image
    pools = {
        "i2t": Pool(s, np.full(g, s), count),
        "t2i": Pool(g, np.full(s, g), np.ones(s, np.int64)),
    }
    found = {"i2t": (i2t, np.arange(g)), "t2i": (t2i, image_of)}
    places = {side: ranks.expected for side, (ranks, _) in found.items()}
    # Per image: sums over the queries that go with it, and how many these are.
    sums, sizes, values, chance = [], [], {}, {}
    for side, (ranks, image) in found.items():
        for k in protocol.cutoffs:
            values[f"{side} R@{k}"] = 100.0 * ranks.hits(k)
            chance[f"{side} R@{k}"] = 100 * recall.chance_recall(pools[side], k)
        values[f"{side} mean rank"] = ranks.expected
        # The first of m among n places is expected at (n + 1) / (m + 1).
        n, m = pools[side].left, pools[side].relevant
        chance[f"{side} mean rank"] = float(((n + 1) / (m + 1)).mean())
        for name in list(values)[len(sums) :]:
            sums.append(np.bincount(image, values[name], minlength=g))
            sizes.append(np.bincount(image, minlength=g))
    sums, sizes = np.stack(sums, 1), np.stack(sizes, 1).astype(np.float64)  # (g, metrics)

    means, medians = [], {side: [] for side in found}
    order = {side: np.argsort(each, kind="stable") for side, each in places.items()}
    block = max(1, _BLOCK // s)
    for start in range(0, RESAMPLES, block):
        weights = _weights(g, min(block, RESAMPLES - start), generator)  # (block, g)
        floats = weights.astype(np.float64)  # for a fast product
        means.append((floats @ sums) / (floats @ sizes))
        for side, (_, image) in found.items():
            rows = order[side]
            medians[side].append(_medians(places[side][rows], weights[:, image[rows]]))
    drawn = dict(zip(values, np.concatenate(means).T, strict=True))
    metrics = {name: (values[name].mean(), drawn[name], chance[name]) for name in values}
    recalls = [metric for name, metric in metrics.items() if " R@" in name]
    metrics["RSUM"] = tuple(sum(part) for part in zip(*recalls, strict=True))
    for side, each in places.items():
        metrics[f"{side} median rank"] = (np.median(each), np.concatenate(medians[side]), None)
    sides = [f"{side} {what}" for side in found for what in ("median rank", "mean rank")]
    shown = [name for name in metrics if " R@" in name]
    return {name: metrics[name] for name in (*shown, "RSUM", *sides)}


def _weights(g: int, n: int, generator: np.random.Generator) -> np.ndarray:
    """How often each of g images is in each of n resamples, (n, g) int32."""
    drawn = generator.integers(g, size=(n, g)) + g * np.arange(n)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * g).reshape(n, g).astype(np.int32)


def _medians(ordered: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Median of ascending (Q,) values, each occurring (n, Q) times: (n,)."""
    found = np.empty(len(weights))
    for i, reached in enumerate(np.cumsum(weights, axis=1, dtype=np.int32)):
        # The middle one, or the mean of the middle two, of the places counted from 0.
        places = (reached[-1] - 1) // 2, reached[-1] // 2
        found[i] = ordered[np.searchsorted(reached, places, side="right")].mean()
    return found


def score(
    images: np.ndarray,
    sentences: np.ndarray,
    image_of: np.ndarray,
    protocol: Protocol,
    seed: int = 0,
) -> tuple[BothRanks, dict]:
    """`ranks` and their `summary` in one call."""
    both = ranks(images, sentences, image_of, protocol)
    return both, summary(both, protocol, seed)


def score_files(
    images: Path,
    sentences: Path,
    protocol: Protocol,
    *,
    image_ids: Path | None = None,
    sentence_ids: Path | None = None,
    seed: int = 0,
) -> dict:
    """Score two feature files, in the order of their rows.

    Args:
        images, sentences: `.npz`, or `.npy` with an ids file each (`image_ids`, `sentence_ids`).

    Returns:
        `summary`, and lists of `image_ids`, `sentence_ids`, `image_ranks`, `sentence_ranks`: of
        what is in a fold.

    Raises:
        InputError: as in `load_features` and `ranks`.
    """
    check_scorer(protocol, "image_text")
    i, s = load_features(images, image_ids), load_features(sentences, sentence_ids)
    image_of = images_of(s, i)
    with naming(f"{i.path} and {s.path}"):
        both, result = score(i.features, s.features, image_of, protocol, seed)
    last = len(both.image_to_sentence)
    return {
        **result,
        "image_ids": i.ids[:last].tolist(),
        "sentence_ids": s.ids[image_of < last].tolist(),
        "image_ranks": both.image_to_sentence.expected.tolist(),
        "sentence_ranks": both.sentence_to_image.expected.tolist(),
    }


def table(result: dict) -> str:
    """A `summary` as aligned text."""
    p = result["protocol"]
    averaged = f", mean of {p['folds']} folds" if p.get("folds", 1) > 1 else ""
    lines = [
        f"{p['name']}: {p['gallery']}{averaged}, relevant: {p['relevance']}, ties: {p['ties']}",
        f"{result['images']} images and {result['sentences']} sentences are queries, "
        f"scored by {result['scoring']}",
        "",
        *recall.metric_lines(result["metrics"], 16),
    ]
    return "\n".join(lines)
