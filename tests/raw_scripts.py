"""Tiny raw layouts and the scripts that prepare them, for a campaign over whole scripts."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import command_line
import numpy as np
import tiny_captions
import tiny_releases
from fuzzing import FOLDER
from PIL import Image
from raw_files import folder_of, release
from scipy.io import savemat

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepared import Prepared
from data_scripts import (
    captions,
    cirr,
    css,
    fashion200k,
    fashioniq,
    hashing_files,
    labelled_csv,
    mirflickr,
    nuswide,
    own_folder,
    regions,
    wikipedia,
)

PICTURES = (".jpg", ".jpeg", ".png")  # not mutated here: their readers have campaigns of their own
SIZES = ("--train", 6, "--val", 2, "--test", 2)


class Script(NamedTuple):
    """make: writes the layout into a folder; prepare: the script; arguments: for that folder."""

    make: Callable[[Path], object]
    prepare: Callable
    arguments: Callable[[Path], tuple]

    def seeds(self, folder: Path) -> dict[str, bytes]:
        """The layout is written to the folder; its files but for pictures."""
        self.make(folder)
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in found
            if path.suffix not in PICTURES
        }

    def read(self, path: Path) -> None:
        """Prepare the layout with the mutant in it; what comes of it can be opened."""
        root = folder_of(path)
        os.environ["CMIR_DATA"] = str(root / "out")
        files = {file.name for file in root.rglob("*") if file.is_file()}
        # Audits are printed, and progress.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                data = command_line.run(self.prepare, *self.arguments(root))
            except InputError as error:
                # Where two files do not go together, the other one may be named.
                if any(name in str(error) for name in files):
                    raise InputError(f"{FOLDER}: {error}") from error
                raise
        data = Prepared(data.folder)
        assert data.images["image"].is_unique
        assert set(data.queries["source"]) <= set(data.images["image"])
        for file in data.folder.glob("*.npy"):
            np.load(file, mmap_mode="r", allow_pickle=False)


def _draw(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        Image.new("RGB", (6, 4), (number * 9, 50, 100)).save(folder / name)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _fashion200k(root: Path) -> None:
    paths = {
        part: [f"women/dresses/some/{start + n}/{start + n}_0.jpeg" for n in range(count)]
        for part, start, count in (("train", 100, 40), ("test", 900, 4))
    }
    colours = ("red", "blue", "green", "black")
    for part, named in paths.items():
        lines = [f"{path}\t-1.5\t{colours[n % 4]} v. neck dress" for n, path in enumerate(named)]
        _text(root / f"labels/dress_{part}_detect_all.txt", "\n".join(lines) + "\n")
        for path in named:
            _draw(root / Path(path).parent, [Path(path).name])
    test = paths["test"]
    _text(root / "test_queries.txt", f"{test[0]} {test[1]}\n{test[2]} {test[0]}\n")


def _caption_csv(root: Path) -> None:
    rows = "".join(f'i{n}.jpg,"a dog, number {n}, {k}"\n' for n in range(12) for k in range(2))
    _text(root / "c.csv", "image,caption\n" + rows)


def _rows(root: Path) -> None:
    _draw(root / "images", [f"a{n:02d}.png" for n in range(24)])
    lines = [f"a{n:02d},is more,a{n + 12},{'train' if n < 8 else 'test'}" for n in range(12)]
    _text(root / "rows.csv", "source,text,target,split\n" + "\n".join(lines) + "\n")


def _labelled(root: Path) -> None:
    _draw(root / "images", [f"p{n:02d}.png" for n in range(20)])
    lines = [f"p{n:02d},{'red' if n % 2 else 'blue'},cap {n % 3} of {n % 4}" for n in range(20)]
    _text(root / "m.csv", "id,colour,name\n" + "\n".join(lines) + "\n")


def _arrays(rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    text, labels = (rng.integers(0, 2, (rows, width)) for width in (7, 4))
    text[:, 0] = labels[:, 0] = 1
    return {"XAll": rng.random((rows, 5)), "YAll": text, "LAll": labels.astype(np.uint8)}


def _wikipedia(root: Path) -> None:
    rng, arrays = np.random.default_rng(0), {}
    lists = {"tr": "trainset_txt_img_cat.list", "te": "testset_txt_img_cat.list"}
    for short, count in (("tr", 12), ("te", 4)):
        arrays |= {f"I_{short}": rng.random((count, 8)), f"T_{short}": rng.random((count, 4))}
        arrays[f"L_{short}"] = (np.arange(count) % 3 + 1).astype(np.uint8)[:, None]
        rows = [f"{short}text{n}-2.1\t{short}image{n}\t{n % 3 + 1}\n" for n in range(count)]
        _text(root / lists[short], "".join(rows))
    savemat(root / "wikiData.mat", arrays)
    _text(root / "categories.list", "art\nbiology\ngeography\n")


def _css(root: Path) -> None:
    # Validation takes one source in ten, with its target.
    data = {part: release()[part] for part in css.PARTS}
    things = data["train"]["objects_img"]
    for part in data.values():
        pairs = {"from": list(range(0, 40, 2)), "to": list(range(1, 40, 2))}
        part["mods"] = [{**pairs, "to_str": "make red circle large"}]
        part["objects_img"], part["labels"] = things * 20, [f"scene {n}" for n in range(40)]
    np.save(root / css.NPY, np.array(data, dtype=object), allow_pickle=True)
    _draw(root / "images", [f"css_{part}_{n:06d}.png" for part in css.PARTS for n in range(40)])


def _mirflickr(root: Path) -> None:
    _text(root / "m/doc/common_tags.txt", "sky 50\nwater 40\n")
    for n in range(1, 13):
        _text(root / f"m/meta/tags/tags{n}.txt", "sky\r\nrare\r\n" if n % 3 else "water\r\n")
    for name in (f"class{'x' * n}" for n in range(24)):
        _text(root / f"a/{name}.txt", "".join(f"{n}\r\n" for n in range(1, 13, 1 + len(name) % 3)))


def _nuswide(root: Path) -> None:
    rng, concepts = np.random.default_rng(0), [f"concept{n:02d}" for n in range(81)]
    for concept in concepts:
        values = rng.random(120) < 0.3
        _text(
            root / f"Groundtruth/AllLabels/Labels_{concept}.txt",
            "".join(f"{value:d}\n" for value in values),
        )
    _text(root / "ConceptsList/Concepts81.txt", "\n".join(concepts) + "\n")
    names = [f"actor\\{n:04d}_{n * 977 + 5}.jpg" for n in range(120)]
    _text(root / "ImageList/Imagelist.txt", "\n".join(names) + "\n")
    _text(root / "NUS_WID_Tags/TagList1k.txt", "".join(f"tag{n}\n" for n in range(6)))
    tags = rng.random((120, 6)) < 0.5
    lines = ["\t".join(f"{value:d}" for value in row) for row in tags]
    _text(root / "NUS_WID_Tags/AllTags1k.txt", "\n".join(lines) + "\n")


def _captions(*given: object, **files: str) -> Callable[[Path], tuple]:
    def arguments(root: Path) -> tuple:
        named = [x for key, name in files.items() for x in (f"--{key}", root / name)]
        return (*named, "--text-only", "--partial", *given)

    return arguments


def _tables(root: Path) -> tuple:
    return ("--root", root, "--annotations-only", "--partial")


SCRIPTS = {
    "fashioniq": Script(tiny_releases.fashioniq, fashioniq.prepare, _tables),
    "cirr": Script(tiny_releases.cirr, cirr.prepare, _tables),
    "captions, Karpathy": Script(
        lambda root: tiny_captions.coco_karpathy(root / "dataset_coco.json"),
        captions.prepare,
        _captions(karpathy="dataset_coco.json"),
    ),
    "captions, ALBEF": Script(
        tiny_captions.albef,
        captions.prepare,
        lambda root: (
            "--albef",
            *(root / f"flickr30k_{split}.json" for split in tiny_captions.SPLITS),
            "--text-only",
            "--partial",
        ),
    ),
    "captions, COCO": Script(
        lambda root: tiny_captions.coco(root / "captions_val2017.json"),
        captions.prepare,
        _captions("--split-seed", 0, coco="captions_val2017.json"),
    ),
    "captions, Multi30K": Script(
        tiny_captions.multi30k, captions.prepare, lambda root: _captions(multi30k=".")(root)
    ),
    "captions, CSV": Script(
        _caption_csv, captions.prepare, _captions("--split-seed", 0, "--name", "x", csv="c.csv")
    ),
    "regions": Script(
        lambda root: tiny_captions.regions(root / "f30k_precomp"),
        regions.prepare,
        lambda root: ("--root", root / "f30k_precomp", "--partial"),
    ),
    "fashion200k": Script(
        _fashion200k,
        fashion200k.prepare,
        lambda root: ("--root", root, "--size", 16, "--partial"),
    ),
    "own-folder": Script(
        _rows,
        own_folder.prepare,
        lambda root: (
            *("--name", "x", "--csv", root / "rows.csv", "--images", root / "images"),
            *("--suffix", ".png", "--size", 8),
        ),
    ),
    "labelled-csv": Script(
        _labelled,
        labelled_csv.prepare,
        lambda root: (
            *("--name", "x", "--csv", root / "m.csv", "--images", root / "images", "--size", 4),
            *("--id", "id", "--suffix", ".png", "--labels", "colour", "--text", "name"),
            *("--at-least", 2),
        ),
    ),
    "hashing-files": Script(
        lambda root: savemat(root / "a.mat", _arrays(20), do_compression=True),
        hashing_files.prepare,
        lambda root: ("--name", "x", *SIZES, root / "a.mat"),
    ),
    "wikipedia": Script(_wikipedia, wikipedia.prepare, lambda root: ("--root", root, "--partial")),
    "css, released": Script(_css, css.prepare, lambda root: ("--root", root)),
    "mirflickr": Script(
        _mirflickr,
        mirflickr.prepare,
        lambda root: (
            *("--root", root / "m", "--labels", root / "a", "--annotations-only", "--partial"),
            *SIZES,
        ),
    ),
    "nuswide": Script(
        _nuswide,
        nuswide.prepare,
        lambda root: (*_tables(root), "--train", 21, "--val", 21, "--test", 21),
    ),
}
