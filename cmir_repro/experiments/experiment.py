"""What a system says of its own runs, and what a run is; `run.run` does what all have in common.

A new system is a net in systems/, an `Experiment` here, its configurations in presets/, and a line
in `systems.SYSTEMS`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import Protocol
from cmir_repro.data.judged import Judged
from cmir_repro.data.prepared import Prepared
from cmir_repro.evaluation.features import Features
from cmir_repro.evaluation.judged import Scores
from cmir_repro.experiments.job import Job
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.training.loop import Batches

FEWEST = 4  # examples to train on: losses compare those of a batch (our choice)


def largest_batch(batch: int, examples: int, what: str, dataset: str) -> int:
    """The batch, or where there are fewer examples the largest power of two of them; that is said.

    Raises:
        InputError: there are fewer than FEWEST examples.
    """
    if batch <= examples:
        return batch
    if examples < FEWEST:
        raise InputError(
            f"{dataset} has {examples} examples to train on, and at least {FEWEST} are needed; "
            "prepare it with more in the split train"
        )
    fits = 1 << (examples.bit_length() - 1)
    say(f"{dataset}: {what} has {examples:,} examples, so its batch is {fits} instead of {batch}")
    return fits


def say(line: str) -> None:
    """Print a line once, however many processes train."""
    if PartialState().is_main_process:
        print(line)


class Experiment(ABC):
    """One configuration on its data, from the net to the scores.

    Args:
        config: of the system's own class.
        device: "cpu" or "cuda".
        progress: whether bars are shown.

    Attributes:
        task: images and texts as the system sees them.
        data: the prepared data set behind it.
        protocol: how the run is scored.

    Raises:
        InputError: no such data set or task, or one that the configuration does not fit.
    """

    # Rule of selection -> in words, for the record.
    selections: ClassVar[dict[str, str]]
    # The feature files that can be scored as a run is; see `read`.
    files: ClassVar[tuple[str, ...]]
    # The validation figure that `Run.validations` shows, and what it is called there.
    curve: ClassVar[tuple[str, str]] = ("selection", "recall")

    task: object
    data: Prepared
    protocol: Protocol

    def __init__(self, config: RunConfig, device: str = "cpu", progress: bool = True) -> None:
        self.config, self.device, self.progress = config, device, progress

    @abstractmethod
    def facts(self) -> dict:
        """JSON values that decide the numbers beside configuration, data and protocol."""

    @abstractmethod
    def sizes(self) -> dict:
        """JSON values: what `net` needs to know of the data."""

    @classmethod
    @abstractmethod
    def net(cls, config: RunConfig, sizes: dict) -> nn.Module:
        """The net of a configuration on data of these sizes, with weights drawn as torch stands."""

    def build(self) -> nn.Module:
        """The net with its initial weights, drawn from torch's generator as it stands."""
        return self.net(self.config, self.sizes())

    @abstractmethod
    def examples(self, split: str) -> int:
        """How many of "train" or "val" there are: what a batch of train is drawn from."""

    def suit(self) -> RunConfig:
        """Change what of the configuration the data are too few for, say so, and return it.

        A batch that is larger than the training data becomes `largest_batch`; without validation
        data the last step is kept. The record holds the configuration that was used (our choice:
        only here are configuration and data known together; data that suffice change nothing).

        Raises:
            InputError: there is too little to train on.
        """
        train = self.config.train
        changed = {}
        batch = largest_batch(train.batch, self.examples("train"), "training", self.config.dataset)
        if batch != train.batch:
            changed["batch"] = batch
        if train.selection == "val" and not self.examples("val"):
            say(f"{self.config.dataset} has no validation data, so the last step is kept")
            changed |= {"selection": "last", "patience": 0}
        if changed:
            self.config = self.config.model_copy(update={"train": train.model_copy(update=changed)})
        return self.config

    @abstractmethod
    def batches(self) -> Batches:
        """What the net is trained on."""

    @abstractmethod
    def validate(self, system: nn.Module) -> dict[str, float]:
        """Figures in percent on the data that select, and under "selection" what decides."""

    @abstractmethod
    def features(self, system: nn.Module, job: Job) -> object:
        """What a trained net makes of what is scored; further stages train in the job's folder."""

    @abstractmethod
    def read(self, found: dict[str, Features]) -> object:
        """What `features` gives, from feature files of any model.

        Args:
            found: one file for each name of `files`, ids those of the test data, in any order.

        Raises:
            InputError: an id is missing or unknown.
        """

    @abstractmethod
    def score(self, features: object, seed: int = 0) -> tuple[pd.DataFrame, dict]:
        """The table of queries (see `ledger.queries`) and the summary that a record holds.

        Args:
            seed: of the bootstrap.
        """

    @abstractmethod
    def rankings(self, features: object) -> dict[str, tuple[Judged, Scores]]:
        """What is ranked for each test query, by direction ("" where there is one): for lists."""

    def speak(self, vocabulary: list[str]) -> None:
        """Read sentences by another vocabulary than that of the data: a shared model's."""
        raise NotImplementedError(f"{type(self).__name__} has no vocabulary")

    @abstractmethod
    def gallery(self, system: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """Ids (G,) str of the images that are searched, and their vectors (G, E) by a net."""

    @abstractmethod
    def ask(self, system: nn.Module, *query: object) -> tuple[np.ndarray, str]:
        """A net's vector (1, E) of a query, and the id that is no answer to it, "" for none.

        Raises:
            InputError: the query is not of the kind that the system answers.
        """

    def fit(self, system: nn.Module, job: Job) -> None:
        """Train a net in place, or load it if the job is finished."""
        if not job.load(system):
            validate = None if self.config.train.selection == "last" else self.validate
            job.train(system, self.batches(), validate, self.progress)

    def untrained(self) -> nn.Module:
        """The net as training begins with it, on the device, in evaluation mode."""
        torch.manual_seed(self.config.train.seed)
        return self.build().to(self.device).eval()


@dataclass(frozen=True)
class Run:
    """A finished run.

    features: of the test data, as the experiment's `features`.
    queries: how each query did, see `ledger.queries`.
    """

    record: Record
    log: pd.DataFrame
    system: nn.Module
    experiment: Experiment
    features: object
    queries: pd.DataFrame

    @property
    def task(self) -> object:
        """Images and texts as the system sees them."""
        return self.experiment.task

    def losses(self) -> pd.DataFrame:
        """The training rows of the log: step, loss and its parts, rate, seconds."""
        if "loss" not in self.log:  # fitted, not trained
            return pd.DataFrame(columns=["step", "loss"])
        rows = self.log[self.log["loss"].notna()]
        return rows.drop(columns=[name for name in rows if name.startswith("val ")])

    def validations(self) -> pd.DataFrame:
        """The validation rows of the log: step and recall (or MAP), in percent."""
        key, name = self.experiment.curve
        key = f"val {key}"
        if key not in self.log:
            return pd.DataFrame(columns=["step", name])
        rows = self.log[self.log[key].notna()]
        return pd.DataFrame({"step": rows["step"], name: rows[key]})
