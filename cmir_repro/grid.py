"""The experiment grid: methods x tasks x seeds; run what the ledger lacks, in the time there is.

    python -m cmir_repro.grid --scale paper --seconds 540

A cell that is broken off goes on where it stopped the next time.
"""

import argparse
import signal
import sys
import time

from cmir_repro import composed, ledger
from cmir_repro.device import choose
from cmir_repro.errors import InputError
from cmir_repro.progress import bar
from cmir_repro.train import TrainingError

SEEDS = (0, 1, 2)
# The tasks of the tables, most wanted first; mini shows the one that fits a reader's patience.
TASKS = {"mini": ("3d-3d",), "paper": ("3d-3d", "2d-3d")}


def cells(scale: str, seeds=SEEDS, methods=None, tasks=None) -> list[composed.RunConfig]:
    """Every cell of a scale, in the order they are run: all methods of a seed come first."""
    return [
        composed.configure(task=task, scale=scale, method=method, seed=seed)
        for task in tasks or TASKS[scale]
        for seed in seeds
        for method in methods or composed.METHODS
    ]


def name(config: composed.RunConfig) -> str:
    """The ledger's name of a cell."""
    return ledger.run_name(
        config.dataset,
        config.task,
        config.scale,
        config.method,
        config.train.seed,
        config.model_dump(mode="json"),
    )


def current(config: composed.RunConfig) -> bool:
    """Whether the ledger holds a cell, made by the sources as they are."""
    return ledger.current(name(config))


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns 0 when nothing is missing any more, 3 when time ran out."""
    parser = argparse.ArgumentParser("python -m cmir_repro.grid", description="Fill the grid.")
    parser.add_argument("--scale", choices=composed.SCALES, default="mini")
    parser.add_argument("--seconds", type=int, help="stop after so long (default: when done)")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--methods", nargs="+", choices=composed.METHODS)
    parser.add_argument("--tasks", nargs="+")
    parser.add_argument("--device", help="cpu or cuda (default: what is there)")
    parser.add_argument("--list", action="store_true", help="only show what is missing")
    a = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        device = choose(a.device)
        every = cells(a.scale, a.seeds, a.methods, a.tasks)
        missing = [cell for cell in every if not current(cell)]
        print(f"{len(every) - len(missing)} of {len(every)} cells are in the ledger")
        if a.list:
            print("\n".join(name(cell) for cell in missing))
            return 0
        if a.seconds:
            # The alarm becomes Ctrl-C: training ends its step, saves, and says where it stopped.
            signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            signal.alarm(a.seconds)
        for cell in bar(missing, unit="cell", desc="grid"):
            composed.run(cell, device=device, command=f"python -m cmir_repro.grid {_cell(cell)}")
    except KeyboardInterrupt:
        left = sum(not current(cell) for cell in every)
        print(f"stopped after {time.monotonic() - started:.0f} s; {left} cells are left")
        return 3
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        signal.alarm(0)
    return 0


def _cell(cell: composed.RunConfig) -> str:
    return (
        f"--scale {cell.scale} --tasks {cell.task} --methods '{cell.method}' "
        f"--seeds {cell.train.seed}"
    )


if __name__ == "__main__":
    sys.exit(main())
