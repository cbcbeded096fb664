"""The package's own files and what reads them, for campaigns of `fuzzing` over each."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import tiny_features
import tiny_labels
import tiny_photos
import torch
from fuzzing import Counts, campaign
from made_up_records import keep, made_up
from mutations import mutate
from safetensors.torch import load, save
from torch import nn

from cmir_repro.analysis import projection
from cmir_repro.core import paths
from cmir_repro.core.arrays import read_npy
from cmir_repro.core.files import sha256, write_json
from cmir_repro.core.weights import read_weights
from cmir_repro.data import sentences
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.evaluation.features import load_features, save_features
from cmir_repro.experiments import ledger, query_table
from cmir_repro.experiments.grid import settings
from cmir_repro.experiments.presets import base
from cmir_repro.report import tables
from cmir_repro.training import checkpoint

IDENTITY = {"net": "tiny", "rate": 0.1}


class Reader(NamedTuple):
    """Valid files in a folder, and what reads one; see `campaign`."""

    seeds: dict[str, bytes]
    read: Callable[[Path], object]
    beside: Path | None = None
    make: Callable = mutate

    def campaign(self, name: str, mutants: int, generator: np.random.Generator) -> Counts:
        return campaign(
            name, self.seeds, self.read, mutants, generator, beside=self.beside, make=self.make
        )


def readers(folder: Path) -> dict[str, Reader]:
    """Every reader by its name; valid files are written below `folder`, made by the package."""
    make = {
        "record of the ledger": _record,
        "table over a ledger": _table,
        "queries of a run": _queries,
        "log of a run": _log,
        "registered methods": _methods,
        "prepared triplets": _triplets,
        "prepared labels and sentences": _labels,
        "mapped pixels": _mapped,
        "checkpoint": _checkpoint,
        "checkpoint, tensors changed and sealed again": _resealed,
        "exported weights": _weights,
        "features, .npz": _npz,
        "features, .npy with ids": _npy,
        "features to train on": _trained_on,
        "coordinates": _coordinates,
        "backend of the grid": _backend,
    }
    return {name: each(folder / name.replace(" ", "-")) for name, each in make.items()}


def _files(folder: Path, *patterns: str) -> dict[str, bytes]:
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _finite(value: object) -> None:
    """Every number of a JSON value is one that a table can show."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _finite(each)
    elif isinstance(value, float):
        assert np.isfinite(value)


def _committed(part: str, ending: str) -> dict[str, bytes]:
    """A file of a short run of each system."""
    folder, found = paths.checkout() / "results" / part, {}
    for pattern in ("css-3d-3d-mini-tirg-s*", "css-3d-mini-*", "css-3d-colour-shape-mini-*"):
        path = min(folder.glob(pattern + ending), key=lambda path: path.stat().st_size)
        found[path.name] = path.read_bytes()
    return found


def _record(folder: Path) -> Reader:
    def read(path: Path) -> None:
        record = ledger.read_record(path)
        _finite(record.model_dump())
        json.dumps(record.model_dump(), allow_nan=False)

    return Reader(_committed("records", ".json"), read)


def _table(folder: Path) -> Reader:
    with _results(folder):
        for method in ("TIRG", "TIRG + DIM"):
            keep(made_up(method, 0))

    def read(path: Path) -> None:
        with _results(path.parent.parent):
            assert tables.markdown("dim", "css", "mini", "3d-3d")

    return Reader(_files(folder, "records/*", "queries/*"), read, folder)


class _results:
    """The user's ledger is a folder, and there is no other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = {key: os.environ.get(key) for key in ("CMIR_RESULTS", "CMIR_COMMITTED")}
        os.environ.update(CMIR_RESULTS=str(self.folder), CMIR_COMMITTED="")

    def __exit__(self, *_) -> None:
        for key, value in self.before.items():
            os.environ.pop(key)
            if value is not None:
                os.environ[key] = value


def _queries(folder: Path) -> Reader:
    def read(path: Path) -> None:
        table = query_table.read(path)
        assert table.iloc[:, -1].dtype == np.float64
        table.to_csv()

    return Reader(_committed("queries", ".parquet"), read)


def _log(folder: Path) -> Reader:
    return Reader(_committed("logs", ".jsonl"), lambda path: _finite(ledger.read_log(path)))


def _methods(folder: Path) -> Reader:
    kept = {
        "dim": {"Wide": {"compositor": "tirg", "embed_dim": 64}, "Mine": {"dim": {}}},
        "aai": {},
    }
    write_json(folder / "methods.json", kept)

    def read(path: Path) -> None:
        with _results(path.parent):
            assert isinstance(base.own("dim"), dict)

    return Reader(_files(folder, "*"), read)


def _sized(path: Path, content: int) -> None:
    """Half of the mutants get their new size into `dataset.json`, to be looked at further."""
    manifest = path.parent / "dataset.json"
    if path.name not in (manifest.name, "digests.json") and content % 2:
        info = json.loads(manifest.read_text())
        info["files"][path.name]["bytes"] = path.stat().st_size
        manifest.write_text(json.dumps(info))


def _triplets(folder: Path) -> Reader:
    tiny_photos.write(folder)

    def read(path: Path) -> None:
        _sized(path, path.stat().st_size)
        data = Prepared(path.parent)
        for split in SPLITS:
            found = data.retrieval(split)
            assert len(found.texts) == len(found.source) == len(found.query_labels)
        for view in data.views:
            shown = data.take(view, np.arange(len(data.images)))
            assert shown.dtype == np.uint8
            assert shown.sum() >= 0
        for task in data.info["tasks"]:
            data.views_of(task)
        data.counts()

    return Reader(_files(folder, "*.json", "*.parquet", "*.npy"), read, folder)


def _labels(folder: Path) -> Reader:
    folder.mkdir(parents=True)
    table = pd.DataFrame(
        [(f"s{i}", f"p{i // 2:02d}", f"a dog, number {i}") for i in range(100)],
        columns=sentences.COLUMNS,
    )
    name = "labels"
    (folder / name).mkdir()
    sentences.write_sentences(folder / name, table)
    info = {"name": name, "image_text": {"photo": {"view": "image", "protocol": "coco-5k"}}}
    made = tiny_labels.write(folder, info=info).folder

    def read(path: Path) -> None:
        _sized(path, path.stat().st_size)
        data = Prepared(path.parent)
        found = labelled(data)
        assert found.labels.dtype == bool
        assert found.text.shape == (len(found.ids), len(found.words))
        for task in data.info.get("image_text", ()):
            for split in SPLITS:
                sentences.pairs(data, sentences.image_text(data, task).table, split)

    return Reader(_files(made, "*.json", "*.parquet", "*.npy"), read, made)


def _mapped(folder: Path) -> Reader:
    folder.mkdir(parents=True)
    np.save(folder / "c.npy", np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3))
    np.save(folder / "fortran.npy", np.asfortranarray(np.random.default_rng(0).random((6, 7))))
    return Reader(_files(folder, "*.npy"), lambda path: read_npy(path, mapped=True).astype(str))


def _net() -> tuple[nn.Module, dict[str, torch.optim.Optimizer]]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    sgd = torch.optim.SGD(net[0].parameters(), lr=0.1, momentum=0.9)
    return net, {"a": sgd, "b": torch.optim.AdamW(net[2].parameters(), lr=0.1)}


def _step(net: nn.Module, optimizers: dict[str, torch.optim.Optimizer]) -> None:
    net(torch.ones(4, 4)).square().sum().backward()
    for optimizer in optimizers.values():
        optimizer.step()


def _saved(folder: Path) -> None:
    net, optimizers = _net()
    _step(net, optimizers)
    model = {f"model.{name}": value for name, value in net.state_dict().items()}
    facts = {
        "step": 3, "updates": 3, "config": IDENTITY, "best": 12.5, "since_best": 0,
        "finished": False, "seconds": 1.5, "log": [{"step": 1, "loss": 0.5}],
    }  # fmt: skip
    checkpoint.save(folder, "last", model | checkpoint.optimizer_tensors(optimizers), facts)


def _resumed(path: Path) -> None:
    """What is put back can be trained on."""
    if path.suffix == ".safetensors":  # sealed again, so that more than the digest is looked at
        facts = json.loads((path.parent / "last.json").read_text())
        write_json(path.parent / "last.json", {**facts, "sha256": sha256(path)})
    net, optimizers = _net()
    tensors, facts = checkpoint.load(path.parent, "last", IDENTITY, checkpoint.Progress)
    checkpoint.restore(net, optimizers, tensors, path.parent / "last.json")
    _step(net, optimizers)
    _finite(facts)


def _checkpoint(folder: Path) -> Reader:
    _saved(folder)
    return Reader(_files(folder, "*"), _resumed, folder)


def _resealed(folder: Path) -> Reader:
    _saved(folder)
    return Reader(_files(folder, "*.safetensors"), _resumed, folder, _other_tensors)


def _other_tensors(seed: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Tensors that are left out, called otherwise, of another shape or kind, or too many."""
    tensors = load(seed)
    for _ in range(int(rng.integers(1, 4))):
        key = list(tensors)[rng.integers(len(tensors))]
        value, kind = tensors[key], rng.integers(6)
        if kind in (0, 1):
            tensors.pop(key)
        if kind == 1:
            tensors[str(rng.choice([key + ".x", "optimizer.a.x.y", "optimizer.b.99.step", ""]))] = (
                value
            )
        if kind == 2:
            tensors[key] = torch.zeros([int(n) for n in rng.integers(0, 4, rng.integers(0, 4))])
        if kind == 3:
            dtypes = (torch.int8, torch.bool, torch.float16, torch.complex64, torch.float64)
            tensors[key] = value.to(dtypes[rng.integers(len(dtypes))])
        if kind == 4:
            tensors[key] = torch.full_like(value, int(rng.integers(2)))
        if kind == 5:
            tensors["optimizer.b.0.more"] = torch.zeros(())
        if not tensors:
            break
    return save(tensors)


def _weights(folder: Path) -> Reader:
    _saved(folder)
    return Reader(_files(folder, "*.safetensors"), lambda path: len(read_weights(path)))


def _features(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "ids": np.array([f"image {i}" for i in range(12)]),
        "features": rng.normal(size=(12, 5)).astype(np.float32),
        "labels": rng.integers(3, size=12),
        "categories": rng.integers(2, size=(12, 4)).astype(bool),
        "source": np.array([""] * 6 + [f"image {i}" for i in range(6)]),
        "image": np.array([f"image {i}" for i in range(12)]),
    }


def _npz(folder: Path) -> Reader:
    folder.mkdir(parents=True)
    arrays = _features(np.random.default_rng(0))
    save_features(folder / "plain.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays)

    def read(path: Path) -> None:
        found = load_features(path)
        assert np.isfinite(found.features).all()
        assert len(set(found.ids.tolist())) == len(found.features)
        [f"{name}" for name in found.ids.tolist()]

    return Reader(_files(folder, "*.npz"), read, make=_repacked)


def _repacked(seed: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """A mutant of the bytes, or a whole archive in which an array is one."""
    if rng.random() < 0.5:
        return mutate(seed, others, rng)
    with zipfile.ZipFile(io.BytesIO(seed)) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    name = list(members)[rng.integers(len(members))]
    members[name] = mutate(members[name], list(members.values()), rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _npy(folder: Path) -> Reader:
    folder.mkdir(parents=True)
    arrays = _features(np.random.default_rng(0))
    np.save(folder / "features.npy", arrays["features"])
    (folder / "ids.txt").write_text("\n".join(arrays["ids"]))
    (folder / "ids.csv").write_text("id,label\n" + "\n".join(f"{n},a" for n in arrays["ids"]))

    def read(path: Path) -> None:
        ids = path if path.suffix != ".npy" else path.parent / "ids.txt"
        load_features(path.parent / "features.npy", ids)

    return Reader(_files(folder, "*"), read, folder)


def _trained_on(folder: Path) -> Reader:
    ids = [f"image {i}" for i in range(6)]
    vectors, sets = tiny_features.made_up(6, 4), tiny_features.made_up(6, 3, 4, dtype="float32")
    for suffix in (".npy", ".npz", ".safetensors", ".parquet"):
        tiny_features.save(folder / f"vectors{suffix}", ids, vectors)
    for suffix in (".npz", ".safetensors", ".parquet"):
        tiny_features.save(folder / f"sets{suffix}", ids, sets, np.array([1, 2, 3, 1, 2, 3]))

    def read(path: Path) -> None:
        store = FeatureStore(path.with_suffix(".npy") if path.suffix == ".txt" else path)
        assert np.isfinite(store.take(np.arange(len(store)))).all()
        assert len(set(store.ids)) == len(store)

    return Reader(_files(folder, "*"), read, folder)


def _coordinates(folder: Path) -> Reader:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    table = projection.pca({"image": rng.random((6, 3)), "text": rng.random((6, 3))})
    projection.save_coordinates(folder / "points.csv", table, {"seed": 0})

    def read(path: Path) -> None:
        if path.suffix == ".csv":
            note = json.loads(path.with_suffix(".json").read_text())
            write_json(path.with_suffix(".json"), {**note, "sha256": sha256(path)})
        frame, _ = projection.load_coordinates(path.with_suffix(".csv"))
        assert np.isfinite(frame[["x", "y"]].to_numpy(float)).all()

    return Reader(_files(folder, "*"), read, folder)


def _backend(folder: Path) -> Reader:
    texts = {
        "local.yml": "backend: local\nworkers: 4\nthreads: 1\nnice: 5\nimports: [json]\n",
        "slurm.yml": "backend: slurm\nworkers: 8\noptions:\n  slurm_partition: gpu\n  mem_gb: 8\n",
        "dask.yml": "backend: dask\naddress: tcp://host:8786\n",
    }
    return Reader({name: text.encode() for name, text in texts.items()}, settings.read)
