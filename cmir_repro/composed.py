"""One run of composed retrieval, from configuration to ledger record.

Data, system, training and evaluation meet here and nowhere else. A finished run is found again
by its configuration and the hash of the sources, and is not repeated.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from pydantic import Field
from torch import Tensor

from cmir_repro import checkpoint, evaluate, files, ledger, paths
from cmir_repro.config import Config
from cmir_repro.data import css
from cmir_repro.data.prepared import Prepared, Retrieval
from cmir_repro.data.sampling import SAMPLERS
from cmir_repro.data.store import PictureStore
from cmir_repro.data.tokens import Vocabulary
from cmir_repro.errors import InputError, one_of
from cmir_repro.models.text import BertTokens
from cmir_repro.protocol import preset
from cmir_repro.systems.dim import Composed, ModelConfig
from cmir_repro.train import TrainConfig, recipe, train

# Methods of the tables: what differs from the scale's model.
METHODS = {
    "Image only": {"compositor": "image-only"},
    "Text only": {"compositor": "text-only"},
    "Concatenation": {"compositor": "concatenation"},
    "TIRG": {"compositor": "tirg"},
    "TIRG last conv": {"compositor": "tirg-last-conv"},
    "TIRG + DIM A": {"compositor": "tirg", "dim": {"parts": "A"}},
    "TIRG + DIM B": {"compositor": "tirg", "dim": {"parts": "B"}},
    "TIRG + DIM": {"compositor": "tirg", "dim": {"parts": "AB"}},
}
# Our choice: what fits two cores and minutes, and what fits a GPU.
SCALES = {
    "mini": {
        "model": {"image_encoder": "convnet", "embed_dim": 128},
        "train": {"steps": 400, "batch": 64, "learning_rate": 2e-3, "evaluate_every": 100},
    },
    "paper": {
        "model": {"image_encoder": "resnet18", "embed_dim": 512, "dim": {"units": 512}},
        "train": {
            "steps": 6000,
            "batch": 256,
            "learning_rate": 1e-3,
            "precision": "bf16",
            "evaluate_every": 500,
        },
    },
}
DATASETS = {"css": "tirg/css", "css-released": "tirg/css"}  # data set -> protocol


class RunConfig(Config):
    """One run; build it with `configure`."""

    dataset: Literal[tuple(DATASETS)] = "css"
    task: Literal[tuple(css.TASKS)] = "3d-3d"
    scale: Literal[tuple(SCALES)] = "mini"
    method: str = Field("TIRG", min_length=1)
    shuffle_text: bool = False  # train with other queries' sentences: a check, not a method
    model: ModelConfig
    train: TrainConfig


@dataclass
class Run:
    """A finished run: its record, log, model and the embeddings of the test split."""

    record: ledger.Record
    log: pd.DataFrame
    system: Composed
    task: "Task"
    tokens: Vocabulary | BertTokens
    embedded: "Embedded"
    ranks: np.ndarray

    def losses(self) -> pd.DataFrame:
        """The training rows of the log: step, loss and its parts, rate, seconds."""
        rows = self.log[self.log["loss"].notna()]
        return rows.drop(columns=[name for name in rows if name.startswith("val ")])

    def validations(self) -> pd.DataFrame:
        """The validation rows of the log: step and recall (R@1 in percent)."""
        if "val R@1" not in self.log:
            return pd.DataFrame(columns=["step", "recall"])
        rows = self.log[self.log["val R@1"].notna()]
        return pd.DataFrame({"step": rows["step"], "recall": rows["val R@1"]})


@dataclass(frozen=True)
class Embedded:
    """Vectors of one split, float32, row for row as in its `Retrieval`.

    queries, texts: (Q, D) what the compositor makes, and the sentences alone.
    gallery: (G, D).
    """

    queries: np.ndarray
    texts: np.ndarray
    gallery: np.ndarray


def configure(
    dataset: str = "css",
    task: str = "3d-3d",
    scale: str = "mini",
    method: str = "TIRG",
    seed: int = 0,
    recipe_name: str = "fast",
    model: dict | None = None,
    training: dict | None = None,
    shuffle_text: bool = False,
) -> RunConfig:
    """The configuration of a method of the tables, with what the reader changes.

    Args:
        method: a key of METHODS, or, with `model`, any other name for a model of one's own.
        recipe_name: a key of train.RECIPES; "fast" takes the scale's steps, batch and rate.
        model, training: settings to change, over those of method and scale.

    Raises:
        InputError: an unknown name, key or value.
    """
    one_of("scale", scale, SCALES)
    if not model:  # a mistyped name must not train something else under that name
        one_of("method", method, METHODS)
    changes = _merged(METHODS.get(method, {}), model or {})
    settings = _merged(SCALES[scale]["model"], changes)
    if "dim" not in changes:
        settings.pop("dim", None)
    steps = SCALES[scale]["train"] if recipe_name == "fast" else {}
    settings_train = recipe(recipe_name, **{**steps, "seed": seed, **(training or {})})
    ModelConfig.make(**settings)  # its own message is clearer than the nested one
    return RunConfig.make(
        dataset=dataset,
        task=task,
        scale=scale,
        method=method,
        shuffle_text=shuffle_text,
        model=settings,
        train=settings_train.model_dump(),
    )


def _merged(settings: dict, changes: dict) -> dict:
    """`settings` with `changes`; a dict in both is merged, not replaced."""
    out = dict(settings)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = {**out[key], **value} if both else value
    return out


def open_data(dataset: str, scale: str, device: str = "cpu", progress: bool = True) -> Prepared:
    """The prepared data set of a name; CSS is generated and rendered if it is missing.

    Raises:
        InputError: unknown name, or a data set that must be fetched first; the message says how.
    """
    one_of("dataset", dataset, DATASETS)
    if dataset == "css":
        return css.prepare(scale, device, progress)
    folder = paths.data() / "css" / "released"
    if not (folder / "dataset.json").exists():
        raise InputError(
            "the released CSS files are not prepared yet; run "
            "python data_scripts/css.py --root FOLDER_WITH_THE_RELEASED_FILES"
        )
    return Prepared(folder)


def task_views(task: str) -> tuple[str, str]:
    """The view that asks and the view that answers.

    Raises:
        InputError: unknown task.
    """
    one_of("task", task, css.TASKS)
    return css.TASKS[task]


class Task:
    """A prepared data set seen as one task: which view asks, which view answers.

    Pictures are read into memory split by split, when first asked for.
    """

    def __init__(self, data: Prepared, task: str, device: str) -> None:
        self.data, self.device = data, device
        self.source_view, self.target_view = task_views(task)
        self._stores: dict[tuple[str, str], PictureStore] = {}
        self._splits: dict[str, Retrieval] = {}

    def split(self, name: str) -> Retrieval:
        if name not in self._splits:
            self._splits[name] = self.data.retrieval(name)
        return self._splits[name]

    def pictures(self, view: str, split: str) -> PictureStore:
        """The gallery of a split in one view."""
        if (view, split) not in self._stores:
            pixels = self.data.take(view, self.split(split).gallery)
            self._stores[view, split] = PictureStore(pixels, self.device)
        return self._stores[view, split]


class QueryBatches:
    """Batches of queries of a task: see train.Batches.

    Args:
        config: its batch, sampler and seed say which queries make up a step's batch.
        splits: whose queries.
        shuffle_text: give every query another query's sentence (for the check that a model
            without true sentences falls back to image only).

    Raises:
        InputError: a batch is larger than the splits.
    """

    def __init__(
        self,
        task: Task,
        tokens,
        config: TrainConfig,
        splits: tuple[str, ...] = ("train",),
        shuffle_text: bool = False,
    ) -> None:
        self.config, self.task, self.splits = config, task, splits
        self.sampler = SAMPLERS[config.sampler]
        parts = [task.split(name) for name in self.splits]
        starts = np.cumsum([0, *(len(part.gallery) for part in parts)])[:-1]
        self.source = np.concatenate([p.source + s for p, s in zip(parts, starts, strict=True)])
        self.target = np.concatenate([p.target + s for p, s in zip(parts, starts, strict=True)])
        self.ids = np.concatenate([part.query_ids for part in parts])
        if config.batch > len(self.source):
            raise InputError(
                f"batch {config.batch} is larger than the {len(self.source)} queries of "
                f"{' and '.join(splits)}"
            )
        texts = [text for part in parts for text in part.texts]
        if shuffle_text:
            order = np.random.Generator(np.random.Philox(key=config.seed)).permutation(len(texts))
            texts = [texts[i] for i in order]
        self.tokens, self.lengths = tokens.encode(texts)
        self.sentence = pd.factorize(np.array(texts))[0]
        self.label = pd.factorize(np.concatenate([part.gallery_labels for part in parts]))[0]
        self.stores = {view: self._joined(view) for view in {task.source_view, task.target_view}}

    def _joined(self, view: str) -> PictureStore:
        if len(self.splits) == 1:
            return self.task.pictures(view, self.splits[0])
        rows = np.concatenate([self.task.split(name).gallery for name in self.splits])
        return PictureStore(self.task.data.take(view, rows), self.task.device)

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
        """See train.Batches; keys as `Composed.forward` wants them."""
        rows = self._rows(step)
        if len(rows) % processes:
            raise InputError(
                f"batch {len(rows)} cannot be shared by {processes} processes; "
                "choose a multiple of their number"
            )
        share = len(rows) // processes
        rows = rows[rank * share : (rank + 1) * share]
        source, target = self.source[rows], self.target[rows]
        numbers = {
            "tokens": self.tokens[rows],
            "lengths": self.lengths[rows],
            "source_label": self.label[source],
            "target_label": self.label[target],
            "sentence": self.sentence[rows],
        }
        device = self.task.device
        batch = {name: torch.from_numpy(x).to(device) for name, x in numbers.items()}
        batch["source"] = self.stores[self.task.source_view].take(source)
        batch["target"] = self.stores[self.task.target_view].take(target)
        return batch

    def describe(self, step: int) -> str:
        shown = ", ".join(self.ids[self._rows(step)][:4])
        return f"of the queries {shown}, ..."

    def _rows(self, step: int) -> np.ndarray:
        return self.sampler(self.source, self.config.batch, self.config.seed, step)


def tokeniser(config: ModelConfig, task: Task):
    """The tokeniser of the text encoder; an LSTM's vocabulary is that of the training split."""
    if config.text_encoder == "bert":
        return BertTokens(config.text_weights)
    return Vocabulary.of(task.split("train").texts)


@torch.no_grad()
def embed(
    system: Composed, task: Task, tokens, split: str, texts: list[str] | None = None,
    chunk: int = 512,
) -> Embedded:  # fmt: skip
    """Vectors of a split.

    Args:
        system: in evaluation mode afterwards.
        texts: other sentences than the split's own, one a query.
        chunk: pictures or queries at a time.
    """
    system.eval()
    part, device = task.split(split), task.device
    numbers, lengths = tokens.encode(part.texts if texts is None else texts)
    pictures = task.pictures(task.target_view, split)
    gallery = [
        system.encode(pictures.take(rows)).vector.float().cpu()
        for rows in _chunks(np.arange(len(pictures)), chunk)
    ]
    pictures = task.pictures(task.source_view, split)
    queries, sentences = [], []
    # By source, so that a source with several queries is encoded once in a chunk.
    order = np.argsort(part.source, kind="stable")
    for rows in _chunks(order, chunk):
        unique, place = np.unique(part.source[rows], return_inverse=True)
        source = system.encode(pictures.take(unique))
        place = torch.from_numpy(place).to(device)
        source = source._replace(
            vector=source.vector[place],
            maps={k: x[place] for k, x in source.maps.items()}
            if system.compositor.needs_map
            else {},
        )
        text = system.text(
            torch.from_numpy(numbers[rows]).to(device), torch.from_numpy(lengths[rows]).to(device)
        )
        queries.append(system.query(source, text).float().cpu())
        sentences.append(text.float().cpu())
    back = np.argsort(order)
    return Embedded(
        queries=torch.cat(queries).numpy()[back],
        texts=torch.cat(sentences).numpy()[back],
        gallery=torch.cat(gallery).numpy(),
    )


def untrained(run: Run) -> Composed:
    """The net of a run with its initial weights, on the run's device."""
    torch.manual_seed(run.record.seed)
    words = run.tokens.tokens if isinstance(run.tokens, Vocabulary) else []
    return Composed(run.system.config, len(words)).to(run.task.device).eval()


@torch.no_grad()
def bounds(system: Composed, task: Task, tokens, config: TrainConfig, split: str) -> pd.DataFrame:
    """The mutual-information bounds of a DIM model on a split, as estimated on each batch.

    The estimates that training maximises, without dropout. They need the model's own critics, so
    a model without DIM has none.

    Returns:
        A row for each whole batch of the split, columns "bound A" and "bound B" as there are.
    """
    system.eval()
    every_once = config.model_copy(update={"sampler": "shuffled"})
    batches = QueryBatches(task, tokens, every_once, (split,))
    generator = torch.Generator().manual_seed(config.seed)
    rows = [
        {k: float(v) for k, v in system(batches(step), generator).items() if "bound" in k}
        for step in range(len(batches.source) // config.batch)
    ]
    return pd.DataFrame(rows)


def score(embedded: Embedded, part: Retrieval, protocol: str, seed: int = 0):
    """Ranks (Q,) and summary of embedded queries under a protocol: see evaluate.score."""
    return evaluate.score(
        embedded.queries,
        embedded.gallery,
        part.query_labels,
        part.gallery_labels,
        part.source,
        preset(protocol),
        seed,
    )


def run(
    config: RunConfig, *, device: str = "cpu", progress: bool = True, command: str = "unknown"
) -> Run:
    """Train and score one model, or load it if this very run is finished already.

    A broken-off run goes on where it stopped; one made by other sources, from other data or on
    another kind of device is made anew.

    Args:
        config: from `configure`.
        device: "cpu" or "cuda".
        command: what to type to get this run, for the record.
    """
    settings = config.model_dump(mode="json")
    seed = config.train.seed
    ledger.reset_peak_memory(device)
    process = PartialState(cpu=device == "cpu")  # of several, each takes its own GPU
    with process.main_process_first():
        data = open_data(config.dataset, config.scale, device, progress)
    task = Task(data, config.task, device)
    tokens = tokeniser(config.model, task)
    words = tokens.tokens if isinstance(tokens, Vocabulary) else []
    torch.manual_seed(seed)  # initial weights
    system = Composed(config.model, len(words))
    name = ledger.run_name(config.dataset, config.task, config.scale, config.method, seed, settings)
    folder = paths.runs() / name
    protocol = DATASETS[config.dataset]
    identity = {
        "run": settings,
        "data": data.manifest_hash,
        "sources": ledger.code_hash(),
        "vocabulary": words,
        "protocol": preset(protocol).as_dict(),
        "device": device,
    }
    with process.main_process_first():
        _clear_if_other(folder, identity)
    selected = "last" if config.train.selection == "last" else "best"
    finished = (folder / "record.json").exists()
    if finished:
        tensors, _ = checkpoint.load(folder, selected, identity)
        checkpoint.restore(system.to(device), None, tensors)
    else:
        # The original has no validation split, so its way of selecting trains on all of train.
        splits = ("train", "val") if config.train.selection == "test" else ("train",)
        train(
            system,
            QueryBatches(task, tokens, config.train, splits, config.shuffle_text),
            config.train,
            folder,
            identity=identity,
            validate=_validator(task, tokens, config),
            device=device,
            title=f"{config.method}, seed {seed}",
            progress=progress,
        )
    embedded = embed(system, task, tokens, "test")
    ranks, result = score(embedded, task.split("test"), protocol)
    if finished:
        record = ledger.Record.make(**files.read_json(folder / "record.json"))
    else:
        record = _record(config, name, data, folder, selected, device, command, system, result)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    if process.is_main_process and not (finished and ledger.exists(name)):
        ledger.save(record, task.split("test").query_ids, ranks, log)
        # Last: a run that is finished here is in the ledger.
        files.write_json(folder / "record.json", record.model_dump())
    return Run(record, pd.DataFrame(log), system, task, tokens, embedded, ranks)


def _clear_if_other(folder: Path, identity: dict) -> None:
    if not (folder / "last.json").exists():
        return
    saved = files.read_json(folder / "last.json").get("config")
    other = checkpoint.difference(saved, identity, "run")
    if other:
        print(f"{folder.name} is made anew: {other}")
        shutil.rmtree(folder)


def _validator(task: Task, tokens, config: RunConfig):
    """Recall on the split that selects; the mean of three cut-offs decides (our choice)."""
    if config.train.selection == "last":
        return None
    split = config.train.selection

    def validate(system: Composed) -> dict[str, float]:
        found = embed(system, task, tokens, split)
        part = task.split(split)
        ranks = evaluate.ranks(
            found.queries,
            found.gallery,
            part.query_labels,
            part.gallery_labels,
            part.source,
            preset(DATASETS[config.dataset]),
        )
        recalls = {f"R@{k}": 100 * evaluate.recall_at(ranks, k) for k in (1, 5, 10)}
        rounded = {name: round(value, 3) for name, value in recalls.items()}
        return {**rounded, "selection": round(sum(recalls.values()) / 3, 3)}

    return validate


def _record(config, name, data, folder, selected, device, command, system, result):
    facts = files.read_json(folder / f"{selected}.json")
    last = files.read_json(folder / "last.json")
    chosen = {
        "val": "best mean of R@1, R@5, R@10 on held-out training sources",
        "test": "best mean of R@1, R@5, R@10 on test (the original's habit)",
        "last": "last step",
    }[config.train.selection]
    return ledger.Record.make(
        run=name,
        dataset=config.dataset,
        scale=config.scale,
        task=config.task,
        method=config.method,
        seed=config.train.seed,
        config=config.model_dump(mode="json"),
        selection=chosen,
        data={
            "manifest": data.manifest_hash,
            "tables": data.info.get("tables_sha256", "unknown"),
            "kind": data.info["provenance"]["kind"],
        },
        code=ledger.code(),
        hardware=ledger.hardware(device),
        software=ledger.software(),
        parameters=sum(p.numel() for p in system.parameters()),
        steps=last["step"],
        seconds=round(last["seconds"], 1),
        peak_memory_gb=ledger.peak_memory_gb(device),
        result=result,
        validation=facts.get("metrics", {}),
        checkpoint_sha256=facts["sha256"],
        command=command,
        finished=ledger.now(),
    )


def _chunks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
