"""Flickr30K, COCO and their relatives in exactly their raw layouts, made small."""

import gzip
from pathlib import Path

import numpy as np
from tiny_releases import write

WORDS = ("one", "two", "three", "four", "five", "six")
SPLITS = {"train": 3, "val": 2, "test": 2}  # images


def ids(split: str) -> list[str]:
    start = 1000 * (1 + list(SPLITS).index(split))
    return [str(start + number) for number in range(SPLITS[split])]


def said(image: str, count: int = 5) -> list[str]:
    return [f"A dog, number {word}, of {image}." for word in WORDS[:count]]


def _sentences(image: str, start: int, count: int = 5) -> list[dict]:
    return [
        {
            "tokens": text.lower().strip(".").replace(",", "").split(),
            "raw": text,
            "imgid": start,
            "sentid": start * 5 + k,
        }
        for k, text in enumerate(said(image, count))
    ]


def flickr30k(path: Path) -> Path:
    """Karpathy's file without filepath and cocoid."""
    images = []
    for split in SPLITS:
        for image in ids(split):
            n = len(images)
            entry = {
                "sentids": [5 * n + k for k in range(5)],
                "imgid": n,
                "sentences": _sentences(image, n),
                "split": split,
                "filename": f"{image}.jpg",
            }
            images.append(entry)
    write(path, {"images": images, "dataset": "flickr30k"})
    return path


def coco_karpathy(path: Path) -> Path:
    """Karpathy's file with folders, restval, and a test image of six sentences."""
    images = []
    for split, names in (("train", ["11"]), ("restval", ["21", "22"]), ("val", ["31"])):
        for name in names:
            images.append((split, name, 5))
    images.append(("test", "41", 6))
    entries = []
    for n, (split, name, count) in enumerate(images):
        folder = "train2014" if split == "train" else "val2014"
        entry = {
            "filepath": folder,
            "sentids": [5 * n + k for k in range(count)],
            "filename": f"COCO_{folder}_{int(name):012d}.jpg",
            "imgid": n,
            "split": split,
            "sentences": _sentences(name, n, count),
            "cocoid": int(name),
        }
        entries.append(entry)
    write(path, {"images": entries, "dataset": "coco"})
    return path


def albef(folder: Path) -> list[Path]:
    """flickr30k_{train,val,test}.json: one caption an entry in train, a list in the others."""
    train = [
        {"image": f"flickr30k-images/{image}.jpg", "caption": text, "image_id": number}
        for number, image in enumerate(ids("train"))
        for text in said(image)
    ]
    write(folder / "flickr30k_train.json", train)
    for split in ("val", "test"):
        entries = [
            {"image": f"flickr30k-images/{image}.jpg", "caption": said(image)}
            for image in ids(split)
        ]
        write(folder / f"flickr30k_{split}.json", entries)
    return [folder / f"flickr30k_{split}.json" for split in SPLITS]


def coco(path: Path, images: int = 10) -> Path:
    """captions_val2017.json: annotations in no order of images; the first image has six."""
    listed = [
        {"license": 4, "file_name": f"{n:012d}.jpg", "height": 40, "width": 30, "id": n}
        for n in range(1, images + 1)
    ]
    annotations = []
    for k, _ in enumerate(WORDS):
        for n in range(1, images + 1):
            if k < 5 or n == 1:
                text = said(str(n), 6)[k] + "\n"
                annotations.append({"image_id": n, "id": 100 * k + n, "caption": text})
    write(
        path,
        {"info": {}, "licenses": [], "images": listed, "annotations": annotations},
    )
    return path


def multi30k(root: Path) -> Path:
    """image_splits/*.txt and *.K.en.gz; German beside them is not read."""
    (root / "image_splits").mkdir(parents=True)
    for split, released in (("train", "train"), ("val", "val"), ("test", "test_2016")):
        listed = "".join(f"{image}.jpg\n" for image in ids(split))
        (root / "image_splits" / f"{released}_images.txt").write_text(listed)
        for k in range(5):
            text = "".join(f"{said(image)[k]}\n" for image in ids(split))
            file = root / f"{released}.{k + 1}.en.gz"
            file.write_bytes(gzip.compress(text.encode()))
    return root


def regions(root: Path, testall: bool = False, ids_a_caption: bool = True) -> Path:
    """SCAN's folder, 4 regions of 6 numbers: train a row an image, dev and test five."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    parts = {"train": "train", "dev": "val", "test": "test"} | (
        {"testall": "test"} if testall else {}
    )
    for part, split in parts.items():
        array = rng.normal(size=(SPLITS[split], 4, 6)).astype(np.float32)
        np.save(root / f"{part}_ims.npy", array if part == "train" else array.repeat(5, axis=0))
        texts = [text for image in ids(split) for text in said(image)]
        (root / f"{part}_caps.txt").write_text("\n".join(texts) + "\n")
        each = 5 if ids_a_caption else 1
        listed = [image for image in ids(split) for _ in range(each)]
        (root / f"{part}_ids.txt").write_text("\n".join(listed) + "\n")
    return root


def texts(found, image: str) -> list[str]:
    return found.sentences.loc[found.sentences["image"] == image, "text"].tolist()


def check_flickr(found) -> None:
    """What every layout of the tiny Flickr30K must give."""
    for split in SPLITS:
        here = found.images[found.images["split"] == split]
        assert here["image"].tolist() == here["label"].tolist() == ids(split)
        for image in here["image"]:
            assert texts(found, image) == said(image)
    assert found.sentences["sentence"].is_unique
    assert found.images["image"].is_unique
    assert all(len(digest) == 64 for digest in found.files.values())
