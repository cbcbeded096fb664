"""CIRCO, GeneCIS, i-CIR, LaSCo and Shoes in exactly their raw layouts, made small."""

from pathlib import Path

import numpy as np
from tiny_releases import write

ASPECTS = ("cardinality", "addition", "negation")


def circo(root: Path, images: int = 60, queries: int = 12) -> Path:
    """Queries with one to nine answers, the first of them the target; the test split has none."""
    draw = np.random.default_rng(0)
    ids = (1000 + 7 * np.arange(images)).tolist()
    listed = [{"id": i, "file_name": f"{i:012d}.jpg"} for i in ids]
    write(
        root / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json",
        {"info": {}, "images": listed},
    )
    entries = []
    for i in range(queries):
        reference, *right = draw.choice(ids, 2 + i % 9, replace=False).tolist()
        entries.append(
            {
                "reference_img_id": reference,
                "target_img_id": right[0],
                "relative_caption": "is larger",
                "shared_concept": "a dog",
                "gt_img_ids": right,
                "id": i,
                "semantic_aspects": list(ASPECTS[: i % 4]),
            }
        )
    write(root / "annotations/val.json", entries)
    hidden = ("target_img_id", "gt_img_ids", "semantic_aspects")
    write(
        root / "annotations/test.json",
        [{k: v for k, v in e.items() if k not in hidden} for e in entries],
    )
    return root


def genecis(root: Path) -> Path:
    """Three tasks' usual galleries of 5, one of 4; each has a query of another size."""
    draw = np.random.default_rng(1)
    for number, task in enumerate(
        ("focus_attribute", "change_attribute", "focus_object", "change_object")
    ):
        coco = task.endswith("object")

        def picture(i, coco=coco):
            if coco:
                return {"val_image_id": int(i)}
            return {"image_id": int(i), "instance_bbox": [1, 2, 30, 40]}

        entries = []
        for query in range(4 + number):
            size = 2 if query == 1 else 4 if number == 3 else 5
            chosen = draw.choice(200, size + 2, replace=False)
            reference, target, *others = map(picture, chosen)
            entries.append(
                {"reference": reference, "target": target, "condition": "colour", "gallery": others}
            )
        write(root / f"genecis/{task}.json", entries)
    return root


def icir(root: Path) -> Path:
    """Two instances; two texts of the first; hard negatives in folders hn."""
    database, queries = [], []
    for instance, texts in (("a_temple", ("at night", "as a toy")), ("a_cup", ("in snow",))):
        for text in texts:
            database += [f"database/{instance}/p/{text[:2].strip()}{i}.jpg,{text},{instance}"
                         for i in range(3)]  # fmt: skip
            queries += [f"query/{instance}/{i}.jpg,{text},{instance}" for i in range(2)]
        database += [f"database/{instance}/hn/{i}.jpg,,{instance}" for i in range(9)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "database_files.csv").write_text("\n".join(database) + "\n")
    (root / "query_files.csv").write_text("\n".join(queries) + "\n")
    return root


def lasco(root: Path) -> Path:
    """Thirty images, eight triplets."""
    draw = np.random.default_rng(2)
    write(
        root / "lasco_val_corpus.json",
        [{"id": i, "path": f"val/val2014/COCO_val2014_{i:012d}.jpg"} for i in range(1, 31)],
    )

    def picture(i):
        return [int(i), f"val2014/COCO_val2014_{i:012d}.jpg"]

    entries = []
    for n in range(8):
        a, b = 1 + draw.choice(30, 2, replace=False)
        entries.append(
            {
                "qid": 1000 * int(a) + n,
                "query-image": picture(a),
                "query-text": "it rains",
                "target-image": picture(b),
            }
        )
    write(root / "lasco_val.json", entries)
    return root


def shoes(root: Path) -> Path:
    """Ten images a split, six triplets in each and one across."""
    root.mkdir(parents=True, exist_ok=True)
    names = {s: [f"img_womens_{s}_{i}.jpg" for i in range(10)] for s in ("train", "eval")}
    for split, found in names.items():
        (root / f"{split}_im_names.txt").write_text("\n".join(found) + "\n")
    pairs = [(found[i], found[i + 1]) for found in names.values() for i in range(6)]
    pairs.append((names["train"][0], names["eval"][0]))
    entries = [
        {"ImageName": a, "ReferenceImageName": b, "RelativeCaption": "is red"} for a, b in pairs
    ]
    write(root / "relative_captions_shoes.json", entries)
    return root
