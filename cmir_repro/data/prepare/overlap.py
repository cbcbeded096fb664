"""What is trained on and what is scored, compared by content: copies are counted, for every layout.

A picture under two names, or one that a release lists twice, is known by its prepared pixels, an
image without pixels by the features that came with it, a sentence by its text.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

SCORED = ("val", "test")
_FEATURES = ("image", "regions")  # ready arrays that tell one image from another


def overlap(
    folder: Path, images: pd.DataFrame, sentences: pd.DataFrame | None = None
) -> dict[str, int]:
    """How much of val and test is also trained on, counted; nothing where there is no copy.

    Args:
        folder: with the pixel files and ready arrays.
        images: the image table; what has a column `trains` is trained on where that is true.
        sentences: the table of sentences, if there are any.

    Returns:
        In words what -> count, the counts above 0.
    """
    split = images["split"].where(images.get("trains", True) | (images["split"] != "train"), "")
    found: dict[str, int] = {}
    for view, digests in _digests(folder, images):
        trained = set(digests[split == "train"])
        for name in SCORED:
            same = digests[split == name].isin(trained)
            found[f"pictures of {name} that train has too ({view})"] = int(same.sum())
    if sentences is not None:
        split = sentences["image"].map(split.set_axis(images["image"]))
        trained = set(sentences["text"][split == "train"])
        for name in SCORED:
            same = sentences["text"][split == name].isin(trained)
            found[f"sentences of {name} that train has too"] = int(same.sum())
    return {what: count for what, count in found.items() if count}


def _digests(folder: Path, images: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """For each view the digest of what it holds of each image, by the image table's index."""
    views = {path.stem.split("-")[1] for path in folder.glob("pixels-*.npy")}
    kinds = [f"pixels-{view}" for view in sorted(views)]
    kinds += [f"ready-{name}" for name in _FEATURES if any(folder.glob(f"ready-{name}-*.npy"))]
    for kind in kinds:
        out = pd.Series("", index=images.index)
        for part, rows in images.groupby("part")["row"]:
            array = np.load(folder / f"{kind}-{part}.npy", mmap_mode="r", allow_pickle=False)
            unlike = {
                row: hashlib.blake2b(np.ascontiguousarray(array[row]), digest_size=16).hexdigest()
                for row in sorted(set(rows))
            }
            out[rows.index] = rows.map(unlike)
        yield kind.partition("-")[2], out
