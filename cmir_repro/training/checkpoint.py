"""Checkpoints: weights in safetensors, everything else in JSON beside them; nothing is pickled.

`NAME.json` names its weights file and that file's digest and is written last, so that whatever
moment the process dies at, the JSON found on disk belongs to whole weights.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic, read_json, sha256, write_json


def save(folder: Path, name: str, tensors: dict[str, Tensor], facts: dict) -> str:
    """Write `NAME.json` and `NAME-STEP.safetensors`; older weights of the name are removed.

    Args:
        folder: made if missing.
        name: such as "last" or "best".
        tensors: what to keep, any device.
        facts: JSON values; needs "step" and "config".

    Returns:
        The digest of the weights file.
    """
    folder = Path(folder)
    path = folder / f"{name}-{facts['step']:06d}.safetensors"
    # Tensors that share memory are refused by safetensors; a copy has its own.
    copies = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with atomic(path) as temporary:
        try:
            save_file(copies, temporary)
        except SafetensorError as error:  # how it reports a full disk
            raise OSError(str(error)) from error
    digest = sha256(path)
    write_json(folder / f"{name}.json", {**facts, "weights": path.name, "sha256": digest})
    for old in folder.glob(f"{name}-*.safetensors"):
        if old != path:
            old.unlink()
    return digest


def tidy(folder: Path) -> None:
    """Remove weights that no checkpoint of the folder names: a process died while it saved."""
    named = {read_json(path).get("weights") for path in folder.glob("*.json")}
    for path in folder.glob("*-*.safetensors"):
        if path.name not in named:
            path.unlink()


def load(folder: Path, name: str, config: dict | None = None) -> tuple[dict[str, Tensor], dict]:
    """Read a checkpoint back: tensors on the CPU, and its facts.

    Args:
        config: if given, the checkpoint must be of exactly this configuration.

    Raises:
        InputError: missing or damaged, or of another configuration (the first key that differs
            is named).
    """
    folder = Path(folder)
    facts = read_json(folder / f"{name}.json")
    missing = {"step", "config", "weights", "sha256"} - facts.keys()
    if missing:
        raise InputError(
            f"{folder / name}.json lacks {', '.join(sorted(missing))}; delete {folder}"
        )
    path = folder / Path(facts["weights"]).name
    if not path.exists() or sha256(path) != facts["sha256"]:
        raise InputError(f"{path} is missing or damaged; delete {folder} and train again")
    if config is not None:
        # Through JSON, so that tuples and lists compare equal.
        different = difference(facts["config"], json.loads(json.dumps(config)))
        if different:
            raise InputError(f"{folder / name}.json is a checkpoint of another run: {different}")
    try:
        return load_file(path), facts
    except SafetensorError as error:
        raise InputError(f"{path} is no safetensors file; delete it and train again") from error


def difference(saved: object, wanted: object, key: str = "config") -> str:
    """The first place where two configurations differ, in words; empty if they are equal."""
    if isinstance(saved, dict) and isinstance(wanted, dict):
        for name in sorted(saved.keys() | wanted.keys()):
            found = difference(saved.get(name), wanted.get(name), f"{key}.{name}")
            if found:
                return found
        return ""
    return "" if saved == wanted else f"{key} is {saved!r} there, {wanted!r} here"


def optimizer_tensors(optimizers: dict[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The state of optimisers by name as flat tensors, keys "optimizer.PART.PARAMETER.NAME"."""
    return {
        f"optimizer.{part}.{number}.{name}": torch.as_tensor(value)
        for part, optimizer in optimizers.items()
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def restore(
    module: nn.Module,
    optimizers: dict[str, torch.optim.Optimizer] | None,
    tensors: dict[str, Tensor],
) -> None:
    """Put back what `save` kept of a module ("model." keys) and, if given, its optimisers."""
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"the checkpoint's weights do not fit the model: {str(error).splitlines()[1].strip()}"
        ) from error
    for part, optimizer in (optimizers or {}).items():
        state: dict[int, dict[str, Tensor]] = {}
        prefix = f"optimizer.{part}."
        for key, value in tensors.items():
            if key.startswith(prefix):
                number, name = key.removeprefix(prefix).split(".", 1)
                state.setdefault(int(number), {})[name] = value
        whole = optimizer.state_dict()
        optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
        for parameter, values in optimizer.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    # In the parameter's order in memory: a file has lost channels last, and fused
                    # kernels go through all as they lie there.
                    values[name] = torch.empty_like(parameter).copy_(value)
