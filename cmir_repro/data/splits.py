"""Which images and queries are for training, which for validation and which for the test."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cmir_repro.core.errors import InputError
from cmir_repro.data import prepared
from cmir_repro.data.readers.fashioniq_cirr import Annotations


def at_random(held: np.ndarray, val: float, test: float, rng: np.random.Generator) -> np.ndarray:
    """A split for each of N images: the held ones first, then others at random, go to the test.

    Args:
        held: (N,) bool. val, test: shares of the images; all that are held are in the test.

    Returns:
        (N,) str, as objects.
    """
    order = rng.permutation(len(held))
    order = order[np.argsort(~held[order], kind="stable")]
    count = max(round(test * len(order)), int(held.sum()))
    split = np.full(len(order), "train", dtype=object)
    split[order[:count]] = "test"
    split[order[count : count + round(val * len(order))]] = "val"
    return split


def connected(
    source: pd.Series, target: pd.Series, val: float, test: float, rng: np.random.Generator
) -> np.ndarray:
    """A split for each of n queries; those that share an image, if only over others, stay together.

    Args:
        source, target: (n,) names of images.
        val, test: shares of the queries, about.

    Returns:
        (n,) str.

    Raises:
        InputError: a split would be empty.
    """
    number = pd.factorize(np.concatenate([source, target]))[0]
    source, target = number.reshape(2, -1)
    links = coo_array((np.ones(len(source)), (source, target)), shape=(number.max() + 1,) * 2)
    group = connected_components(links, directed=False)[1][source]
    order = rng.permutation(group.max() + 1)
    size = np.bincount(group, minlength=len(order))[order] / len(source)
    before = np.cumsum(size) - size  # share of the queries in the groups before
    splits = np.select([before < test, before < test + val], ["test", "val"], "train")
    if not {"train", "test", *(["val"] if val else [])} <= set(splits):
        raise InputError(
            f"the {len(source):,} rows are too few, or too many are connected by shared images, "
            "to be split; give a column split, or other --val and --test"
        )
    return splits[np.argsort(order)][group]


def for_training(found: Annotations, share: float, seed: int) -> tuple[Annotations, list[str]]:
    """FashionIQ or CIRR with splits to train on: nobody has targets of the released test split.

    The released validation split becomes "test", as papers report it; a share of the sources of
    train becomes "val", with their queries and targets (`prepared.hold_out`). So that training has
    seen no picture of "val", queries of train that need one are left out, and so are pictures of
    train that no query needs (our choice: nothing can be learnt from them).

    A picture is then a row once a split, whatever categories list it: `category` holds all their
    names, by spaces, and the row has the id that it has in the first.

    Args:
        share: of the sources of train, in (0, 1).

    Returns:
        The release with these splits, and in words what was left out.
    """
    images, queries = found.images, found.queries
    test = images["split"] == "test"
    asked = (queries["split"] != "test") & (queries["target"] != "")
    left_out = [
        f"images of the released test split, which has no targets: {int(test.sum()):,}",
        f"queries without a target: {int((~asked).sum()):,}",
    ]
    images, row_of = _once(images[~test])
    queries = queries[asked]
    queries = queries.assign(**{end: row_of[queries[end]].array for end in ("source", "target")})
    images, queries = (t.assign(split=t["split"].replace("val", "test")) for t in (images, queries))
    if (queries["split"] == "train").any():
        images, queries = prepared.hold_out(images, queries, share, seed)
    split = images.set_index("image")["split"]
    astray = (queries["split"] == "train") & (
        (queries["source"].map(split) == "val") | (queries["target"].map(split) == "val")
    )
    queries = queries[~astray]
    needed = set(queries["source"]) | set(queries["target"])
    idle = (images["split"] == "train") & ~images["image"].isin(needed)
    left_out += [
        f"queries of train that need a picture of val: {int(astray.sum()):,}",
        f"images of train that no query needs: {int(idle.sum()):,}",
    ]
    images, queries = images[~idle].reset_index(drop=True), queries.reset_index(drop=True)
    if "members" in queries:
        here = set(images["split"] + "/" + images["label"])
        rows = zip(queries["split"], queries["members"].str.split(), strict=True)
        kept = [" ".join(m for m in row if f"{split}/{m}" in here) for split, row in rows]
        queries = queries.assign(members=kept)
    return found._replace(images=images, queries=queries), left_out


def _once(images: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """One row for each split and picture, and, by the ids of all rows, the id of that one."""
    place = images["split"] + "/" + images["label"]
    same = images.groupby(place, sort=False)  # in order of first mention
    once = images[~place.duplicated()].assign(category=same["category"].agg(" ".join).array)
    return once, place.map(same["image"].first()).set_axis(images["image"])
