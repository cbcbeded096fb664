"""FashionIQ and CIRR in exactly their raw layouts, made small."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = ("dress", "shirt", "toptee")


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def change(path: Path, edit) -> None:
    """Read a JSON file, let `edit` change the value in place, write it back."""
    value = json.loads(path.read_text())
    edit(value)
    write(path, value)


def fashioniq(root: Path) -> Path:
    """Four images a list, two triplets a file.

    B0SHARED is in val shirt and val toptee, B0TWICE in train shirt and val toptee, where it is a
    target; the second caption of the first val toptee triplet is empty; test has no target.
    """
    for split in ("train", "val", "test"):
        for category in CATEGORIES:
            ids = [f"B0{split}{category}{i}".upper() for i in range(4)]
            if split == "val" and category != "dress":
                ids[3] = "B0SHARED"
            if (split, category) in (("train", "shirt"), ("val", "toptee")):
                ids[1] = "B0TWICE"
            entries = [
                {"target": ids[1], "candidate": ids[0], "captions": ["is longer ", f"in {split}"]},
                {"target": ids[2], "candidate": ids[1], "captions": ["is red", "has dots"]},
            ]
            if (split, category) == ("val", "toptee"):
                entries[0]["captions"][1] = ""
            if split == "test":
                entries = [{k: v for k, v in e.items() if k != "target"} for e in entries]
            write(root / f"image_splits/split.{category}.{split}.json", ids)
            write(root / f"captions/cap.{category}.{split}.json", entries)
    return root


def cirr(root: Path, train_captions: bool = True, train_triplets: int = 2) -> Path:
    """Eight images and two triplets a split, each made of six; test1 has no target.

    With more triplets train has 4 images more for each, and no two triplets share one.
    """
    for split, released in (("train", "train"), ("val", "dev"), ("test1", "test1")):
        more = 4 * (train_triplets - 2) if split == "train" else 0
        names = [f"{released}-{i}-0-img{i % 2}" for i in range(8 + more)]
        folder = "train/34" if split == "train" else released
        write(
            root / f"image_splits/split.rc2.{split}.json",
            {name: f"./{folder}/{name}.png" for name in names},
        )
        entries = [
            {
                "pairid": 100 + i,
                "reference": names[i],
                "target_hard": names[i + 2],
                "target_soft": {names[i + 2]: 1.0},
                "caption": f"turn it {'left' if i else 'right'}",
                "img_set": {"id": i, "members": names[i : i + 6], "reference_rank": 1},
            }
            for i in range(2)
        ]
        for i in range(2, 2 + more // 4):
            members = [*names[4 * i : 4 * i + 4], *names[:2]]
            entries.append(
                {
                    "pairid": 100 + i,
                    "reference": members[0],
                    "target_hard": members[1],
                    "caption": "turn it over",
                    "img_set": {"id": i, "members": members, "reference_rank": 1},
                }
            )
        if split == "test1":
            entries = [{k: v for k, v in e.items() if not k.startswith("target")} for e in entries]
        if split != "train" or train_captions:
            write(root / f"captions/cap.rc2.{split}.json", entries)
    return root


def picture(name: str) -> np.ndarray:
    """(40, 30, 3) uint8 of one colour that tells the image."""
    colour = np.frombuffer(name.encode()[-3:], np.uint8)
    return np.broadcast_to(colour, (40, 30, 3))


def draw(folder: Path, paths: list[str]) -> Path:
    """PNG files at `paths`, given without ending."""
    for path in paths:
        file = folder / f"{path}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(Path(path).name)).save(file)
    return folder
