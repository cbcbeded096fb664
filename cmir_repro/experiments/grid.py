"""The experiment grid: methods x tasks x seeds; run what the ledger lacks, in the time there is.

    python -m cmir_repro.experiments.grid --scale paper --seconds 540
    python -m cmir_repro.experiments.grid --system aai
    python -m cmir_repro.experiments.grid --system crcgs --datasets css wikipedia

A cell that is broken off goes on where it stopped the next time.
"""

import argparse
import signal
import sys
import time

from cmir_repro.core import paths
from cmir_repro.core.config import Config
from cmir_repro.core.device import choose
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.progress import bar
from cmir_repro.data import registry
from cmir_repro.experiments import aai as aai_run
from cmir_repro.experiments import crcgs as crcgs_run
from cmir_repro.experiments import dim as composed
from cmir_repro.experiments import identity
from cmir_repro.experiments.presets import aai as aai_methods
from cmir_repro.experiments.presets import crcgs as crcgs_methods
from cmir_repro.experiments.presets.dim import (
    ABLATION,
    METHODS,
    SCALES,
    RunConfig,
    ablation_name,
    configure,
    default_task,
)
from cmir_repro.training.loop import TrainingError

SEEDS = (0, 1, 2)
# The tasks of the tables, most wanted first; photographs where somebody put them.
TASKS = {"css": ("3d-3d", "2d-3d"), "photos": ("photo",)}
ABLATED = ("css", "3d-3d")
ONE_ATTRIBUTE = ("Attribute as operator", "Attribute as operator + DIM")  # no use for sentences


def methods_of(dataset: str) -> list[str]:
    """The methods of the tables that fit the texts of a data set."""
    return [m for m in METHODS if dataset == "mitstates" or m not in ONE_ATTRIBUTE]


def cells(scale: str, datasets=None, tasks=None, methods=None, seeds=SEEDS) -> list[RunConfig]:
    """Every cell of a scale, in the order they are run: all methods of a seed come first."""
    datasets = datasets or [d for d in TASKS if d == "css" or (paths.data() / d).exists()]
    ablated = [ablation_name(what, value) for what in ABLATION for value in ABLATION[what]]
    for method in methods or ():
        one_of("method", method, [*METHODS, *ablated])
    return [
        configure(dataset, task, scale, method, seed)
        for dataset in datasets
        for task in tasks or TASKS.get(dataset, (default_task(dataset),))
        for group in (methods_of(dataset), ablated if (dataset, task) == ABLATED else [])
        for seed in seeds
        for method in (group if methods is None else [m for m in group if m in methods])
    ]


def aai_cells(scale: str, datasets=None, tasks=None, methods=None, seeds=SEEDS) -> list[Config]:
    """The cells of image <-> sentence retrieval, in the same order."""
    return _cells(aai_methods, aai_methods.METHODS, scale, datasets, tasks, methods, seeds)


def crcgs_cells(scale: str, datasets=None, tasks=None, methods=None, seeds=SEEDS) -> list[Config]:
    """The cells of label-based retrieval, in the same order."""
    known = [*crcgs_methods.BASELINES, *crcgs_methods.METHODS]
    return _cells(crcgs_methods, known, scale, datasets, tasks, methods, seeds)


def _cells(home, known, scale, datasets, tasks, methods, seeds) -> list[Config]:
    for method in methods or ():
        one_of("method", method, known)
    return [
        home.configure(dataset, task, scale, method, seed)
        for dataset in datasets or ["css"]
        for task in tasks or (home.default_task(dataset),)
        for seed in seeds
        for method in known
        if methods is None or method in methods
    ]


# What there is, and what runs it.
SYSTEMS = {
    "dim": (cells, composed),
    "aai": (aai_cells, aai_run),
    "crcgs": (crcgs_cells, crcgs_run),
}


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns 0 when nothing is missing any more, 3 when time ran out."""
    parser = argparse.ArgumentParser(
        "python -m cmir_repro.experiments.grid", description="Fill the grid."
    )
    parser.add_argument("--system", choices=SYSTEMS, default="dim")
    parser.add_argument("--scale", choices=SCALES, default="mini")
    parser.add_argument("--seconds", type=int, help="stop after so long (default: when done)")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--datasets", nargs="+", help="default: css, and photos if prepared")
    parser.add_argument("--tasks", nargs="+")
    parser.add_argument("--methods", nargs="+", help="names of the tables or of the ablation")
    parser.add_argument("--device", help="cpu or cuda (default: what is there)")
    parser.add_argument("--list", action="store_true", help="only show what is missing")
    a = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        device = choose(a.device)
        make, runs = SYSTEMS[a.system]
        every = make(a.scale, a.datasets, a.tasks, a.methods, a.seeds)
        missing = [cell for cell in every if not identity.current(cell)]
        print(f"{len(every) - len(missing)} of {len(every)} cells are in the ledger")
        if a.list:
            print("\n".join(identity.name(cell) for cell in missing))
            return 0
        if a.seconds:
            # The alarm becomes Ctrl-C: training ends its step, saves, and says where it stopped.
            signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            signal.alarm(a.seconds)
        for dataset in {cell.dataset for cell in missing}:
            registry.check(dataset)
        for cell in bar(missing, unit="cell", desc="grid"):
            command = f"python -m cmir_repro.experiments.grid {_cell(a.system, cell)}"
            runs.run(cell, device=device, command=command)
    except KeyboardInterrupt:
        left = sum(not identity.current(cell) for cell in every)
        print(f"stopped after {time.monotonic() - started:.0f} s; {left} cells are left")
        return 3
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        signal.alarm(0)
    return 0


def _cell(system: str, cell: Config) -> str:
    return (
        f"--system {system} --scale {cell.scale} --datasets {cell.dataset} --tasks {cell.task} "
        f"--methods '{cell.method}' --seeds {cell.train.seed}"
    )


if __name__ == "__main__":
    sys.exit(main())
