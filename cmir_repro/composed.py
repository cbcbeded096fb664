"""One run of composed retrieval, from configuration to ledger record.

Data, system, training and evaluation meet here and nowhere else.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState

from cmir_repro import evaluate, ledger, runs
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.tokens import Vocabulary
from cmir_repro.embedding import Embedded, embed
from cmir_repro.errors import InputError
from cmir_repro.methods import RunConfig
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.image import weights_digest
from cmir_repro.models.text import BertTokens
from cmir_repro.protocol import preset
from cmir_repro.systems.dim import Composed
from cmir_repro.tasks import QueryBatches, Task, open_data, tokeniser

SELECTIONS = {
    "val": "best mean of R@1, R@5, R@10 on held-out training sources",
    "test": "best mean of R@1, R@5, R@10 on test (the original's habit)",
    "last": "last step",
}


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

    A broken-off run goes on where it stopped; one made by other versions, from other data or on
    another kind of device is made anew.

    Args:
        config: from `configure`.
        device: "cpu" or "cuda".
        command: what to type to get this run, for the record.
    """
    ledger.reset_peak_memory(device)
    with PartialState(cpu=device == "cpu").main_process_first():  # each process takes its own GPU
        data = open_data(config.dataset, config.scale, device, progress)
    task = Task(data, config.task, device, config.model)
    _check_texts(config, data)
    tokens = tokeniser(config.model, task)
    words = tokens.tokens if isinstance(tokens, Vocabulary) else []
    torch.manual_seed(config.train.seed)  # initial weights
    system = Composed(config.model, len(words))
    job = runs.Job(
        config,
        data,
        preset(data.info["protocol"]),
        device,
        SELECTIONS[config.train.selection],
        weights=weights_digest(config.model.image_weights),
        vocabulary=words,
    )
    if not job.load(system):
        # The original has no validation split, so its way of selecting trains on all of train.
        splits = ("train", "val") if config.train.selection == "test" else ("train",)
        batches = QueryBatches(task, tokens, config.train, splits, config.shuffle_text)
        job.train(system, batches, _validator(task, tokens, config), progress)
    embedded = embed(system, task, tokens, "test")
    ranks, result = score(embedded, data, "test")
    record = job.record(system, result, task.split("test").query_ids, ranks, command)
    return Run(record, job.log(), system, task, tokens, embedded, ranks)


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
