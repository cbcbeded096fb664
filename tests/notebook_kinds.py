"""Small data sets of every kind, and notebooks executed on them, cell by cell in this process."""

import itertools
import sys
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
import tiny_captions
from scipy.io import savemat
from tiny_folder import save
from tiny_label_runs import TINY as TINY_LABELS
from tiny_releases import fashioniq

import cmir_repro as cmir
from cmir_repro.core import paths
from cmir_repro.data.readers import fashioniq_cirr
from cmir_repro.evaluation.features import save_features
from cmir_repro.experiments.presets import aai, crcgs, dim
from data_scripts import captions, hashing_files, labelled_csv, own_folder, regions
from data_scripts import fashioniq as fashioniq_script

STEPS = {"steps": 2, "evaluate_every": 1, "log_every": 1, "batch": 8}
COMPOSED = ("00_play", "01_data_prep", "02_baselines", "03_train_dim", "04_does_dim_help")
COMPOSED += ("05_modality_gap", "06_your_own_model")
SENTENCES = ("09_train_aai", "10_aai_results")
LABELS = ("11_train_crcgs", "12_crcgs_results")


def shrink(monkeypatch) -> None:
    """Every preset of scale mini becomes a net of a few numbers that is trained for two steps."""
    net = {"image_encoder": "convnet", "image_weights": "none"}
    small = {
        dim: {"embed_dim": 16},
        aai: {"width": 16, "embed_dim": 8, "heads": 2, "fusion_layers": 1, "text_layers": 1},
    }
    for presets, sizes in small.items():
        for kind, scale in presets.SCALES["mini"].items():
            scale = {
                "model": {**scale["model"], **net, **sizes},
                "train": {**scale["train"], **STEPS},
            }
            monkeypatch.setitem(presets.SCALES["mini"], kind, scale)
    monkeypatch.setitem(crcgs.SCALES, "mini", TINY_LABELS)


def photos(folder, count: int) -> list[str]:
    for number in range(count):
        save(folder / f"p{number:03d}.jpg", number)
    return [f"p{number:03d}.jpg" for number in range(count)]


def attributes(root):
    """Captions made of two attributes."""
    names = photos(root / "im", 72)
    words = itertools.cycle(itertools.product(("red", "blue", "green"), ("top", "hat", "bag")))
    rows = [",".join([name, *pair]) for name, pair in zip(names, words, strict=False)]
    (root / "t.csv").write_text("\n".join(["id,colour,type", *rows]) + "\n")
    given = {"csv": root / "t.csv", "images": root / "im", "attributes": "colour,type"}
    return own_folder.prepare(name="mine", **given, size=32)


def one_attribute(root):
    """Captions of one attribute."""
    names = photos(root / "im", 48)
    rows = [f"{name},{('red', 'blue', 'green')[n % 3]}" for n, name in enumerate(names)]
    (root / "t.csv").write_text("\n".join(["id,colour", *rows]) + "\n")
    given = {"csv": root / "t.csv", "images": root / "im", "attributes": "colour"}
    return own_folder.prepare(name="mine", **given, size=32)


def rows_without_val(root):
    """Queries of one's own: no validation, fewer than a batch, two answers to one of them."""
    names = photos(root / "im", 36)
    rows = [
        f"{names[2 * n]},{names[2 * n + 1]},make it {n},{'train' if n < 7 else 'test'}"
        for n in range(18)
    ]
    rows.append(f"{names[14]},{names[17]},make it 7,test")
    (root / "t.csv").write_text("\n".join(["source,target,text,split", *rows]) + "\n")
    return own_folder.prepare(name="mine", csv=root / "t.csv", images=root / "im", size=32)


def features_alone(root):
    """FashionIQ with features of its images and no picture."""
    names = fashioniq_cirr.fashioniq(fashioniq(root / "raw")).images["label"].unique()
    rng = np.random.default_rng(0)
    save_features(root / "clip.npz", names, rng.normal(size=(len(names), 12)))
    given = {"image_features": root / "clip.npz", "partial": True}
    return fashioniq_script.prepare(root=root / "raw", name="mine", **given)


def sentences(root):
    """A sentence a row, several rows a picture."""
    names = photos(root / "im", 20)
    rows = [f"{name},sentence {k} of dog {name[:4]}" for name in names for k in range(2)]
    (root / "t.csv").write_text("\n".join(["image,caption", *rows]) + "\n")
    return captions.prepare(name="mine", csv=root / "t.csv", images=root / "im", size=32)


def ready_regions(root):
    """Features of regions."""
    return regions.prepare(root=tiny_captions.regions(root / "mine"), name="mine")


def labelled_photos(root):
    """Pictures with a text and categories; one class of each."""
    names = photos(root / "im", 60)
    words = ("soft wool", "hard steel", "wet wood")
    rows = [f"{name},{words[n % 3]} {n % 4},{'abc'[n % 3]}" for n, name in enumerate(names)]
    (root / "t.csv").write_text("\n".join(["id,text,c", *rows]) + "\n")
    given = {"csv": root / "t.csv", "images": root / "im", "id": "id", "text": "text"}
    return labelled_csv.prepare(name="mine", **given, labels="c", size=32)


def arrays(root):
    """Features, tags and class numbers, as papers on hashing pass them around."""
    rng = np.random.default_rng(0)
    tags = (rng.random((80, 9)) < 0.4).astype(np.uint8)
    tags[:, 0] = 1
    found = {"XAll": rng.normal(size=(80, 12)), "YAll": tags, "LAll": 1 + np.arange(80) % 5}
    savemat(root / "x.mat", found)
    return hashing_files.prepare([root / "x.mat"], name="mine", train=30, val=0, test=20)


KINDS = {
    attributes: COMPOSED,
    one_attribute: ("00_play", "02_baselines", "03_train_dim", "04_does_dim_help"),
    rows_without_val: COMPOSED,
    features_alone: tuple(name for name in COMPOSED if name != "00_play"),  # it shows pictures
    sentences: SENTENCES,
    ready_regions: SENTENCES,
    labelled_photos: LABELS,
    arrays: LABELS,
}


def execute(name: str, monkeypatch, **parameters) -> None:
    """Run the code cells of a notebook in order, with these parameters."""
    matplotlib.use("Agg")
    monkeypatch.setattr(cmir.notebook, "check_parameters", lambda: None)  # it asks the shell
    file = paths.checkout() / "notebooks" / f"{name}.ipynb"
    space = {"display": lambda *shown: None}
    for number, cell in enumerate(nbformat.read(file, as_version=4).cells):
        if cell.cell_type != "code":
            continue
        exec(compile(cell.source, f"{name}, cell {number}", "exec"), space)
        if "parameters" in cell.metadata.get("tags", []):
            space |= {key: value for key, value in parameters.items() if key in space}


def main(kind: str, root: str) -> None:
    """Prepare a small set in a folder and run every notebook that applies to it."""
    make = next(made for made in KINDS if made.__name__ == kind)
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        make(Path(root))
        for notebook in KINDS[make]:
            given = {"dataset": "mine", "scale": "mini", "umap_seeds": [0], "points": 20}
            execute(notebook, patch, **given)


if __name__ == "__main__":
    main(*sys.argv[1:])
