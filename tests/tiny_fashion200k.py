"""The released layout of Fashion200k, made small, and the script that reads it."""

import itertools
import re

import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashion200k
from data_scripts import fashion200k as script

COLOURS = ("red", "blue", "green", "black")
RGB = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 128, 0), "black": (0, 0, 0)}


def path_of(part: str, category: str, product: int, number: int = 0) -> str:
    name = 1000 * (part == "test") + 10 * fashion200k.CATEGORIES.index(category) + product
    return f"women/{category}s/some_{category}s/{name:08d}/{name:08d}_{number}.jpeg"


def release() -> dict[str, list[str]]:
    """Lines of the text files: a product of each category and colour, two pictures in train."""
    files = {}
    for part, category in itertools.product(script.PARTS, fashion200k.CATEGORIES):
        files[f"labels/{category}_{part}_detect_all.txt"] = [
            f"{path_of(part, category, product, number)}\t-1.5\t{colour} v. neck {category}"
            for product, colour in enumerate(COLOURS)
            for number in range(2 if part == "train" else 1)
        ]
    files["test_queries.txt"] = [
        f"{path_of('test', category, a)} {path_of('test', category, b)}"
        for category in fashion200k.CATEGORIES
        for a, b in ((0, 1), (2, 3), (3, 0))
    ]
    return files


def write(root, files: dict[str, list[str]]):
    """The raw layout; a picture has the colour of its caption, at first listing."""
    for name, lines in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for line in lines if name.startswith("labels") else ():
            path = line.split("\t")[0]
            if re.fullmatch(r"women(/\w+)+\.jpeg", path) and not (root / path).exists():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                colour = RGB[next((c for c in COLOURS if c in line), "black")]
                Image.new("RGB", (20, 30), colour).save(root / path)
    return root


def write_release(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(script, "VAL_FRACTION", 0.3)  # 6 of 20 products: two of one category
    counts = dict(zip(script.RELEASED, (40, 20, 40, 20, 15), strict=True))
    monkeypatch.setattr(script, "RELEASED", counts)
    return write(tmp_path / "raw", release())


def prepare(root, **options) -> Prepared:
    return script.prepare(root=root, **{"size": 16, **options})


def refused(root, message: str, **options) -> None:
    with pytest.raises(InputError, match=message) as caught:
        prepare(root, **options)
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def changed(root, name: str, change) -> None:
    """Write one text file anew; `change` gets its lines and alters them in place."""
    lines = release()[name]
    change(lines)
    write(root, {name: lines})


DRESS = "labels/dress_train_detect_all.txt"
DRESS_TEST = "labels/dress_test_detect_all.txt"
