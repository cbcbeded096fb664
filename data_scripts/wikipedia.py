"""The Wikipedia benchmark (Rasiwasia et al. 2010) into the prepared layout."""

from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.files import sha256
from cmir_repro.data.labelled import IMAGE, LABELS, TEXT
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare import labels as labelled_release
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.files import lines
from cmir_repro.data.readers.matlab import MatFile
from data_scripts import options

FEATURES = ("wikiData.mat", "raw_features.mat")  # the first there is
CATEGORIES = "categories.list"
SPLITS = {"train": ("trainset_txt_img_cat.list", "tr"), "test": ("testset_txt_img_cat.list", "te")}
EXPECTED = {
    "pairs, train and val": 2_173,
    "pairs, test": 693,
    "numbers of a picture": 128,  # histogram of SIFT words
    "numbers of a text": 10,  # topics of an LDA
    "categories": 10,
}
ORIGIN = {
    "sources": ["https://github.com/BMC-SDNU/Cross-Modal-Retrieval"],
    "licence": "none stated",
}


def counts(
    images: pd.DataFrame, picture: np.ndarray, text: np.ndarray, categories: list[str]
) -> dict[str, int]:
    """What is audited; pictures and texts with the numbers of another can be copies."""
    test = (images["split"] == "test").to_numpy()
    same = np.unique(picture, axis=0, return_inverse=True)[1].ravel()
    each = images["label"].value_counts()
    return {
        "pairs, train and val": int((~test).sum()),
        "pairs, test": int(test.sum()),
        "numbers of a picture": picture.shape[1],
        "numbers of a text": text.shape[1],
        "categories": len(categories),
        "pairs of the rarest category": int(each.min()),
        "pairs of the most frequent category": int(each.max()),
        "pictures with the numbers of an earlier one": len(same) - len(np.unique(same)),
        "test pictures with the numbers of one of train": int(
            np.isin(same[test], same[~test]).sum()
        ),
    }


def _listed(root: Path, split: str, categories: int) -> pd.DataFrame:
    """image, split, text (ids of both) and category (from 0) of the pairs of a list."""
    path = root / SPLITS[split][0]
    rows = []
    for number, line in enumerate(lines(path), start=1):
        parts = line.split("\t")
        wrong = len(parts) != 3 or not all(parts[:2])
        if wrong or not (parts[2].isdecimal() and 1 <= int(parts[2]) <= categories):
            raise InputError(
                f"{path}, line {number}: expected text, image and category (1 to {categories}) "
                f"with tabs between, found {line!r:.80}"
            )
        rows.append((parts[1], split, parts[0], int(parts[2]) - 1))
    return pd.DataFrame(rows, columns=["image", "split", "text", "category"])


def _features(path: Path, images: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """float32 (N, F) of the pictures and (N, D) of the texts, train before test as in `images`."""
    parts = {"I": [], "T": []}
    with MatFile(path) as mat:
        for split, (file, short) in SPLITS.items():
            here = images[images["split"] == split]
            for what, found in parts.items():
                found.append(mat.take(f"{what}_{short}").astype(np.float32))
                if found[-1].ndim != 2 or len(found[-1]) != len(here):
                    raise InputError(
                        f"{path}: {what}_{short} is {found[-1].shape}, but {file} lists "
                        f"{len(here):,} pairs; get both again"
                    )
                if not np.isfinite(found[-1]).all():
                    raise InputError(f"{path}: {what}_{short} holds a number that is not finite")
            if f"L_{short}" in mat.shapes:
                label = mat.take(f"L_{short}").ravel()
                if not np.array_equal(label, here["category"] + 1):
                    raise InputError(f"{path}: L_{short} differs from {file}; get both again")
    for what, (train, test) in parts.items():
        if train.shape[1] != test.shape[1]:
            raise InputError(
                f"{path}: {what}_tr has {train.shape[1]} columns, {what}_te {test.shape[1]}"
            )
    return np.concatenate(parts["I"]), np.concatenate(parts["T"])


def prepare(
    *,
    root: options.Folder,
    name: options.OwnName = "wikipedia",
    val: options.Val = 0.1,  # our choice: the benchmark has no validation split
    seed: options.Seed = 0,
    partial: options.Partial = False,
) -> Prepared:
    """The Wikipedia benchmark (Rasiwasia et al. 2010): pairs with features and a category.

    FOLDER holds raw_features.mat or wikiData.mat (I_tr, I_te, T_tr, T_te, and perhaps L_tr, L_te),
    the lists trainset_txt_img_cat.list and testset_txt_img_cat.list, and categories.list. A share
    of train becomes val. The audit must give the known counts; --partial takes others.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder; --root is the folder with {FEATURES[1]}")
    mat = next((root / file for file in FEATURES if (root / file).exists()), root / FEATURES[1])
    categories = lines(root / CATEGORIES)
    images = pd.concat([_listed(root, split, len(categories)) for split in SPLITS])
    images = images.reset_index(drop=True)
    picture, text = _features(mat, images)
    numbers = images.pop("category").to_numpy()
    images["label"] = np.array(categories, dtype=object)[numbers]
    facts = counts(images, picture, text, categories)
    checks.audit(facts, EXPECTED, "the Wikipedia benchmark", partial)
    with naming(root):
        images["split"] = labelled_release.hold_out(images["split"].to_numpy(), val, seed)
    files = (mat.name, CATEGORIES, *(list_ for list_, _ in SPLITS.values()))
    record = {
        **ORIGIN,
        "provenance": {
            "kind": "released",
            "files": {file: sha256(root / file) for file in files},
            "splits": f"as released; of train a share of {val} is val, drawn with seed {seed}",
        },
        "left_out": [],
        "audit": [{"fact": fact, "found": found} for fact, found in facts.items()],
        "text": {"kind": "features", "names": [f"topic {n + 1}" for n in range(text.shape[1])]},
        "categories": categories,
    }
    labels = np.eye(len(categories), dtype=np.uint8)[numbers]
    arrays = {TEXT: text, LABELS: labels, IMAGE: picture}
    return checks.tell(labelled_release.finish(name, record, images, arrays, release="Wikipedia"))


if __name__ == "__main__":
    options.as_command(__file__)
