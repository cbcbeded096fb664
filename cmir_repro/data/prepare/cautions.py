"""What a data set cannot be used for, or what its numbers would not show: said at preparation."""

import numpy as np
import pandas as pd

from cmir_repro.data.labelled import LABELS
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.tokenizers import tokens_of


def cautions(data: Prepared) -> list[str]:
    """Whole sentences, in the order in which they matter; empty: there is nothing to say."""
    return [*_splits(data), *_one_input(data), *_several_answers(data), *_categories(data)]


def _splits(data: Prepared) -> list[str]:
    here = set(data.images["split"])
    if "train" not in here:
        return ["no image is for training, so this can be scored, not trained on"]
    out = []
    if "val" not in here:
        out.append("no image is for validation, so training on this keeps the last step")
    if "test" not in here:
        out.append("no image is for the test, so nothing that trains on this can be scored")
    return out


def _one_input(data: Prepared) -> list[str]:
    """Whether the sentences of the test, or its source images, alone say what is wanted.

    They do where some come several times and all lead to one label each (our choice: sentences
    that come once each tell nothing).
    """
    queries = data.queries[data.queries["split"] == "test"]
    if queries.empty or "also" in queries:
        return []
    labels = data.images.set_index("image")["label"]
    wanted = labels[queries["target"]].to_numpy()
    said = [" ".join(tokens_of(text)) for text in queries["text"]]
    out = []
    for values, what in ((said, "sentence"), (queries["source"], "source image")):
        each = pd.Series(wanted).groupby(np.asarray(values)).agg(["nunique", "size"])
        if (each["nunique"] == 1).all() and (each["size"] > 1).any():
            other = "source image" if what == "sentence" else "sentence"
            out.append(
                f"each {what} of the test leads to one label whatever the {other} is, so the "
                f"{what} alone solves it: its numbers do not show composition"
            )
    return out


def _several_answers(data: Prepared) -> list[str]:
    """Queries that say the same as others and want something else: a release keeps them apart."""
    queries = data.queries[data.queries["split"] != "train"]
    if queries.empty or "also" in queries:
        return []
    labels = data.images.set_index("image")["label"]
    wanted = pd.Series(labels[queries["target"]].to_numpy())
    said = np.array([" ".join(tokens_of(text)) for text in queries["text"]])
    several = wanted.groupby([queries["source"].to_numpy(), said]).transform("nunique") > 1
    if not several.any():
        return []
    return [
        f"{several.sum():,} of {len(queries):,} queries of validation and test have the source "
        "image and the words of another query and a different target, which counts as wrong here"
    ]


def _categories(data: Prepared) -> list[str]:
    """Whether what is relevant to the test images tells methods apart."""
    if not data.has_ready(LABELS):
        return []
    labels = data.gather(np.arange(len(data.images)), lambda part: data.ready(LABELS, part)) > 0
    asked = (data.images["split"] == "test").to_numpy()
    if not asked.any() or asked.all():
        return []
    database = labels[~asked]
    carried = database.sum(0)
    alone = ~(labels[asked] & (carried > 0)).any(1)
    out = []
    if alone.any():
        out.append(
            f"{alone.sum():,} of {asked.sum():,} queries share no category with the database, so "
            "no metric counts them"
        )
    everywhere = (carried == len(database)) & labels[asked].all(0)
    if everywhere.any():
        out.append("every image has one category in common, so every ranking is perfect")
    return out
