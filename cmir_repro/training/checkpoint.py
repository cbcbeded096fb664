"""Checkpoints: weights in safetensors, everything else in JSON beside them; nothing is pickled.

`NAME.json` names its weights file and that file's digest and is written last, so that whatever
moment the process dies at, the JSON found on disk belongs to whole weights.
"""

import json
from pathlib import Path
from typing import Annotated, NotRequired

import torch
from pydantic import ConfigDict, Field, JsonValue
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from typing_extensions import TypedDict

from cmir_repro.core.config import read
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic, sha256, write_json
from cmir_repro.core.weights import read_weights


class Facts(TypedDict):
    """What every checkpoint's JSON holds; each kind of checkpoint adds its own."""

    __pydantic_config__ = ConfigDict(extra="allow")
    step: Annotated[int, Field(ge=0, lt=2**63)]
    config: dict[str, JsonValue]
    weights: str
    sha256: str
    tensors: NotRequired[int]  # how many; none in checkpoints of before they were counted
    metrics: NotRequired[dict[str, float]]
    seconds: NotRequired[float]


class Progress(Facts):
    """What the JSON of "last" holds: everything to go on from, with the weights."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    updates: Annotated[int, Field(ge=0, lt=2**63)]
    best: float | None
    since_best: Annotated[int, Field(ge=0)]
    finished: bool
    seconds: float
    cpu_seconds: NotRequired[float]
    log: list[dict[str, float]]


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
    facts = {**facts, "weights": path.name, "sha256": digest, "tensors": len(copies)}
    write_json(folder / f"{name}.json", facts)
    for old in folder.glob(f"{name}-*.safetensors"):
        if old != path:
            old.unlink()
    return digest


def load(
    folder: Path, name: str, config: dict | None = None, schema: type = Facts
) -> tuple[dict[str, Tensor], dict]:
    """Read a checkpoint back: tensors on the CPU, and its facts.

    Args:
        config: if given, the checkpoint must be of exactly this configuration.
        schema: of the facts, `Facts` or one with more.

    Raises:
        InputError: missing or damaged, or of another configuration (the first key that differs
            is named).
    """
    folder = Path(folder)
    file = folder / f"{name}.json"
    facts = read(file, schema, f"delete {folder} and train again")
    path = folder / Path(facts["weights"]).name
    if not path.is_file() or sha256(path) != facts["sha256"]:
        raise InputError(f"{path} is missing or damaged; delete {folder} and train again")
    if config is not None:
        # Through JSON, so that tuples and lists compare equal.
        different = difference(facts["config"], json.loads(json.dumps(config)))
        if different:
            raise InputError(f"{file} is a checkpoint of another run: {different}")
    tensors = read_weights(path)
    if len(tensors) != facts.get("tensors", len(tensors)):
        raise InputError(
            f"{path} holds {len(tensors):,} of {facts['tensors']:,} tensors; delete {folder} and "
            "train again"
        )
    return tensors, facts


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
    where: object = "the checkpoint",
) -> None:
    """Put back what `save` kept of a module ("model." keys) and, if given, its optimisers.

    Args:
        where: it came from, for messages.

    Raises:
        InputError: weights or states do not fit.
    """
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"the weights of {where} do not fit the model: {reason}") from error
    for part, optimizer in (optimizers or {}).items():
        state = _state(optimizer, part, tensors, where)
        whole = optimizer.state_dict()
        optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
        for parameter, values in optimizer.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    # In the parameter's order in memory: a file has lost channels last, and fused
                    # kernels go through all as they lie there.
                    values[name] = torch.empty_like(parameter).copy_(value)


def _state(
    optimizer: torch.optim.Optimizer, part: str, tensors: dict[str, Tensor], where: object
) -> dict[int, dict[str, Tensor]]:
    """The state of an optimiser by number of the parameter, whole or not at all."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    prefix = f"optimizer.{part}."
    for key, value in tensors.items():
        number, _, name = key.removeprefix(prefix).partition(".")
        if not key.startswith(prefix):
            continue
        known = number.isdecimal() and len(number) < 10 and int(number) < len(parameters)
        if not known or not _fits(name, value, parameters[int(number)]):
            raise InputError(f"{key} of {where} does not fit the optimiser; train again")
        state.setdefault(int(number), {})[name] = value
    names = {name for values in state.values() for name in values}
    for number, values in state.items():
        if lacking := sorted(names - values.keys()):
            raise InputError(f"{where} lacks {prefix}{number}.{lacking[0]}; train again")
    return state


def _fits(name: str, value: Tensor, parameter: Tensor) -> bool:
    """Whether a state may be of a parameter: its count of steps, or of its shape and kind."""
    if name == "step":
        return value.shape == () and value.dtype == torch.float32
    return value.shape == parameter.shape and value.dtype == parameter.dtype
