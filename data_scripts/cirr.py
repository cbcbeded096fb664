"""CIRR into the prepared layout: annotations, and photographs or features of them."""

from cmir_repro.data.prepare.archive import unpacked
from cmir_repro.data.prepare.triplets import Release, prepare_release
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashioniq_cirr
from cmir_repro.data.readers.fashioniq_cirr import CIRR_SPLITS, Annotations
from data_scripts import options

INFO = {
    "sources": [
        "https://github.com/Cuberick-Orion/CIRR (branch cirr_dataset)",
        "https://lil.nlp.cornell.edu/nlvr/ (photographs, on request)",
    ],
    "licence": "annotations: MIT; photographs: NLVR2's terms",
    "protocol": "cirr/official",
    "left_out": ["target_soft (other images that may count as correct): not read"],
}
VAL_SHARE = 0.02  # of the sources of train; our choice, few because sets of six share pictures
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


RELEASE = Release(
    title="CIRR",
    read=fashioniq_cirr.cirr,
    facts=facts,
    expected=EXPECTED,
    info=INFO,
    trained="cirr/val-all",
    val_share=VAL_SHARE,
)


def prepare(
    *,
    root: options.Root = None,
    archive: options.Archives = None,
    images: options.Images = None,
    image_features: options.ImageFeatures = None,
    annotations_only: options.AnnotationsOnly = False,
    name: options.OwnName = "cirr",
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """CIRR: annotations, and photographs or features of them.

    FOLDER holds captions/cap.rc2.{train,val,test1}.json and
    image_splits/split.rc2.{train,val,test1}.json; --images holds the pictures at the paths that
    the split files give (train/34/train-11041-2-img0.png). With pictures or features it is split
    for training: the released val is the test, a share of train is val. Captions of a split may be
    absent; without those of train nothing can train. The audit is printed and must give the known
    counts.
    """
    options.one_given(
        images=images, image_features=image_features, annotations_only=annotations_only
    )
    root = unpacked(root, archive, "cirr")
    return prepare_release(
        RELEASE, root, name, images, size, allow_missing, partial, image_features
    )


if __name__ == "__main__":
    options.as_command(__file__)
