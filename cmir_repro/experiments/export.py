"""A trained model small enough to share: the selected weights in half precision.

FOLDER/model.json holds configuration, vocabulary, protocol, figures, digest and the sizes of the
net, and the weights lie beside it. `load` builds the model again, without its data.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.training import checkpoint

# Encoders whose shape, too, comes from a folder of a saved model.
SAVED = {"text_encoder": "bert", "image_encoder": "vit"}


class Shared(NamedTuple):
    """A model of `export` in evaluation mode, its settings, its vocabulary (empty: not its own)."""

    model: nn.Module
    config: RunConfig
    vocabulary: list[str]


def export(run: str, folder: Path) -> str:
    """Write a finished run's selected weights as float16; the figures are those of float32.

    Returns:
        The digest of the weights file.

    Raises:
        InputError: the run is not in the ledger, or its checkpoint or data are not here, or it has
            no weights.
    """
    record = ledger.read(run)
    if record.kind == "features" or not record.parameters:
        raise InputError(f"{run} has no trained weights to share")
    selected = "last" if record.config["train"]["selection"] == "last" else "best"
    tensors, facts = checkpoint.load(paths.runs() / run, selected)
    if facts["sha256"] != record.checkpoint_sha256:
        raise InputError(
            f"the checkpoint of {run} here is not the one its record was made from; run it again"
        )
    half = {
        name: value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith("model.")
    }
    system = SYSTEMS[record.system]
    sizes = system.experiment(system.config.make(**record.config), progress=False).sizes()
    more = {"record": record.model_dump(), "sizes": sizes}
    return checkpoint.save(folder, "model", half, {**facts, **more})


def load(folder: Path) -> Shared:
    """The model of `export`, weights back in float32.

    Raises:
        InputError: missing or damaged files, or a model that needs an encoder from disk.
    """
    tensors, facts = checkpoint.load(folder, "model")
    system = SYSTEMS[facts["record"]["system"]]
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
    return Shared(net.eval(), config, facts["config"].get("vocabulary", []))
