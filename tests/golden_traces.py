"""Golden traces: a few steps of every system and compositor on a tiny world, kept as numbers.

    python tests/golden_traces.py                 compare all with tests/golden
    python tests/golden_traces.py --write         write those whose version has no file yet

A trace goes the way of every run, from a configuration (golden_configs) to a record, and keeps what
the ledger and the optimisers saw; what is no run is in golden_parts. It is the proof that a change
of the code moved no number. Whoever means to move numbers raises the version of what moved
(cmir_repro/experiments/versions.py) and writes the new traces.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny_labels
import tiny_photos
import torch
from golden_configs import configs
from golden_parts import PLAIN, some
from torch.optim.optimizer import register_optimizer_step_pre_hook

from cmir_repro.data.css import dataset as css
from cmir_repro.evaluation import image_text
from cmir_repro.evaluation import labels as label_retrieval
from cmir_repro.evaluation import recall as evaluate
from cmir_repro.experiments import ledger, versions
from cmir_repro.experiments.presets import dim
from cmir_repro.experiments.run import run as train_and_score
from cmir_repro.models.pooling import POOLERS

FOLDER = Path(__file__).parent / "golden"
WORLD = css.Scale(bases=(30, 20), edits=(40, 20), width=45, height=30)
RESAMPLES = 100  # of bootstraps
# What processors, numbers of threads and kernels may differ by, as a share and absolutely: the log
# has six decimals, so rounding alone moves figures below a tenth by more than the share.
TOLERANCE = (1e-5, 2e-6)
# Figures of rankings: those of validation have three decimals, and two items whose scores differ by
# rounding may change places, which moves a mean rank or average precision by a hair, recall not.
RANKED, OF_RANKING = ("val ", "validation", "metrics"), (1e-3, 2e-3)
SWAPPED = 1  # of the ranks kept, so many may differ for the same reason
NAMES = (*PLAIN, *configs())


def traced(config) -> dict:
    """The numbers of a run: its log, gradients, validation, metrics and some ranks."""
    # Without copies and turns the first gradient tells all, and nothing is added up before it.
    steps = (0,) if isinstance(config, dim.DIMRun) else (0, 1, -1)
    with _nothing_there(), Gradients() as gradients:
        run = train_and_score(config, progress=False, command="a golden trace")
        record = ledger.read(run.record.run)
        ranks = ledger.queries(record.run).iloc[:, -1].to_numpy()
    rows = run.log.drop(columns="seconds", errors="ignore").to_dict("records")
    return {
        "log": [{key: x for key, x in row.items() if x == x} for row in rows],  # NaN: not there
        "gradients": gradients.by_block(run.system, steps),
        "parameters": record.parameters,
        "steps": record.steps,
        "validation": record.validation,
        "metrics": record.result.get("by_scoring", record.result["metrics"]),
        "ranks": some(ranks),
    }


@contextmanager
def _nothing_there() -> Iterator[None]:
    """Empty folders for runs and ledger: a finished run would be found again, not made."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name in ("RUNS", "RESULTS"):
            patch.setenv(f"CMIR_{name}", f"{folder}/{name.lower()}")
        yield


class Gradients:
    """Listens to all optimisers: the norm of each parameter's gradient, step by step."""

    def __enter__(self) -> "Gradients":
        self.stages: dict[int, list[dict]] = {}
        self.kept = []  # an id is one object's as long as that lives
        self.handle = register_optimizer_step_pre_hook(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.remove()

    def _note(self, optimizer, *_: object) -> None:
        given = [p for group in optimizer.param_groups for p in group["params"]]
        self.kept += [optimizer, *given]
        norms = {id(p): p.grad.double().square().sum().item() for p in given if p.grad is not None}
        self.stages.setdefault(id(optimizer), []).append(norms)

    def by_block(self, system: torch.nn.Module, steps: tuple[int, ...]) -> list[dict]:
        """Of some steps of each optimiser: block -> norm of its gradient.

        Blocks are the first two parts of a parameter's name; nets that are trained beside the
        system (teachers, hash heads) are one block.
        """
        blocks = {id(p): ".".join(n.split(".")[:2]) for n, p in system.named_parameters()}
        out = []
        for stage in self.stages.values():
            for step in steps:
                squares: dict[str, float] = {}
                for key, square in stage[step].items():
                    block = blocks.get(key, "beside the system")
                    squares[block] = squares.get(block, 0.0) + square
                out.append({block: square**0.5 for block, square in sorted(squares.items())})
        return out


@contextmanager
def tiny_world(folder: Path) -> Iterator[None]:
    """The data that traces are of, in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMIR_DATA", str(folder / "data"))
        patch.setitem(css.SCALES, "mini", WORLD)
        for home in (evaluate, image_text, label_retrieval):
            if hasattr(home, "RESAMPLES"):
                patch.setattr(home, "RESAMPLES", RESAMPLES)
        css.prepare("mini", progress=False)
        if not (folder / "data" / "photos").exists():
            tiny_photos.write(folder / "data" / "photos", text="one attribute")
            tiny_labels.write(folder / "data")
        yield


def used(name: str) -> dict[str, int]:
    """The versions that a trace hangs on."""
    if name == "pooling":
        return {f"pooler {key}": getattr(pooler, "version", 1) for key, pooler in POOLERS.items()}
    if name in PLAIN:
        needed = {"world": ("data", "rendering")}.get(name, (name,))
        return {key: versions.VERSIONS[key] for key in needed}
    return versions.used(configs()[name])


def make(name: str) -> dict:
    """The trace of a name, as the code is now; to be called in `tiny_world`."""
    found = PLAIN[name]() if name in PLAIN else traced(configs()[name])
    return {"versions": used(name), **found}


def path_of(name: str) -> Path:
    """The file of a trace; its version is 1 and one more for each that anything of it was raised.

    So no trace is ever written over: numbers that move need a version that was raised.
    """
    number = 1 + sum(version - 1 for version in used(name).values())
    return FOLDER / f"{name}.v{number}.json"


def differences(found, stored, place: str = "") -> Iterator[tuple[str, float]]:
    """Each place of a trace and how far it is off: 1 is just within what is allowed."""
    if place == "/ranks" and len(found) == len(stored):
        swapped = sum(abs(a - b) > 1.5e-3 for a, b in zip(found, stored, strict=True))
        yield place, swapped / (SWAPPED + 0.5)
    elif isinstance(stored, dict) and isinstance(found, dict) and stored.keys() == found.keys():
        for key in stored:
            yield from differences(found[key], stored[key], f"{place}/{key}")
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for number, pair in enumerate(zip(found, stored, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif isinstance(stored, float) and isinstance(found, float | int):
        share, floor = OF_RANKING if any(what in place for what in RANKED) else TOLERANCE
        yield place, abs(found - stored) / (share * max(abs(found), abs(stored)) + floor)
    else:
        yield f"{place} ({found!r}, not {stored!r})", 0.0 if found == stored else float("inf")


def _plain(value: dict) -> dict:
    return json.loads(json.dumps(value))


def largest(name: str) -> tuple[str, float]:
    """Where the trace of a name is furthest from the stored one, and how far."""
    stored = json.loads(path_of(name).read_text(encoding="utf-8"))
    return max(differences(_plain(make(name)), stored), key=lambda row: row[1])


def write(name: str) -> None:
    """Keep the trace of a name in place of older versions, unless there is one of its version."""
    if not path_of(name).exists():
        FOLDER.mkdir(exist_ok=True)
        for older in FOLDER.glob(f"{name}.v*.json"):
            older.unlink()
        lines = [f"{json.dumps(key)}: {json.dumps(x)}" for key, x in make(name).items()]
        path_of(name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        print(f"written: {path_of(name).name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write traces that have no file yet")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder, tiny_world(Path(folder)):
        for name in NAMES:
            if arguments.write:
                write(name)
                continue
            place, far = largest(name)
            worst = max(worst, far)
            print(f"{name}: {far:.3f} of what is allowed, at {place}")
    kernels = os.environ.get("ATEN_CPU_CAPABILITY", "the processor's own")
    print(f"largest: {worst:.3f}; {arguments.threads} threads, kernels {kernels}")
    return int(worst > 1)


if __name__ == "__main__":
    sys.exit(main())
