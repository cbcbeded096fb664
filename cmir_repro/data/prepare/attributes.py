"""Tables of images with attributes: which pairs of values are kept for the test, and queries."""

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.data import training_pairs
from cmir_repro.data.prepared import SPLITS
from cmir_repro.data.sampling import generator_of


def hold_out_pairs(values: pd.DataFrame, share: float, rng: np.random.Generator) -> np.ndarray:
    """Images of a share of the pairs of values, drawn so that each value stays in another pair.

    Args:
        values: (N, 2), two attributes of each image.
        share: of the distinct pairs, in (0, 1).

    Returns:
        (N,) bool.
    """
    number, distinct = pd.factorize(pd.MultiIndex.from_frame(values))
    left = [distinct.get_level_values(k).value_counts().to_dict() for k in (0, 1)]
    held = []
    for pair in rng.permutation(len(distinct)):
        if len(held) == round(share * len(distinct)):
            break
        if all(left[k][distinct[pair][k]] > 1 for k in (0, 1)):
            held.append(pair)
            for k in (0, 1):
                left[k][distinct[pair][k]] -= 1
    return np.isin(number, held)


def is_unseen(wanted: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    """(n,) bool: the pair of values is not in training, while both values are.

    Args:
        wanted: (n, 2), two attributes of each target. train: (N, 2), the same of the images.
    """
    known = np.logical_and(*(wanted[name].isin(train[name]) for name in wanted))
    together = pd.MultiIndex.from_frame(wanted).isin(pd.MultiIndex.from_frame(train))
    return known.to_numpy() & ~together


def draw_queries(
    images: pd.DataFrame, rule: dict, seed: int, each: int = 1, unseen: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Queries of val and test, drawn within the split by the rule that training pairs follow.

    Args:
        images: image, split and the columns of the rule.
        rule: of the kind "attributes", see data.training_pairs.
        seed: of the draw.
        each: how many are drawn for an image that has a sibling; equal ones count once.
        unseen: two attributes; adds the column "unseen", whether training lacks the wanted pair.

    Returns:
        split, source, target, text, form (the attribute that is replaced), and "unseen".

    Raises:
        InputError: no image of a split has a sibling there.
    """
    columns, tables = rule["columns"], []
    for number, split in enumerate(SPLITS):
        here = images[images["split"] == split]
        if here.empty and split != "test":
            continue
        try:
            index = training_pairs.build(rule, here)
        except InputError as error:
            raise InputError(f"{split}: {error}; change the shares or the attributes") from error
        if split == "train":
            continue
        sources = np.repeat(index.sources, each)
        drawn = index.draw_from(sources, generator_of(seed, number))
        source, target = here.iloc[drawn.source], here.iloc[drawn.target]
        replaced = source[columns].to_numpy() != target[columns].to_numpy()  # (n, K), one a row
        rows = {
            "split": split,
            "source": source["image"].to_numpy(),
            "target": target["image"].to_numpy(),
            "text": drawn.texts,
            "form": np.array(columns, dtype=object)[replaced.argmax(axis=1)],
        }
        if unseen:
            train = images.loc[images["split"] == "train", list(unseen)]
            rows["unseen"] = is_unseen(target[list(unseen)], train)
        # The same words about the same source are the same query, whatever target was drawn.
        tables.append(pd.DataFrame(rows).drop_duplicates(["source", "text"]))
    return pd.concat(tables, ignore_index=True)
