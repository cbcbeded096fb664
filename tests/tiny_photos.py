"""A prepared data set whose training pairs are drawn: 40 pictures of noise with two attributes."""

from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.data import prepared
from cmir_repro.data.prepared import Prepared

COLOURS, TYPES = ("red", "blue", "green"), ("top", "skirt", "shoe", "bag")
RULE = {"rule": "attributes", "columns": ["colour", "type"]}
SIZES = {"train": 24, "val": 8, "test": 8}


def write(folder: Path, height: int = 32, width: int = 32, **info) -> Prepared:
    """Colour and type go round in every split; val and test ask for another colour of the type.

    The pictures lie in two files, "a" and "b", each with some of every split.
    """
    images, queries = [], []
    for split, count in SIZES.items():
        for i in range(count):
            words = COLOURS[i % 3], TYPES[i // 3 % 4]
            n = len(images)
            images.append((f"{split}_{i}", split, "ab"[n % 2], n // 2, " ".join(words), *words))
    columns = [*prepared.IMAGE_COLUMNS, *RULE["columns"]]
    images = pd.DataFrame(images, columns=columns)
    for split in ("val", "test"):
        here = images[images["split"] == split]
        for source in here.itertuples():
            others = here[(here["type"] == source.type) & (here["colour"] != source.colour)]
            target = others.iloc[0]
            text = f"replace {source.colour} with {target['colour']}"
            queries.append((f"to_{source.image}", split, source.image, target["image"], text))
    queries = pd.DataFrame(queries, columns=prepared.QUERY_COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate("ab"):
        noise = np.random.default_rng(number).integers(0, 256, (20, height, width, 3), np.uint8)
        np.save(folder / f"pixels-photo-{part}.npy", noise)
    about = {
        "name": folder.name,
        "provenance": {"kind": "noise"},
        "sources": [],
        "licence": "MIT",
        "left_out": [],
        "protocol": "own/same-caption",
        "tasks": {"photo": ["photo", "photo"]},
        "training_pairs": RULE,
    }
    prepared.write(folder, about | info, images, queries)
    return Prepared(folder)
