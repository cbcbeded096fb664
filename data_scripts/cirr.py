"""CIRR into the prepared layout: annotations, and photographs where you have them.

    python data_scripts/cirr.py --root DIR --annotations-only
    python data_scripts/cirr.py --root DIR --images DIR [--size 224] [--allow-missing]

--root holds captions/cap.rc2.{train,val,test1}.json and
image_splits/split.rc2.{train,val,test1}.json; --images holds the pictures at the paths that the
split files give (train/34/train-11041-2-img0.png). Captions of a split may be absent. The audit
is printed and must give the known counts. Where to get the files, and what the audit prints:
cirr.md.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from cmir_repro import paths
from cmir_repro.data import annotations, audit, photographs
from cmir_repro.data.annotations import CIRR_SPLITS, Annotations
from cmir_repro.errors import InputError

INFO = {
    "sources": [
        "https://github.com/Cuberick-Orion/CIRR (branch cirr_dataset)",
        "https://lil.nlp.cornell.edu/nlvr/ (photographs, on request)",
    ],
    "licence": "annotations: MIT; photographs: NLVR2's terms",
    "protocol": "cirr/official",
    "left_out": ["target_soft (other images that may count as correct): not read"],
}
# Counted in Cuberick-Orion/CIRR, branch cirr_dataset, commit 2276fba, which lacks the captions of
# train: nothing is expected of these.
EXPECTED = {
    "images, train": 16939,
    "images, val": 2297,
    "images, test1": 2315,
    "images in more than one split": 0,
    "triplets, val": 4181,
    "triplets, test1": 4148,
    "test1 triplets with a target": 0,
    "empty captions, val": 0,
    "empty captions, test1": 1,
    "val triplets of other than 6 images": 0,
    "test1 triplets of other than 6 images": 0,
}


def facts(found: Annotations) -> dict[str, int]:
    """The counts of EXPECTED, and the triplets of train, computed from what was read."""
    images, queries = found.images, found.queries
    out = {
        f"images, {released}": int((images["split"] == split).sum())
        for split, released in CIRR_SPLITS.items()
    }
    out["images in more than one split"] = int(images["label"].duplicated().sum())
    for split, released in CIRR_SPLITS.items():
        out[f"triplets, {released}"] = int((queries["split"] == split).sum())
    test = queries["split"] == "test"
    out["test1 triplets with a target"] = int((queries.loc[test, "target"] != "").sum())
    for split in ("val", "test"):
        rows, released = queries[queries["split"] == split], CIRR_SPLITS[split]
        out[f"empty captions, {released}"] = int((rows["caption_1"] == "").sum())
        sizes = rows["members"].str.split().str.len()
        out[f"{released} triplets of other than 6 images"] = int((sizes != 6).sum())
    return out


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="captions/ and image_splits/")
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--images", type=Path, help="folder that the paths start from")
    pictures.add_argument("--annotations-only", action="store_true", help="tables, no pixels")
    parser.add_argument("--size", type=int, default=224, help="of the squares, in pixels")
    parser.add_argument("--allow-missing", action="store_true", help="leave out absent pictures")
    parser.add_argument("--partial", action="store_true", help="take files with other counts")
    parser.add_argument("--name", default="cirr", help="of the prepared data set")
    given = parser.parse_args(arguments)
    try:
        found = annotations.cirr(given.root)
        counts = facts(found)
        print(audit.table(counts, EXPECTED))
        print("\n".join(f"absent: {name}" for name in found.absent))
        if not given.partial:
            audit.check(counts, EXPECTED, "CIRR as released")
        data = photographs.prepare(
            given.name, found, INFO, given.images, given.size, given.allow_missing
        )
    except InputError as error:
        sys.exit(f"cirr.py: {error}")
    print(f"{data.info['name']} in {paths.shown(data.folder)}, pixels: "
          f"{data.info['provenance']['pixels']}")  # fmt: skip
    print(pd.DataFrame(data.info["coverage"]).T.to_string())


if __name__ == "__main__":
    main()
