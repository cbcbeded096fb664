"""FashionIQ into the prepared layout: annotations, and photographs or features of them."""

import pandas as pd

from cmir_repro.data.prepare.archive import unpacked
from cmir_repro.data.prepare.triplets import Release, prepare_release
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers import fashioniq_cirr
from cmir_repro.data.readers.fashioniq_cirr import CATEGORIES, Annotations
from data_scripts import options

INFO = {
    "sources": [
        "https://github.com/XiaoxiaoGuo/fashion-iq",
        "https://github.com/hongwang600/fashion-iq-metadata",
    ],
    "licence": "annotations: Community Data License Agreement; photographs: none stated",
    "protocol": "fashioniq/original",
    "left_out": [],
}
VAL_SHARE = 0.05  # of the sources of train; our choice
# Counted in XiaoxiaoGuo/fashion-iq, commit f71b16c.
EXPECTED = {
    "triplets, train dress": 5985,
    "triplets, train shirt": 5988,
    "triplets, train toptee": 6027,
    "triplets, val dress": 2017,
    "triplets, val shirt": 2038,
    "triplets, val toptee": 1961,
    "triplets, test dress": 2024,
    "triplets, test shirt": 2038,
    "triplets, test toptee": 2056,
    "test triplets with a target": 0,
    "captions, train and val": 48032,
    "empty captions, train and val": 15,
    "gallery of val dress, original": 3817,
    "gallery of val shirt, original": 6346,
    "gallery of val toptee, original": 5373,
    "gallery of val dress, images of its triplets (VAL)": 2628,
    "gallery of val shirt, images of its triplets (VAL)": 3089,
    "gallery of val toptee, images of its triplets (VAL)": 2902,
    "gallery of val, all categories, entries": 15536,
    "gallery of val, all categories, unique (ComposeAE)": 15415,
    "unique images of all splits": 74381,
    "images in train and val": 811,
    "images in val shirt and val toptee": 121,
    "val triplets whose target is in a training triplet": 143,
}


def facts(found: Annotations) -> dict[str, int]:
    """The counts of EXPECTED, computed from what was read."""
    images, queries = found.images, found.queries
    label = images.set_index("image")["label"]
    source, target = queries["source"].map(label), queries["target"].map(label)  # no target: NaN
    split, category = queries["split"], queries["category"]
    has_target = queries["target"] != ""
    listed = {key: set(part) for key, part in images["label"].groupby(images["split"])}
    val = images[images["split"] == "val"]
    out = {
        f"triplets, {s} {c}": int(((split == s) & (category == c)).sum())
        for s in SPLITS
        for c in CATEGORIES
    }
    out["test triplets with a target"] = int((has_target & (split == "test")).sum())
    captions = queries.loc[has_target & (split != "test"), ["caption_1", "caption_2"]]
    out["captions, train and val"] = captions.size
    out["empty captions, train and val"] = int((captions == "").to_numpy().sum())
    for c in CATEGORIES:
        out[f"gallery of val {c}, original"] = int((val["category"] == c).sum())
    for c in CATEGORIES:
        rows = (split == "val") & (category == c) & has_target
        used = pd.concat([source[rows], target[rows]]).nunique()
        out[f"gallery of val {c}, images of its triplets (VAL)"] = int(used)
    out["gallery of val, all categories, entries"] = len(val)
    out["gallery of val, all categories, unique (ComposeAE)"] = val["label"].nunique()
    out["unique images of all splits"] = images["label"].nunique()
    out["images in train and val"] = len(listed["train"] & listed["val"])
    of = {c: set(val.loc[val["category"] == c, "label"]) for c in ("shirt", "toptee")}
    out["images in val shirt and val toptee"] = len(of["shirt"] & of["toptee"])
    trained = set(source[split == "train"]) | set(target[split == "train"])
    seen = target[(split == "val") & has_target].isin(trained)
    out["val triplets whose target is in a training triplet"] = int(seen.sum())
    return out


RELEASE = Release(
    title="FashionIQ",
    read=fashioniq_cirr.fashioniq,
    facts=facts,
    expected=EXPECTED,
    info=INFO,
    trained="fashioniq/val-all",
    val_share=VAL_SHARE,
)


def prepare(
    *,
    root: options.Root = None,
    archive: options.Archives = None,
    images: options.Images = None,
    image_features: options.ImageFeatures = None,
    annotations_only: options.AnnotationsOnly = False,
    name: options.OwnName = "fashioniq",
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """FashionIQ: annotations, and photographs or features of them.

    FOLDER holds captions/cap.{dress,shirt,toptee}.{train,val,test}.json and
    image_splits/split.{dress,shirt,toptee}.{train,val,test}.json; --images holds ID.jpg or ID.png.
    With pictures or features it is split for training: the released val is the test, a share of
    train is val. The audit is printed and must give the known counts.
    """
    options.one_given(
        images=images, image_features=image_features, annotations_only=annotations_only
    )
    root = unpacked(root, archive, "fashioniq")
    return prepare_release(
        RELEASE, root, name, images, size, allow_missing, partial, image_features
    )


if __name__ == "__main__":
    options.as_command(__file__)
