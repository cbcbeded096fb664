"""One run of composed retrieval, from configuration to ledger record.

Data, system, training and evaluation meet here and nowhere else. A finished run is found again
by its configuration and the hash of the sources, and is not repeated.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState

from cmir_repro import checkpoint, evaluate, files, ledger, paths
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.tokens import Vocabulary
from cmir_repro.embedding import Embedded, embed
from cmir_repro.errors import InputError
from cmir_repro.identity import name, sources
from cmir_repro.methods import RunConfig
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.image import weights_digest
from cmir_repro.models.text import BertTokens
from cmir_repro.protocol import preset
from cmir_repro.systems.dim import Composed
from cmir_repro.tasks import QueryBatches, Task, open_data, tokeniser
from cmir_repro.train import train


@dataclass
class Run:
    """A finished run: its record, log, model and the embeddings of the test split."""

    record: ledger.Record
    log: pd.DataFrame
    system: Composed
    task: Task
    tokens: Vocabulary | BertTokens
    embedded: Embedded
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


def untrained(run: Run) -> Composed:
    """The net of a run with its initial weights, on the run's device."""
    torch.manual_seed(run.record.seed)
    words = run.tokens.tokens if isinstance(run.tokens, Vocabulary) else []
    return Composed(run.system.config, len(words)).to(run.task.device).eval()


def score(embedded: Embedded, data: Prepared, split: str, seed: int = 0) -> tuple:
    """Ranks (Q,) and summary of a split's embedded queries under the data set's protocol.

    Where the data set names columns for it ("recall_also": of MIT-States noun and adjective), the
    summary holds under "also" the metrics with these as the relevant labels.
    """
    part, protocol = data.retrieval(split), preset(data.info["protocol"])

    def scored(queries: np.ndarray, gallery: np.ndarray) -> tuple:
        arrays = embedded.queries, embedded.gallery, queries, gallery, part.source
        return evaluate.score(*arrays, protocol, seed)

    ranks, result = scored(part.query_labels, part.gallery_labels)
    also = {}
    for column in data.info.get("recall_also", ()):
        labels = data.images[column].to_numpy(dtype=str)[part.gallery]
        also[column] = scored(labels[part.target], labels)[1]["metrics"]
    return ranks, result | ({"also": also} if also else {})


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
    task = Task(data, config.task, device, config.model)
    _check_texts(config, data)
    tokens = tokeniser(config.model, task)
    words = tokens.tokens if isinstance(tokens, Vocabulary) else []
    torch.manual_seed(seed)  # initial weights
    system = Composed(config.model, len(words))
    run_name = name(config)
    folder = paths.runs() / run_name
    identity = {
        "run": settings,
        "data": data.manifest_hash,
        "sources": sources(config),
        "weights": weights_digest(config.model.image_weights),
        "vocabulary": words,
        "protocol": preset(data.info["protocol"]).as_dict(),
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
    ranks, result = score(embedded, data, "test")
    if finished:
        record = ledger.Record.make(**files.read_json(folder / "record.json"))
    else:
        record = _record(config, data, identity, folder, selected, command, system, result)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    if process.is_main_process and not (finished and ledger.exists(run_name)):
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
            preset(task.data.info["protocol"]),
        )
        recalls = {f"R@{k}": 100 * evaluate.recall_at(ranks, k) for k in (1, 5, 10)}
        rounded = {name: round(value, 3) for name, value in recalls.items()}
        return {**rounded, "selection": round(sum(recalls.values()) / 3, 3)}

    return validate


def _check_texts(config: RunConfig, data: Prepared) -> None:
    one = COMPOSITORS[config.model.compositor].one_attribute
    if one and data.info.get("text") != "one attribute":
        raise InputError(
            f"compositor {config.model.compositor!r} takes texts that are one attribute; those of "
            f"{config.dataset} are sentences"
        )


def _record(config, data, identity, folder, selected, command, system, result):
    facts = files.read_json(folder / f"{selected}.json")
    last = files.read_json(folder / "last.json")
    chosen = {
        "val": "best mean of R@1, R@5, R@10 on held-out training sources",
        "test": "best mean of R@1, R@5, R@10 on test (the original's habit)",
        "last": "last step",
    }[config.train.selection]
    return ledger.Record.make(
        run=name(config),
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
            "weights": identity["weights"],
        },
        code=ledger.code(identity["sources"]),
        hardware=ledger.hardware(identity["device"]),
        software=ledger.software(),
        parameters=sum(p.numel() for p in system.parameters()),
        steps=last["step"],
        seconds=round(last["seconds"], 1),
        peak_memory_gb=ledger.peak_memory_gb(identity["device"]),
        result=result,
        validation=facts.get("metrics", {}),
        checkpoint_sha256=facts["sha256"],
        command=command,
        finished=ledger.now(),
    )
