"""The one training loop: any system, on a CPU, a GPU or several processes (Accelerate).

What it asks of a system is `systems.base.System`, or `AlternatingSystem` where a batch makes
several optimiser steps. A step is a batch, whatever it makes. Batches are a function of the step,
random numbers of the optimiser steps so far, so a resumed run is the run that was broken off.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from pydantic import Field, model_validator
from torch import Tensor, nn

from cmir_repro.core.config import Config
from cmir_repro.core.distributed import anyone, sharing
from cmir_repro.core.errors import SEEDS, one_of
from cmir_repro.core.files import write_text
from cmir_repro.core.progress import bar
from cmir_repro.data.sampling import SAMPLERS
from cmir_repro.training import checkpoint, together
from cmir_repro.training.clock import Clock
from cmir_repro.training.stop import Stop


class TrainConfig(Config):
    """How to train; see RECIPES for whole sets of values."""

    steps: int = Field(600, ge=1)  # batches
    batch: int = Field(64, ge=3)  # over all processes
    sampler: Literal[tuple(SAMPLERS)] = "shuffled"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    pretrained_factor: float = Field(1.0, gt=0)  # on the rate of layers with pretrained weights
    momentum: float = Field(0.9, ge=0, lt=1)  # sgd only
    weight_decay: float = Field(1e-2, ge=0)
    schedule: Literal["one-cycle", "step", "constant", "cosine"] = "one-cycle"
    decay_every: int = Field(50_000, ge=1)  # steps between cuts to a tenth; schedule "step" only
    clip: float = Field(1.0, ge=0)  # largest gradient norm; 0: no clipping
    precision: Literal["fp32", "bf16"] = "fp32"
    evaluate_every: int = Field(200, ge=1)
    patience: int = Field(0, ge=0)  # validations without a better one before stopping; 0: never
    # "val" keeps the best model by the held-out sources; "test" is the original's habit (it trains
    # on val too and selects on test); "last" keeps the last one.
    selection: Literal["val", "test", "last"] = "val"
    log_every: int = Field(20, ge=1)
    compile: bool = False  # torch.compile
    seed: int = Field(0, ge=0, lt=SEEDS)

    @model_validator(mode="after")
    def _stops(self):
        if self.patience and self.selection == "last":
            raise ValueError("patience needs a selection that validates: 'val' or 'test'")
        return self


# "fast" is our choice; the others are the optimisers of TIRG's README commands. Its losses are
# chosen apart: soft triplet on CSS and MIT-States, batch softmax on Fashion200k.
_TIRG = {
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "batch": 32,
    "steps": 160_000,
    "clip": 0.0,
    "evaluate_every": 2_000,
    "weight_decay": 1e-6,
}
RECIPES = {
    "fast": {},
    "tirg/css": {**_TIRG, "schedule": "constant", "sampler": "same-source-pairs"},
    "tirg/mitstates": {
        **_TIRG,
        "schedule": "step",
        "weight_decay": 5e-5,
        "pretrained_factor": 0.1,
    },
    "tirg/fashion200k": {**_TIRG, "schedule": "step", "pretrained_factor": 0.1},
}


def recipe(name: str, **changes: object) -> TrainConfig:
    """A recipe's settings with some changed.

    Raises:
        InputError: unknown recipe, key or value.
    """
    one_of("recipe", name, RECIPES)
    return TrainConfig.make(**{**RECIPES[name], **changes})


class Batches(Protocol):
    """Where batches come from."""

    def __call__(self, step: int, rank: int, processes: int) -> dict[str, Tensor]:
        """This process's share of the batch of a step, on the training device."""

    def describe(self, step: int) -> str:
        """The ids in the batch of a step, for an error message."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message names step and batch."""


def rate(config: TrainConfig, step: int) -> float:
    """The learning rate of a step (0-based) as a share of the configured one.

    "one-cycle" rises over the first 30 % from 1/25 and falls to 1/250,000, both as half a cosine
    (Smith 2018; the shares are PyTorch's defaults). "cosine" falls to a tenth as half a cosine
    (salesforce/ALBEF, fine-tuning).
    """
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "cosine":
        return _cosine(1.0, 0.1, step / config.steps)
    if config.schedule == "step":
        return 0.1 ** (step // config.decay_every)
    peak = 0.3 * config.steps
    if step < peak:
        return _cosine(1 / 25, 1.0, step / peak)
    return _cosine(1.0, 1 / 250_000, (step - peak) / (config.steps - peak))


@together.ending_together()
def train(
    system: nn.Module,
    batches: Batches,
    config: TrainConfig,
    folder: Path,
    *,
    identity: dict,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    device: str = "cpu",
    title: str = "train",
    progress: bool = True,
) -> list[dict]:
    """Train `system` in place; it ends with the selected weights.

    `folder` gets `last` (everything needed to go on) and `best` checkpoints and `log.jsonl`. If it
    holds a `last` of the same `identity`, training goes on from there. Ctrl-C or a termination
    signal ends the step at hand, saves, and raises KeyboardInterrupt.

    Args:
        system: a `systems.base.System` or `AlternatingSystem`.
        identity: JSON values a checkpoint must agree with to be resumed.
        validate: called every `evaluate_every` steps and at the end; its "selection" value, the
            higher the better, chooses the best weights.

    Returns:
        The log: rows with "step" and either training means or "val ..." figures.

    Raises:
        TrainingError: the loss is not finite.
        InputError: the checkpoint in `folder` is damaged or of another run; disk full; processes
            that do not fit together (see `together`).
    """
    # Accelerate would keep the precision and device of this process's first training.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision="bf16" if config.precision == "bf16" else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    chief = accelerator.is_main_process
    together.meet(folder, identity, config.batch)
    together.normalise_together(system, accelerator.device)
    # Convolutions are faster with channels last, the order in which pictures are stored.
    system.to(accelerator.device, memory_format=torch.channels_last)
    parts = optimizers(system, config)
    state = _State(folder, identity, system, parts)
    state.resume()
    wrapped, *prepared = accelerator.prepare(system, *parts.values())
    # Buffers are the same everywhere, queues and statistics of the whole batch: none need travel.
    if wrapped is not system:
        wrapped.broadcast_buffers = False
    parts = dict(zip(parts, prepared, strict=True))
    forward = torch.compile(wrapped) if config.compile else wrapped
    generator = torch.Generator()

    def optimise(batch: dict[str, Tensor], turn: str) -> dict[str, Tensor]:
        """One optimiser step; the losses, without gradients."""
        reseed(config.seed, state.updates, generator)
        with sharing(config.batch):
            losses = forward(batch, generator, *([] if turn == WHOLE else [turn]))
        wrapped.zero_grad(set_to_none=True)
        accelerator.backward(losses["loss"])
        if config.clip:
            accelerator.clip_grad_norm_(wrapped.parameters(), config.clip)
        parts[turn].step()
        state.updates += 1
        return {name: value.detach() for name, value in losses.items()}

    with (
        Stop() as stop,
        bar(
            total=config.steps,
            initial=state.step,
            desc=title,
            unit="step",
            disable=not (progress and chief),
        ) as shown,
    ):
        while state.step < config.steps and not state.finished:
            step = state.step
            wrapped.train()
            for group in (g for optimizer in parts.values() for g in optimizer.param_groups):
                group["lr"] = group["base"] * rate(config, step)
            batch = batches(step, accelerator.process_index, accelerator.num_processes)
            state.pending.append(_figures([optimise(batch, turn) for turn in _turns(system, step)]))
            state.step += 1
            shown.update()
            end = state.step == config.steps
            due = end or state.step % config.evaluate_every == 0  # to validate and save
            # Losses are read now and then only: reading one waits for the GPU. Several processes
            # agree to stop then, too.
            reading = due or state.step % config.log_every == 0
            stopping = (reading or accelerator.num_processes == 1) and anyone(
                stop.asked, accelerator.device
            )
            if reading or stopping:
                row = _means(state.pending, state.step, batches)
                _check_weights(system, step, batches)
            if reading:
                row |= {"rate": config.learning_rate * rate(config, step)}
                row |= {"seconds": state.clock.seconds()}
                state.log.append(row)
                state.pending.clear()
                shown.set_postfix_str(f"loss {row['loss']:.3f}{state.shown()}", refresh=False)
            if due and validate is not None:
                system.eval()
                with torch.no_grad():
                    found = broadcast_object_list([validate(system) if chief else None])[0]
                state.select({f"val {k}": v for k, v in found.items()}, config.patience, chief)
            if chief and (due or stopping):
                state.save()
            if stopping:
                break
        if anyone(stop.asked, accelerator.device):
            raise KeyboardInterrupt(
                f"stopped after step {state.step}; it is kept, and the same command goes on from it"
            )
    accelerator.wait_for_everyone()
    accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)  # bf16 ends with the training
    if validate is not None and config.selection != "last":
        tensors, _ = checkpoint.load(folder, "best")
        checkpoint.restore(system, None, tensors)
    system.eval()
    return state.log


class _State:
    """What a run carries from step to step, and how it gets to disk and back."""

    def __init__(self, folder, identity, system, optimizers) -> None:
        self.folder, self.identity = folder, identity
        self.system, self.optimizers = system, optimizers
        self.step, self.updates = 0, 0  # batches, and the optimiser steps that they made
        self.best, self.since_best, self.clock = -math.inf, 0, Clock()
        self.finished = False
        self.log: list[dict] = []
        self.pending: list[dict[str, Tensor]] = []  # losses since the last row of the log

    def resume(self) -> None:
        if not (self.folder / "last.json").exists():
            return
        checkpoint.tidy(self.folder)
        tensors, facts = checkpoint.load(self.folder, "last", self.identity, checkpoint.Progress)
        checkpoint.restore(self.system, self.optimizers, tensors, self.folder / "last.json")
        self.step, self.updates = facts["step"], facts["updates"]
        self.since_best = facts["since_best"]
        self.best = -math.inf if facts["best"] is None else facts["best"]
        self.log, self.finished = facts["log"], facts["finished"]
        self.clock = Clock(facts["seconds"], facts.get("cpu_seconds"))
        device = next(self.system.parameters()).device
        for losses in facts.get("pending", []):  # none where a stop ended a row of the log
            self.pending.append({k: torch.tensor(x, device=device) for k, x in losses.items()})

    def select(self, found: dict, patience: int, chief: bool) -> None:
        self.log.append({"step": self.step, **found})
        if found["val selection"] > self.best:
            self.best, self.since_best = found["val selection"], 0
            if chief:
                facts = {"step": self.step, "config": self.identity, "metrics": found}
                checkpoint.save(self.folder, "best", _weights(self.system), facts)
        else:
            self.since_best += 1
            self.finished = 0 < patience <= self.since_best

    def save(self) -> None:
        tensors = _weights(self.system) | checkpoint.optimizer_tensors(self.optimizers)
        facts = {
            "step": self.step,
            "updates": self.updates,
            "config": self.identity,
            "best": None if self.best == -math.inf else self.best,
            "since_best": self.since_best,
            "finished": self.finished,
            "seconds": self.clock.seconds(),
            "cpu_seconds": self.clock.cpu_seconds(),
            "log": self.log,
            "pending": [{k: x.float().item() for k, x in row.items()} for row in self.pending],
        }
        # First, so that the log is never behind the checkpoint.
        rows = [json.dumps(row, sort_keys=True) + "\n" for row in self.log]
        write_text(self.folder / "log.jsonl", "".join(rows))
        checkpoint.save(self.folder, "last", tensors, facts)

    def shown(self) -> str:
        return "" if self.best == -math.inf else f", best val {self.best:.1f}"


WHOLE = "all"  # the part that a system without turns trains


def optimizers(system: nn.Module, config: TrainConfig) -> dict[str, torch.optim.Optimizer]:
    """The optimiser of each part that a system trains in turn; of one without turns, of WHOLE."""
    groups = system.parameter_groups(config)
    parts = groups if isinstance(groups, dict) else {WHOLE: groups}
    return {name: _optimizer(own, config) for name, own in parts.items()}


def _optimizer(parts: list[tuple], config: TrainConfig) -> torch.optim.Optimizer:
    groups = [
        {"params": list(parameters), "base": config.learning_rate * factor, **settings}
        for parameters, factor, settings in parts
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    # fused: one kernel for all parameters, a tenth of the time.
    how = {"weight_decay": config.weight_decay, "fused": True}
    return torch.optim.AdamW(groups, lr=config.learning_rate, **how)


def _turns(system: nn.Module, step: int) -> Sequence[str]:
    return system.turns(step) if hasattr(system, "turns") else (WHOLE,)


def _figures(told: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """What a batch's turns told, each figure the mean over those that tell it."""
    if len(told) == 1:
        return told[0]
    names = dict.fromkeys(name for losses in told for name in losses)
    means = {n: torch.stack([x[n] for x in told if n in x]).mean() for n in names}
    return {**means, "loss": told[-1]["loss"]}


def reseed(seed: int, updates: int, generator: torch.Generator) -> None:
    """Dropout reads torch's global state, all else `generator`; both follow the optimiser steps."""
    number = (seed * 1_000_003 + updates) % 2**63
    torch.manual_seed(number)
    generator.manual_seed(number)


def _means(pending: list[dict[str, Tensor]], step: int, batches: Batches) -> dict:
    first, means = step - len(pending), {}
    for name in dict.fromkeys(name for row in pending for name in row):
        at = [n for n, row in enumerate(pending) if name in row]
        values = torch.stack([pending[n][name].float() for n in at]).cpu()
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            found = int(bad[0])
            raise _error(f"the {name} is {values[found].item()}", first + at[found], batches)
        means[name] = round(values.mean().item(), 6)
    return {"step": step, **means}


def _check_weights(system: nn.Module, step: int, batches: Batches) -> None:
    """A finite loss may have a gradient that is not; the next loss would show it too late."""
    if not torch.stack([p.isfinite().all() for p in system.parameters()]).all():
        raise _error("a weight is not finite any more", step, batches)


def _error(what: str, step: int, batches: Batches) -> TrainingError:
    return TrainingError(
        f"{what} at step {step}, batch {batches.describe(step)}; lower learning_rate or set clip; "
        "the last checkpoint is whole"
    )


def _weights(system: nn.Module) -> dict[str, Tensor]:
    return {f"model.{name}": value for name, value in system.state_dict().items()}


def _cosine(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2
