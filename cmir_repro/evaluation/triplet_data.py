"""FashionIQ's validation triplets from wherever they are, or a made-up stand-in that says so."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core import paths
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashioniq_cirr as annotations
from cmir_repro.evaluation import fashioniq_cirr
from cmir_repro.evaluation.fashioniq_cirr import Triplets


def fashioniq(folder: str | Path = "") -> tuple[Triplets, str]:
    """The triplets, and in words what they are.

    Looked for in this order: `folder` with captions/ and image_splits/; the prepared data set
    "fashioniq"; the folder fashioniq in CMIR_REAL_DATA; else they are made up.

    Raises:
        InputError: `folder` or the data set is there, but cannot be used.
    """
    real = Path(os.environ.get("CMIR_REAL_DATA") or os.devnull, "fashioniq")
    prepared = paths.data() / "fashioniq"
    if not folder and (prepared / "dataset.json").exists():
        return fashioniq_cirr.of_prepared(Prepared(prepared)), "FashionIQ, prepared"
    if folder or real.is_dir():
        found = annotations.fashioniq(Path(folder or real))
        return fashioniq_cirr.of_tables(
            found.images, found.queries, "val"
        ), "FashionIQ, as released"
    return made_up(), "MADE UP, not FashionIQ: the numbers mean nothing"


def made_up(seed: int = 0, listed: int = 120, triplets: int = 60) -> Triplets:
    """Triplets of FashionIQ's structure without its numbers.

    Args:
        seed: of the draw.
        listed: images a category; six are in both shirt and toptee, as 121 are in FashionIQ.
        triplets: of each category.
    """
    rng = np.random.default_rng(seed)
    images, queries = [], []
    for category in annotations.CATEGORIES:
        names = [f"{category}{i}" for i in range(listed)]
        if category == "toptee":
            names[:6] = [f"shirt{i}" for i in range(6)]
        images += [(f"{category}/{name}", "val", category, name) for name in names]
        for i in range(triplets):
            source, target = (f"{category}/{x}" for x in rng.choice(names, 2, replace=False))
            row = (f"{category}/{i}", "val", category, source, target)
            queries.append((*row, "is redder", "has dots"))
    columns = ["query", "split", "category", "source", "target", "caption_1", "caption_2"]
    return fashioniq_cirr.of_tables(
        pd.DataFrame(images, columns=["image", "split", "category", "label"]),
        pd.DataFrame(queries, columns=columns),
        "val",
    )
