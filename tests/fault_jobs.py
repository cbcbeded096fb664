"""Commands that faults are tried on, on data so small that each takes less than a second.

Imported by tests/faults.py in processes of its own, since it makes `mini` tiny.
"""

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import tiny_labels
import torch
import typer
from made_up_records import keep, made_up
from nbformat import v4
from nbformat import write as write_notebook
from PIL import Image
from tiny_label_runs import TINY as LABELS

from cmir_repro import cli, reproduce
from cmir_repro.command_line import UNWRITABLE
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.css import dataset as css
from cmir_repro.data.prepare import archive, pixels
from cmir_repro.data.prepared import Prepared
from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.features import save_features
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets import crcgs, dim

CMIR = typer.main.get_command(cli.app)  # made once, for it takes longer than most trials
WORLD = css.Scale(bases=(12, 8), edits=(30, 10), width=24, height=16)
TRAIN = {"steps": 6, "batch": 8, "log_every": 5, "evaluate_every": 3}
DIM = {"model": {"image_encoder": "convnet", "embed_dim": 4}, "train": TRAIN}
RUN = "run dim --method TIRG --device cpu"
TAGS = "run crcgs --dataset tiny-labels --method CRCGS --device cpu"


class Job(NamedTuple):
    """A command as it is typed, {root} being the trial's folder, and what lies there before."""

    typed: str
    begin: Callable[[Path], None] = lambda root: None


def make_tiny() -> None:
    """What is small is small from here on in this process."""
    torch.set_num_threads(1)
    css.SCALES["mini"] = WORLD
    dim.SCALES["mini"] = {"css": DIM}
    crcgs.SCALES["mini"] = LABELS
    pixels.CHUNK = 16
    intervals.RESAMPLES = 20


def do(typed: str, root: Path) -> None:
    """A command line in this process; ends with SystemExit, as the console script does."""
    CMIR([word.format(root=root) for word in typed.split()])


def done(typed: str, root: Path) -> None:
    """A command line that must succeed."""
    try:
        do(typed, root)
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{typed} ended with {end.code}") from end


def _photographs(root: Path) -> None:
    """Twelve queries over pictures of noise, with splits."""
    ids = [f"p{i:02d}" for i in range(24)]
    (root / "images").mkdir()
    for number, name in enumerate(ids):
        noise = np.random.default_rng(number).integers(0, 256, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "images" / f"{name}.png")
    columns = {"source": ids[:12], "text": [f"is more {i}" for i in range(12)], "target": ids[12:]}
    split = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    pd.DataFrame({**columns, "split": split}).to_csv(root / "rows.csv", index=False)


def _archive(root: Path) -> None:
    """The same, in a zip file with the folder of pictures beside the table."""
    _photographs(root)
    with zipfile.ZipFile(root / "raw.zip", "w") as file:
        for path in [root / "rows.csv", *sorted((root / "images").iterdir())[:3]]:
            file.write(path, path.relative_to(root))


def unpack(root: Path) -> None:
    """Unpack an archive into a folder, where no command has data small enough.

    What is whole stays: unpacking it again would be refused.
    """
    if (root / "raw" / "rows.csv").exists() and not (root / ".raw.unpacking").exists():
        return
    try:
        archive.unpack_into([root / "raw.zip"], root / "raw")
    except (InputError, OSError) as error:  # as every command says it
        if isinstance(error, OSError) and error.errno not in UNWRITABLE:
            raise
        print(f"error: {error}")
        raise SystemExit(2) from error


def _world(root: Path) -> None:
    css.prepare("mini", progress=False)


def _labels(root: Path) -> None:
    tiny_labels.write(paths.data())


def _trained(root: Path) -> None:
    """A run that ended after its training, before its scores were recorded."""
    _world(root)
    done(RUN, root)
    for folder in paths.results().iterdir():
        for file in folder.iterdir():
            file.unlink()
    next(paths.runs().glob("*/record.json")).unlink()


def _other(root: Path) -> None:
    """A finished run on other data, which is made anew."""
    _world(root)
    done(RUN, root)
    for last in paths.runs().glob("*/last.json"):
        last.write_text(last.read_text().replace('"data": "', '"data": "0'))


def _features(root: Path) -> None:
    _world(root)
    test = css.prepare("mini", progress=False).retrieval("test")
    for name, ids in (("gallery", test.gallery_ids), ("queries", test.query_ids)):
        vectors = np.random.default_rng(len(ids)).normal(size=(len(ids), 4))
        save_features(root / f"{name}.npz", ids, vectors)


def _records(root: Path) -> None:
    for method in ("TIRG", "TIRG + DIM", "Image only"):
        for seed in range(2):
            keep(made_up(method, seed))


def _theirs(root: Path) -> None:
    _records(root)
    paths.results().rename(root / "theirs")
    keep(made_up("FiLM", 0))


def _notebooks(root: Path) -> None:
    _records(root)
    (root / "notebooks").mkdir()
    for number in (1, 2):
        cells = [v4.new_markdown_cell("# Title"), v4.new_code_cell(f"print({number})")]
        write_notebook(
            v4.new_notebook(cells=cells), root / "notebooks" / f"{number:02d}_tiny.ipynb"
        )


def begin(name: str, root: Path) -> None:
    """What lies in the folder before a job's command."""
    JOBS[name].begin(root)


def command(name: str, root: Path) -> None:
    """A job's command."""
    reproduce.notebooks = lambda: sorted((root / "notebooks").glob("*.ipynb"))
    if JOBS[name].typed == "unpack":
        return unpack(root)
    return do(JOBS[name].typed, root)


def again(name: str, root: Path) -> None:
    """A reader, and then the job's command once more."""
    try:
        read()
    except InputError as error:
        raise RuntimeError(f"a reader was refused: {error}") from error
    command(name, root)


def read() -> None:
    """Everything that a reader can see must be whole."""
    for origin in ledger.roots():
        for record in ledger.records(origin):
            ledger.queries(record.run, origin)
            ledger.log(record.run, origin)
    for file in [*paths.data().glob("*/dataset.json"), *paths.data().glob("css/*/dataset.json")]:
        data = Prepared(file.parent)
        for view in data.views:
            for part in data.images["part"].unique():
                data.pixels(view, part).sum()


def strange(name: str, root: Path) -> None:
    """A job's command without a home, data behind a link, and a clock that was set back."""
    os.environ["HOME"] = "/proc/nowhere"  # where nobody can make a folder
    now = time.time
    time.time = lambda: now() - 1e8
    away = root.parent / f"{root.name} Dàten"
    away.mkdir()
    if paths.data().is_dir():
        shutil.move(paths.data(), away / "data")
    (away / "data").mkdir(exist_ok=True)
    paths.data().parent.mkdir(exist_ok=True)
    paths.data().symlink_to(away / "data")
    command(name, root)


def beside(name: str, root: Path) -> None:
    """Records written over and over for the reader of `watching`."""
    for seed in range(40):
        keep(made_up("TIRG", seed % 4))


def watching(name: str, root: Path) -> None:
    """Reads the ledger while others write: no run twice, none refused, and none lost again."""
    seen = set()
    for _ in range(60):
        runs = [record.run for record in ledger.records()]
        if len(set(runs)) < len(runs) or seen - set(runs):
            raise RuntimeError(f"of {sorted(seen)} there are {runs}")
        seen |= set(runs)
        for run in runs:
            ledger.queries(run)
    print(f"reads: 60, runs seen: {len(seen)}")


JOBS = {
    "prepare": Job(
        "prepare own-folder --name mine --csv {root}/rows.csv --images {root}/images "
        "--suffix .png --size 8",
        _photographs,
    ),
    "unpack": Job("unpack", _archive),
    "render": Job("prepare css --scale mini", lambda root: None),
    "train, score, record (DIM)": Job(RUN, _world),
    "train, score, record (CRCGS)": Job(TAGS, _labels),
    "score": Job(RUN, _trained),
    "made anew": Job(RUN, _other),
    "record": Job(
        "record dim Mine --file queries={root}/queries.npz --file gallery={root}/gallery.npz",
        _features,
    ),
    "merge": Job("ledger merge {root}/theirs", _theirs),
    "tables": Job("tables", _records),
    "grid worker": Job("grid dim --dataset css --task 3d-3d --method TIRG --seed 0", _world),
    "reproduce": Job("reproduce --scale mini --workers 1", _notebooks),
}
