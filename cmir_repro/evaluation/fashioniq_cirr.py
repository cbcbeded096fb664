"""FashionIQ and CIRR scored under any protocol of `protocol.PRESETS`, from one set of features.

Papers score these data sets by rules that differ in the gallery, in whether the reference image
may be returned and in how two captions become queries. Here the rules are values and the features
are the caller's: vectors of the images, and of each triplet with each text a protocol asks for
(`texts`). Letters: T triplets, N images, D dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, check_seed, one_of
from cmir_repro.core.protocol import CAPTIONS, Protocol, check_scorer, only_protocol
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.fashioniq_cirr import join
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.tied_ranks import Ranks

# What papers print as one number: of FashionIQ, and of CIRR (its second cut-off is of the subset).
AVERAGES = (("R@10", "R@50"), ("R@5", "R_s@1"))

QueryFeatures = Callable[[str], np.ndarray]  # name of a text -> (T, D) number


@dataclass(frozen=True)
class Triplets:
    """The triplets of one split and the images they are ranked against, as annotated.

    Args:
        ids: (T,) str. category: (T,) str. source, target: (T,) str, names of images.
        captions: (T, 1 or 2) str.
        galleries: category -> (n,) str, names of the images of the split, each once.
        members: T arrays of str, the few images of which each triplet was made; or None.
        missing: images of the split that are not here; 0 where the data set is complete.
    """

    ids: np.ndarray
    category: np.ndarray
    source: np.ndarray
    target: np.ndarray
    captions: np.ndarray
    galleries: dict[str, np.ndarray]
    members: list[np.ndarray] | None = None
    missing: int = 0

    @property
    def images(self) -> np.ndarray:
        """(N,) str, every image of the split once, in order of first mention."""
        return _union(self.galleries.values())


def of_tables(
    images: pd.DataFrame, queries: pd.DataFrame, split: str, missing: int = 0
) -> Triplets:
    """The triplets of a split from the tables of `data.annotations` or of a prepared data set.

    Raises:
        InputError: a column is missing, or the split has no query with a target.
    """
    for table, columns in (
        (images, ("image", "split", "label")),
        (queries, ("query", "split", "source", "target", "caption_1")),
    ):
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise InputError(f"the tables lack {', '.join(lacking)}; are they FashionIQ or CIRR?")
    images = images[images["split"] == split]
    queries = queries[(queries["split"] == split) & (queries["target"] != "")]
    if queries.empty:
        raise InputError(f"split {split!r} has no query with a target; val has")
    label = images.set_index("image")["label"]
    if "category" in images:  # the names of all whose lists an image is in
        images = images.assign(category=images["category"].str.split(" ")).explode("category")
    category = images["category"] if "category" in images else pd.Series("all", images.index)
    captions = sorted(column for column in queries if column.startswith("caption_"))
    asked = queries["category"] if "category" in queries else pd.Series("all", queries.index)
    members = None
    if "members" in queries:
        members = [np.array(words.split(), dtype=str) for words in queries["members"]]
    return Triplets(
        ids=queries["query"].to_numpy(dtype=str),
        category=asked.to_numpy(dtype=str),
        source=label[queries["source"]].to_numpy(dtype=str),
        target=label[queries["target"]].to_numpy(dtype=str),
        captions=queries[captions].to_numpy(dtype=str),
        galleries={
            name: part.to_numpy(dtype=str) for name, part in images["label"].groupby(category)
        },
        members=members,
        missing=missing,
    )


def of_prepared(data: Prepared, split: str | None = None) -> Triplets:
    """The triplets of a split of a prepared FashionIQ or CIRR; errors as `of_tables`.

    By default those of the released validation split, which papers report. It is "test" where the
    data are split for training; the released test split has no targets, so it is never there.
    """
    split = split or ("test" if (data.queries["split"] == "test").any() else "val")
    coverage = data.info.get("coverage", {})
    missing = sum(c["missing"] for where, c in coverage.items() if where.split("/")[0] == split)
    return of_tables(data.images, data.queries, split, missing)


def texts(triplets: Triplets, name: str) -> list[str]:
    """The T texts a protocol asks features for, by the names in `protocol.CAPTIONS`.

    "1", "2": that caption. "1 and 2", "2 and 1": both, joined by "and". "category": the category,
    then both captions joined by "and it", in small letters, as ComposeAE writes them. What else a
    codebase does to the letters (a capital, no full stop) belongs to its text encoder.

    Raises:
        InputError: unknown name, or there is no second caption.
    """
    one_of("text", name, ("1", "2", "1 and 2", "2 and 1", "category"))
    if name != "1" and triplets.captions.shape[1] < 2:
        raise InputError(f"the text {name!r} needs two captions a triplet, there is one")
    if name in ("1", "2"):
        return triplets.captions[:, int(name) - 1].tolist()
    if name == "category":
        both = zip(triplets.category, triplets.captions, strict=True)
        return [f"{category} {' and it '.join(pair)}".lower() for category, pair in both]
    order = [0, 1] if name == "1 and 2" else [1, 0]
    return [join(pair) for pair in triplets.captions[:, order].tolist()]


def gallery(triplets: Triplets, category: str, protocol: Protocol) -> np.ndarray:
    """(G,) str: the images that triplets of a category are ranked against, each once.

    "category": all that the split lists. "triplets" (VAL): those that occur in a triplet of the
    category. "all categories" (ComposeAE, which drops repeated images from its rankings).
    """
    if protocol.pool == "all categories":
        return triplets.images
    if protocol.pool == "triplets":
        rows = triplets.category == category
        return _union([triplets.source[rows], triplets.target[rows]])
    return triplets.galleries[category]


def score(
    triplets: Triplets,
    images: np.ndarray,
    queries: QueryFeatures,
    protocol: Protocol,
    seed: int = 0,
) -> dict:
    """Recall of one set of features under one protocol, by category and over all.

    Args:
        images: (N, D) number, row i belongs to `triplets.images[i]`.
        queries: gives the (T, D) features of every triplet with the text of a name; it is asked
            only for those the protocol needs. Where the protocol averages two, they are scaled to
            length 1 before.
        protocol: a preset with a rule for captions.
        seed: of the bootstrap.

    Returns:
        protocol; queries, gallery (sizes; of all categories together), metrics; interval;
        categories: name -> its own queries, gallery, metrics and ranks (one a query; the queries
        of a triplet follow one another). metrics: "R@k", and "R_s@k" among a triplet's own few
        images, then the means of two that papers print (`AVERAGES`), in percent: value, low, high,
        chance.

    Intervals resample triplets within each category: two captions of a triplet fall together.

    Raises:
        InputError: features do not fit, or the protocol is not one for these data.
    """
    protocol = _fitting(protocol, triplets)
    if len(images) != len(triplets.images):
        raise InputError(f"{len(images)} image features for {len(triplets.images)} images")
    images = recall.unit_rows(images, "image")
    asked = [_features(triplets, queries, names) for names in CAPTIONS[protocol.captions]]
    for features in asked:
        recall.check_widths(features, images)
    stacked = np.stack(asked, axis=1)  # (T, queries a triplet, D)
    generator = np.random.default_rng(check_seed(seed))
    categories = {}
    for name in triplets.galleries:
        rows = np.flatnonzero(triplets.category == name)
        if len(rows):
            categories[name] = _category(
                triplets, name, rows, images, stacked[rows], protocol, generator
            )
    metrics = {
        key: _mean([found["draws"][key] for found in categories.values()])
        for key in next(iter(categories.values()))["draws"]
    }
    for found in categories.values():
        found["metrics"] = {k: _mean([v]) for k, v in found.pop("draws").items()}
    return {
        "protocol": protocol.as_dict(),
        "queries": sum(found["queries"] for found in categories.values()),
        "gallery": len(_union(gallery(triplets, name, protocol) for name in categories)),
        "interval": {
            "method": "percentile bootstrap over triplets, within categories",
            "level": recall.LEVEL,
            "resamples": recall.RESAMPLES,
            "seed": seed,
        },
        "metrics": metrics,
        "categories": categories,
    }


def table(results: Sequence[Mapping]) -> pd.DataFrame:
    """Mean over training runs of one protocol: a row a category and one for "mean".

    Args:
        results: of `score`, one a seed.

    Returns:
        Index category; columns queries, gallery, and for each metric its value, low, high and
        chance ("R@10", "R@10 low", ...), each averaged over the runs: the interval is how sure
        one run's number is, not how much runs differ.

    Raises:
        InputError: the results are of different protocols or different data.
    """
    only_protocol(result["protocol"] for result in results)
    rows: dict[str, list[dict]] = {}
    for result in results:
        for name, part in {**result["categories"], "mean": result}.items():
            row = {"queries": part["queries"], "gallery": part["gallery"]}
            for metric, m in part["metrics"].items():
                row[metric] = m["value"]
                row |= {f"{metric} {key}": m[key] for key in ("low", "high", "chance")}
            rows.setdefault(name, []).append(row)
    for name, found in rows.items():
        sizes = {(row["queries"], row["gallery"]) for row in found}
        if len(sizes) > 1 or len(found) != len(results):
            raise InputError(f"{name}: the results are of different data, they cannot be averaged")
    means = {name: pd.DataFrame(found).mean() for name, found in rows.items()}
    out = pd.DataFrame(means).T.rename_axis("category")
    return out.astype({"queries": int, "gallery": int})


def _fitting(protocol: Protocol, triplets: Triplets) -> Protocol:
    """The protocol, named as another where images are missing."""
    check_scorer(protocol, "fashioniq_cirr")
    needed = 1 if protocol.captions == "one" else 2
    if triplets.captions.shape[1] != needed:
        raise InputError(
            f"{protocol.name} is for {needed} caption(s) a triplet, these data have "
            f"{triplets.captions.shape[1]}"
        )
    if protocol.subset_cutoffs and triplets.members is None:
        raise InputError(f"{protocol.name} needs the members of each triplet's subset")
    if protocol.aggregate == "mean over queries" and len(triplets.galleries) > 1:
        raise InputError(f"{protocol.name} has no categories, these data have several")
    if triplets.missing:
        gallery = f"{protocol.gallery}, {triplets.missing} images missing"
        return protocol.changed(gallery=gallery)
    return protocol


def _features(triplets: Triplets, queries: QueryFeatures, names: Sequence[str]) -> np.ndarray:
    """(T, D) float32 of length 1: the features of one text, or the mean of those of several."""
    found = []
    for name in names:
        features = recall.unit_rows(queries(name), f"query {name!r}")
        if len(features) != len(triplets.ids):
            raise InputError(
                f"{len(features)} features of the text {name!r} for {len(triplets.ids)} triplets"
            )
        found.append(features)
    return recall.unit_rows(np.mean(found, axis=0), "query") if len(found) > 1 else found[0]


def _category(
    triplets: Triplets,
    name: str,
    rows: np.ndarray,
    images: np.ndarray,
    queries: np.ndarray,
    protocol: Protocol,
    generator: np.random.Generator,
) -> dict:
    """Score the triplets at `rows`, all of one category; queries: (len(rows), n, D)."""
    ranked = gallery(triplets, name, protocol)
    place = {image: i for i, image in enumerate(triplets.images.tolist())}
    here = {image: i for i, image in enumerate(ranked.tolist())}
    each = np.repeat(rows, queries.shape[1])
    flat = queries.reshape(len(each), -1)
    source = np.array([here.get(image, -1) for image in triplets.source[each].tolist()])
    features = images[[place[image] for image in ranked.tolist()]]
    arguments = triplets.target[each], ranked, source, protocol
    ranks = recall.ranks(flat, features, *arguments)
    counts = recall.pool(*arguments)
    hits = {f"R@{k}": (ranks.hits(k), recall.chance_recall(counts, k)) for k in protocol.cutoffs}
    if protocol.subset_cutoffs:
        subset, sizes = _subset_ranks(triplets, each, place, images, flat, protocol)
        for k in protocol.subset_cutoffs:
            hits[f"R_s@{k}"] = (subset.hits(k), float(np.minimum(k / sizes, 1).mean()))
    draws = {}

    def draw(key: str, hit: np.ndarray, chance: float, generator: np.random.Generator) -> None:
        values = 100.0 * hit.reshape(len(rows), -1).mean(axis=1)  # a triplet's share of hits
        draws[key] = (float(values.mean()), _resampled(values, generator), 100 * chance)

    for key, (hit, chance) in hits.items():
        draw(key, hit, chance, generator)
    for a, b in AVERAGES:
        if a in hits and b in hits:
            hit, chance = ((x + y) / 2 for x, y in zip(hits[a], hits[b], strict=True))
            # A stream of its own, so that the intervals of recalls are the same with and without.
            draw(f"mean of {a} and {b}", hit, chance, generator.spawn(1)[0])
    return {
        "queries": len(each),
        "gallery": len(ranked),
        "ids": triplets.ids[each].tolist(),
        "ranks": ranks.expected.tolist(),
        "draws": draws,
    }


def _subset_ranks(
    triplets: Triplets,
    rows: np.ndarray,
    place: dict[str, int],
    images: np.ndarray,
    queries: np.ndarray,
    protocol: Protocol,
) -> tuple[Ranks, np.ndarray]:
    """Rank of the target among its triplet's few images, and how many these are, (Q,)."""
    ranks, sizes = Ranks.empty(len(rows)), np.empty(len(rows))
    for i, row in enumerate(rows):
        left_out = triplets.source[row] if protocol.drop_source else None
        names = [name for name in triplets.members[row].tolist() if name != left_out]
        # One gallery, one query: ties and tolerance stay those of recall.
        found = recall.ranks(
            queries[i : i + 1],
            images[[place[name] for name in names]],
            triplets.target[[row]],
            np.array(names),
            np.array([-1]),
            protocol,
        )
        ranks.put(slice(i, i + 1), found)
        sizes[i] = len(names)
    return ranks, sizes


def _resampled(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Means of resamples of (T,) values; few of these differ, so drawing counts is enough."""
    unique, counts = np.unique(values, return_counts=True)
    draws = generator.multinomial(len(values), counts / len(values), size=recall.RESAMPLES)
    return draws @ unique / len(values)


def _mean(parts: list[tuple[float, np.ndarray, float]]) -> dict:
    """Value, interval and chance of the mean of categories, each weighing the same."""
    values, draws, chances = zip(*parts, strict=True)
    tail = (1 - recall.LEVEL) / 2
    low, high = np.quantile(np.mean(draws, axis=0), [tail, 1 - tail])
    return {
        "value": float(np.mean(values)),
        "low": float(low),
        "high": float(high),
        "chance": float(np.mean(chances)),
    }


def _union(parts) -> np.ndarray:
    return np.array(list(dict.fromkeys(name for part in parts for name in part.tolist())), str)
