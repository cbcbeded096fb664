"""A folder of pictures and a CSV of attributes or of queries, and the script that reads them."""

import itertools
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepared import Prepared
from data_scripts import own_folder as script

COLUMNS = ("gender", "colour", "type")
ATTRIBUTES = script.Settings(
    suffix=".jpg", size=8, attributes=COLUMNS, unseen=("colour", "type"), unseen_share=0.2
)
ROWS = script.Settings(suffix=".png", size=8)


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (10, 12 + number % 3, 3), dtype=np.uint8)


def save(file, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(file)


def write_photos(tmp_path, monkeypatch):
    """120 pictures: 2 genders x 5 colours x 4 types, three of each."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    for number in range(120):
        save(tmp_path / "images" / f"p{number:03d}.jpg", number)
    colours, types = (
        ("Red", "Navy  Blue", "Green", "White", "Black"),
        ("Top", "Skirt", "Shoe", "Hat"),
    )
    values = list(itertools.product(("Women", "Men"), colours, types)) * 3
    table = pd.DataFrame(values, columns=COLUMNS)
    table.insert(0, "id", [f"p{number:03d}" for number in range(len(table))])
    table.to_csv(tmp_path / "photos.csv", index=False)
    return tmp_path


def write_rows(tmp_path, monkeypatch):
    """Twelve queries over their own pairs of images, with splits."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    table = pd.DataFrame(
        {
            "source": [f"a{i}" for i in range(12)],
            "text": [f"is more {i}" for i in range(12)],
            "target": [f"sub/b{i}" for i in range(12)],
            "split": ["train"] * 6 + ["val"] * 2 + ["test"] * 4,
        }
    )
    for number in range(12):
        save(tmp_path / "images" / f"a{number}.png", number)
        save(tmp_path / "images" / "sub" / f"b{number}.png", 20 + number)
    table.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def prepare(root, settings, csv, name="mine", **options) -> Prepared:
    values = {k: ",".join(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    return script.prepare(name=name, csv=root / csv, images=root / "images", **values, **options)


def change(root, csv, edit) -> None:
    table = pd.read_csv(root / csv, dtype=str)
    edit(table).to_csv(root / csv, index=False)


def refused(root, settings, csv, message: str, **options) -> None:
    with pytest.raises(InputError, match=message) as caught:
        prepare(root, settings, csv, **options)
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def columns_of(table: pd.DataFrame, *names: str) -> set:
    return set(zip(*(table[name] for name in names), strict=True))


def edited(**values):
    """The table with other values in row 1."""

    def edit(table):
        for column, value in values.items():
            table.loc[0, column] = value
        return table

    return edit
