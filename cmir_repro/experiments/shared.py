"""A trained model that somebody shared, and its answers to queries."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.nearest import nearest
from cmir_repro.experiments.experiment import Experiment
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.training import checkpoint

# Encoders whose shape, too, comes from a folder of a saved model.
SAVED = {"text_encoder": "bert", "image_encoder": "vit"}


class Shared:
    """A model of `export`, in evaluation mode.

    Attributes:
        model: the net, float32.
        config: the run's.
        vocabulary: of its text encoder; empty where that is not its own.
        record: of the run, with its figures.
    """

    def __init__(
        self, model: nn.Module, config: RunConfig, vocabulary: list[str], record: Record
    ) -> None:
        self.model, self.config, self.vocabulary, self.record = model, config, vocabulary, record
        self._opened: dict[str, tuple[Experiment, np.ndarray, np.ndarray]] = {}

    def query(self, *query: str, top: int = 10, scale: str | None = None) -> list[str]:
        """The images that answer a query best, by cosine.

        DIM: a picture, by its id or file, and what is to change in it. AAI: a sentence. CRCGS:
        tags. A warning names words that the model cannot tell from one another, as it was trained
        on none of them.

        Args:
            top: how many.
            scale: whose test images are searched; by default that of the training. Generated
                images are drawn where they are missing: those of "mini" in seconds, those of "full"
                in about a minute.

        Returns:
            Ids, best first.

        Raises:
            InputError: another kind of query, or the data are not here.
        """
        scale = scale or self.config.scale
        if scale not in self._opened:
            experiment = self.experiment(scale)
            self._opened[scale] = experiment, *experiment.gallery(self.model)
        experiment, ids, vectors = self._opened[scale]
        asked, left_out = experiment.ask(self.model, *query)
        _warn_of_unknown(experiment, query[-1])
        row = np.flatnonzero(ids == left_out)[:1]
        found, _ = nearest(asked, vectors, min(top, len(ids)), row if len(row) else None)
        return [str(ids[n]) for n in found[0] if n >= 0]

    def experiment(self, scale: str | None = None) -> Experiment:
        """The experiment that the model comes from, with its vocabulary: it embeds and scores.

        Raises:
            InputError: its data are not here.
        """
        config = self.config.model_copy(update={"scale": scale or self.config.scale})
        opened = SYSTEMS[config.system].experiment(config)
        if self.vocabulary:
            opened.speak(self.vocabulary)
        return opened


def find(name: Path | str) -> Path:
    """The folder of a model: itself, or a name in the user's ledger or among those that came along.

    Raises:
        InputError: there is none; those that are there are named.
    """
    for folder in (Path(name), *(root / name for root in _roots())):
        if (folder / "model.json").is_file():
            return folder
    there = f"there are {', '.join(known)}" if (known := names()) else "none came along"
    raise InputError(f"no model {str(name)!r}: it is no folder that cmir export wrote, and {there}")


def names() -> list[str]:
    """The models in the user's ledger and those that came along, sorted."""
    return sorted(
        {file.parent.relative_to(root).as_posix() for root in _roots() for file in _models(root)}
    )


def load(name: Path | str) -> Shared:
    """The model of `export` in a folder, or of a name; weights back in float32.

    Raises:
        InputError: no such model, damaged files, or a model that needs an encoder from disk.
    """
    folder = find(name)
    tensors, facts = checkpoint.load(folder, "model")
    record = Record.make(**facts["record"])
    system = SYSTEMS[record.system]
    config = system.config.make(**facts["config"]["run"])
    model = config.model
    for what, saved in SAVED.items():
        if model is not None and getattr(model, what, None) == saved:
            raise InputError(
                f"the {what} of {folder} is of a saved model, whose shape and tokeniser are not "
                "in the checkpoint"
            )
    # Only the shape of the net matters here, its weights follow.
    bare = model and model.model_copy(update={"image_weights": "none"})
    net = system.experiment.net(config.model_copy(update={"model": bare}), facts["sizes"])
    full = {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}
    checkpoint.restore(net, None, full)
    return Shared(net.eval(), config, facts["config"].get("vocabulary", []), record)


def _warn_of_unknown(experiment: Experiment, text: str) -> None:
    tokens = getattr(experiment, "tokens", None)  # CRCGS has none, and refuses unknown tags
    unknown = tokens.unknown(str(text)) if tokens is not None else []
    if unknown:
        words = ", ".join(map(repr, dict.fromkeys(unknown)))
        said = f"the model was trained on no sentence with {words}; each is an unknown word to it"
        warnings.warn(said, stacklevel=3)


def _roots() -> list[Path]:
    return [root for root in (paths.results() / "weights", paths.shipped()) if root]


def _models(root: Path) -> list[Path]:
    return list(root.glob("*/*/model.json"))
