"""A trained model small enough to share: the selected weights in half precision.

FOLDER/model.json holds configuration, vocabulary, protocol, figures and digest, and the weights lie
beside it. `load` builds the model again.
"""

from pathlib import Path

import torch

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.tokenizers import Vocabulary
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.dim import DIMRun
from cmir_repro.systems.dim import Composed
from cmir_repro.training import checkpoint


def export(run: str, folder: Path) -> str:
    """Write a finished run's selected weights as float16; the figures are those of float32.

    Returns:
        The digest of the weights file.

    Raises:
        InputError: the run is not in the ledger, or its checkpoint is not here.
    """
    record = ledger.read(run)
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
    return checkpoint.save(folder, "model", half, {**facts, "record": record.model_dump()})


def load(folder: Path) -> tuple[Composed, Vocabulary]:
    """The model of `export` in evaluation mode, weights back in float32, and its vocabulary.

    Raises:
        InputError: missing or damaged files, or a model that needs a text encoder from disk.
    """
    tensors, facts = checkpoint.load(folder, "model")
    config = DIMRun.make(**facts["config"]["run"])
    if config.model.text_encoder == "bert":
        raise InputError(f"{folder} holds a BERT model; its tokeniser is not in the checkpoint")
    vocabulary = Vocabulary(facts["config"]["vocabulary"])
    # Only the shape of the net matters here, its weights follow.
    system = Composed(config.model.model_copy(update={"image_weights": "none"}), len(vocabulary))
    full = {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}
    checkpoint.restore(system, None, full)
    return system.eval(), vocabulary
