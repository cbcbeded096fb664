"""One cell, done by whoever asks: the unit of work of every backend."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal, NamedTuple

from accelerate.utils import broadcast_object_list

from cmir_repro.core import locks, paths, processes
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import identity
from cmir_repro.experiments.grid.cells import command
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.run import run
from cmir_repro.experiments.search import search
from cmir_repro.training import together
from cmir_repro.training.loop import TrainingError

DONE, THERE, ELSEWHERE, STOPPED, FAILED, DIED = STATES = (
    "done",  # run and recorded
    "there",  # somebody recorded it meanwhile
    "elsewhere",  # somebody is at it
    "stopped",  # a checkpoint is kept
    "failed",  # it cannot be run; `why` says why, in one line
    "died",  # its process was killed or out of memory: another one may manage
)


class Outcome(NamedTuple):
    """What became of a cell."""

    cell: RunConfig
    state: Literal[STATES]
    why: str = ""


def take(cell: RunConfig, device: str = "cpu", progress: bool = False) -> Outcome:
    """Run a cell that the ledger lacks, unless another process is at it.

    Several processes that `accelerate launch` started take a cell together; then a failure ends
    them all.

    Args:
        device: "cpu" or "cuda".
        progress: whether bars are shown.

    Raises:
        InputError: the cell failed in one of several processes.
    """
    processes = together.start(device)
    first, several = processes.is_main_process, processes.num_processes > 1
    name = identity.name(cell)
    try:
        with (
            together.ending_together(),
            locks.attempt(paths.runs() / name) if first else nullcontext(True) as mine,
        ):
            state = ELSEWHERE if not mine else THERE if identity.current(cell) else DONE
            state = broadcast_object_list([state])[0]
            if state == DONE:
                work = search if cell.search else run
                work(cell, device=device, progress=progress, command=command(cell.system, cell))
            return Outcome(cell, state)
    except KeyboardInterrupt:
        return Outcome(cell, STOPPED)
    except (InputError, TrainingError) as error:
        if several:  # with the next cell this one would come to where others are not
            raise InputError(f"{name}: {error}") from error
        return Outcome(cell, FAILED, " ".join(str(error).split()))
    except (MemoryError, RuntimeError) as error:
        if several or not _memory(error):
            raise
        return Outcome(cell, DIED, "is out of memory")


@contextmanager
def interruptible(seconds: int | None = None) -> Iterator[None]:
    """A termination signal, and the end of some seconds, stop this process as Ctrl-C does.

    A training ends its step and keeps a checkpoint, `take` says "stopped". Nothing changes where
    this is not the main thread: signals reach only that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {
        signal.SIGTERM: signal.default_int_handler,
        signal.SIGALRM: lambda *_: signal.raise_signal(signal.SIGINT),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    signal.alarm(seconds or 0)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def one_thread(threads: int = 1, nice: int = 0) -> None:
    """Give this process few threads, for others go beside it, and a lower priority."""
    import torch

    os.environ |= processes.threads(threads)
    torch.set_num_threads(threads)
    if nice:
        os.nice(nice)


def load(modules: Sequence[str]) -> None:
    """Import modules of the user's own, from the current folder too.

    Raises:
        InputError: one cannot be imported.
    """
    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise InputError(f"imports: {name} cannot be imported: {error}") from error


def _memory(error: Exception) -> bool:
    """Whether memory lacked; torch has no class of its own for that on a CPU."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()
