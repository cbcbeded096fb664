"""The exchange rate of protocols: one and the same vectors under every rule of a benchmark.

No factor turns a number under one rule into that under another, for it depends on the vectors. What
can be said is how far apart the two lie for vectors of several kinds.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cmir_repro.core.protocol import PRESETS, Protocol, preset
from cmir_repro.data.prepared import Retrieval
from cmir_repro.evaluation import fashioniq_cirr, recall
from cmir_repro.evaluation.fashioniq_cirr import Triplets

FASHIONIQ = {name: p for name, p in PRESETS.items() if p.pool and p.captions}
# Synthetic vectors of FashionIQ, from those of a model that fails to those of one that knows.
SYNTHETIC = {
    "random queries": {"target": 0.0, "pull": 0.0},
    "reference alone": {"target": 0.0, "caption_noise": 1.0},
    "weak": {"caption_noise": 6.0},
    "as papers": {},
    "strong": {"caption_noise": 3.0},
}
# Rules of composed retrieval on one gallery: what differs from tirg/css.
ONE_GALLERY = ("tirg/css", "source kept", "the target alone")


def synthetic(
    triplets: Triplets,
    seed: int,
    dim: int = 64,
    cluster: float = 0.7,
    target: float = 1.0,
    pull: float = 1.0,
    caption_noise: float = 4.0,
    wording_noise: float = 1.5,
) -> tuple[np.ndarray, Callable[[str], np.ndarray]]:
    """Vectors that no model made, as `fashioniq_cirr.score` takes them: images and queries.

    An image is a random vector, nearer to those of its category than to others. A query is its
    target plus what stays of its reference plus noise: each caption has its own error, a text with
    both the mean of the two, and each wording adds a little. All of it is our choice.

    Args:
        cluster: how far apart categories lie; 1: as far as their images.
        target, pull: how much of target and reference is in a query.
        caption_noise, wording_noise: in standard deviations.
    """
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((len(triplets.images), dim))
    for names in triplets.galleries.values():
        images[np.isin(triplets.images, names)] += cluster * rng.standard_normal(dim)
    row = {name: i for i, name in enumerate(triplets.images.tolist())}
    source, wanted = (
        images[[row[name] for name in names.tolist()]]
        for names in (triplets.source, triplets.target)
    )
    error = {caption: rng.standard_normal(wanted.shape) for caption in ("1", "2")}
    names = (*error, "1 and 2", "2 and 1", "category")
    wordings = {name: rng.standard_normal(wanted.shape) for name in names}

    def queries(name: str) -> np.ndarray:
        wrong = error[name] if name in error else (error["1"] + error["2"]) / 2
        noise = caption_noise * wrong + wording_noise * wordings[name]
        return target * wanted + pull * source + noise

    return images, queries


def of_fashioniq(triplets: Triplets, sets: Mapping[str, tuple]) -> pd.DataFrame:
    """Mean of R@10 and R@50 of each kind of vectors under each rule of FashionIQ.

    Args:
        sets: kind -> images and queries of `fashioniq_cirr.score`.

    Returns:
        Index kind; a column a protocol, in percent.
    """
    rows = {}
    for kind, (images, queries) in sets.items():
        found = {
            name: fashioniq_cirr.score(triplets, images, queries, rule)["metrics"]
            for name, rule in FASHIONIQ.items()
        }
        rows[kind] = {
            name: (m["R@10"]["value"] + m["R@50"]["value"]) / 2 for name, m in found.items()
        }
    return pd.DataFrame(rows).T.rename_axis(index="vectors")


def of_one_gallery(part: Retrieval, sets: Mapping[str, tuple], k: int = 1) -> pd.DataFrame:
    """R@k of each kind of vectors under each of ONE_GALLERY.

    Args:
        part: a split whose labels say what is relevant.
        sets: kind -> queries (Q, D) or (Q, V, D), gallery (G, D).

    Returns:
        Index kind; a column a rule, in percent.
    """
    rule = preset("tirg/css")
    rules: dict[str, tuple[Protocol, np.ndarray]] = {
        ONE_GALLERY[0]: (rule, part.gallery_labels),
        ONE_GALLERY[1]: (rule.changed(drop_source=False), part.gallery_labels),
        ONE_GALLERY[2]: (rule, part.gallery_ids),
    }
    rows = {}
    for kind, (queries, gallery) in sets.items():
        rows[kind] = {}
        for name, (protocol, labels) in rules.items():
            ranks = recall.ranks(
                queries, gallery, labels[part.target], labels, part.source, protocol
            )
            rows[kind][name] = 100 * recall.recall_at(ranks, k)
    return pd.DataFrame(rows).T.rename_axis(index="vectors")


def rates(table: pd.DataFrame, reference: str) -> pd.DataFrame:
    """How far each rule lies from a reference rule: "x points under this are y under that".

    Args:
        table: of `of_fashioniq` or `of_one_gallery`.

    Returns:
        Index rule; smallest, mean and largest difference from the reference over the kinds of
        vectors, in points, and how far these lie apart.
    """
    minus = table.drop(columns=reference).sub(table[reference], axis=0)
    out = minus.agg(["min", "mean", "max"]).T.rename_axis(index=f"minus {reference}")
    return out.assign(apart=out["max"] - out["min"])
