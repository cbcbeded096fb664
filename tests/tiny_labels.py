"""A small data set with ready features, tags and categories, in which tags and features agree."""

import numpy as np
import pandas as pd

from cmir_repro.data.labelled import IMAGE, LABELS, TEXT
from cmir_repro.data.prepare import labels as label_data
from cmir_repro.data.prepare import writer

N, F, D, C = 72, 10, 8, 4
SPLITS = ("test",) * 14 + ("val",) * 10 + ("train",) * 48
INFO = {
    "name": "tiny-labels",
    "provenance": {"kind": "released"},
    "sources": [],
    "licence": "none",
    "left_out": [],
    "protocol": "map-all",
    "tasks": {},
}


def arrays(seed=0):
    """Every image has one or two categories, which its features and tags tell with noise."""
    rng = np.random.default_rng(seed)
    labels = np.eye(C, dtype=np.uint8)[rng.integers(C, size=N)]
    labels |= np.eye(C, dtype=np.uint8)[rng.integers(C, size=N)]
    features = labels @ rng.normal(size=(C, F)) * 5 + rng.normal(size=(N, F))
    text = np.concatenate([labels, labels], 1) & (rng.random((N, D)) < 0.8)
    return {TEXT: text.astype(np.uint8), LABELS: labels, IMAGE: features.astype(np.float16)}


def write(root, splits=SPLITS, kind="tags", info=None, **changed):
    """The data set in `root`, with other arrays or facts if asked for; None leaves an array out."""
    info = {**INFO, **(info or {})}
    folder = root / info["name"]
    folder.mkdir(parents=True, exist_ok=True)
    images = pd.DataFrame(
        {"image": [f"p{i:02d}" for i in range(N)], "split": list(splits), "label": ""}
    )
    parts = {name: array for name, array in {**arrays(), **changed}.items() if array is not None}
    words = [f"word {i}" for i in range(parts[TEXT].shape[1])]
    names = [f"kind {i}" for i in range(parts[LABELS].shape[1])]
    info |= {"text": {"kind": kind, "names": words}, "categories": names}
    made = label_data.content(info, images, parts)
    return writer.write(folder, made)
