"""Pretrained weights: where they lie, what tells them apart, and how they are read; no download."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_line
from cmir_repro.core.files import sha256

if TYPE_CHECKING:  # torch takes seconds, and data are read without it
    from torch import Tensor


def weights_file(name: str) -> Path:
    """A weights file by its path, or by its name in `paths.weights()`."""
    path = Path(name)
    return path if path.is_absolute() or path.exists() else paths.weights() / name


def weights_digest(weights: str) -> str:
    """What tells weights apart: the digest of their file, or the word that names them.

    Raises:
        InputError: the file is not there.
    """
    if weights in ("none", "imagenet"):
        return weights
    file = weights_file(weights)
    if not file.is_file():
        raise InputError(
            f"the weights {weights} are neither a file nor in the weights folder; put them into "
            f"{paths.shown(paths.weights())} or set CMIR_WEIGHTS to the folder that holds them"
        )
    return sha256(file)


def read_weights(path: Path) -> dict[str, "Tensor"]:
    """The tensors of a safetensors file, by name.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise InputError(f"{path} does not exist")
    try:
        return load_file(path)
    except Exception as error:  # its own kind for a damaged file, others for kinds of numbers
        reason = one_line(error, 100)
        raise InputError(f"{path} is not a readable safetensors file ({reason})") from error


def from_disk(kind: type, path: str) -> object:
    """A saved model or tokeniser of `transformers`: what `kind` makes of a folder.

    Raises:
        InputError: there is none in the folder.
    """
    from safetensors import SafetensorError

    try:
        # A name that is no folder would make transformers ask the network, even when told not to.
        if not os.path.isdir(path):
            raise FileNotFoundError(path)
        return kind.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"no whole {kind.__name__} in the folder {str(path)!r}; it takes that of a saved model "
            "(config.json, model.safetensors, tokenizer files)"
        ) from error
