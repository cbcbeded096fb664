"""Notebooks executed by papermill: one here, or several side by side in processes of their own."""

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from papermill.exceptions import PapermillExecutionError

from cmir_repro.core import parameters, processes
from cmir_repro.core.board import Board
from cmir_repro.core.errors import InputError, naming

CELL_SECONDS = 6 * 3600  # papermill's own default is to wait forever
# Nothing that a reader could use is said below: that messages on this machine's own loopback are
# not encrypted, and that a kernel was interrupted, as each one is that is asked to end.
KERNEL_LOG = "--IPKernelApp.log_level=50"
PATIENCE = 10  # seconds that a notebook gets to stop its kernel


def declared(notebook: Path) -> dict[str, parameters.Parameter]:
    """What the cell tagged `parameters` declares, name -> parameter."""
    cells = nbformat.read(notebook, as_version=4).cells
    source = next(
        (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])), ""
    )
    return parameters.declared(source)


def execute(notebook: Path, out: Path, values: dict) -> float:
    """Run one notebook with papermill; its progress bars show on this terminal.

    Args:
        values: of its parameters, name -> value.

    Returns:
        Seconds it took.

    Raises:
        InputError: the notebook has no such parameters, and nothing is run; or a cell failed, and
            `out` holds all up to there.
    """
    import papermill

    with naming(notebook.name):
        parameters.check(declared(notebook), values)
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            notebook,
            out,
            parameters=values,
            cwd=notebook.parent,
            kernel_name="python3",
            execution_timeout=CELL_SECONDS,
            progress_bar=False,
            extra_arguments=[KERNEL_LOG],
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as error:
        raise InputError(
            f"{notebook.name}, cell {error.cell_index}: {error.ename}: {error.evalue}"
        ) from error
    return time.perf_counter() - started


class Job(NamedTuple):
    """A notebook, where it goes when it is executed, and values of its parameters by name."""

    notebook: Path
    out: Path
    values: dict[str, object]


@dataclass
class _Worker:
    process: BaseProcess
    conn: Connection
    job: Job | None = None


def side_by_side(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, float]]:
    """Execute notebooks, several at a time; each, and its seconds, as soon as it has ended.

    The list is cut into as many shares as there are workers, each done in order, for notebooks
    that follow each other wait for the same training; who is done goes on with the longest share.

    Args:
        workers: notebooks at a time, which divide the threads of this machine.

    Raises:
        InputError: one has no such parameters, a cell of it failed, or its process was killed; the
            others are stopped then.
    """
    cuts = [round(k * len(jobs) / workers) for k in range(workers + 1)]
    shares = [deque(jobs[a:b]) for a, b in pairwise(cuts)]
    board, team = Board(shown=True), [_start(workers) for _ in range(min(workers, len(jobs)))]
    try:
        while True:
            for number, worker in enumerate(team):
                share = shares[number] or max(shares, key=len)
                if worker.job is None and share:
                    worker.job = share.popleft()
                    with suppress(OSError):  # it is gone, which is heard below
                        worker.conn.send(worker.job)
            of = {worker.conn: n for n, worker in enumerate(team) if worker.job is not None}
            if not of:
                return
            for conn in connection.wait(list(of)):
                worker = team[of[conn]]
                told = _hear(worker)
                if isinstance(told, str):
                    board.show(of[conn], f"{worker.job.notebook.stem}: {told}")
                    continue
                done, worker.job = worker.job, None
                yield done, told
    finally:
        board.close()
        _stop(team)


def _start(workers: int) -> _Worker:
    """A process for notebooks, one after the other: it imports what executes them once."""
    context = multiprocessing.get_context("spawn")  # threads of ours survive no fork
    conn, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    each = max(1, processes.cores() // workers)
    with processes.environment(**processes.threads(each)):
        process.start()
    theirs.close()  # so that its end is the end of the pipe
    return _Worker(process, conn)


def _hear(worker: _Worker) -> str | float:
    """The newest line of a notebook, or the seconds it took."""
    try:
        told = worker.conn.recv()
    except (EOFError, OSError) as error:
        worker.process.join()
        raise InputError(
            f"{worker.job.notebook.name}: its process ended with status "
            f"{worker.process.exitcode}; was it killed for lack of memory?"
        ) from error
    if isinstance(told, InputError):
        raise told
    return told


def _stop(workers: list[_Worker]) -> None:
    """Interrupt what their kernels do, so that a training keeps a checkpoint, and end all."""
    kernels = []
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            kernels += psutil.Process(worker.process.pid).children(recursive=True)
    for kernel in kernels:
        with suppress(psutil.NoSuchProcess):
            kernel.send_signal(signal.SIGINT)
    until = time.monotonic() + PATIENCE
    for worker in workers:
        worker.conn.close()  # so that it waits for no other notebook
        worker.process.join(max(0, until - time.monotonic()) if kernels else 0)
        worker.process.kill()
    _, left = psutil.wait_procs(kernels, timeout=max(0, until - time.monotonic()))
    for kernel in left:
        with suppress(psutil.NoSuchProcess):
            kernel.kill()


def _work(conn: Connection) -> None:
    os.setsid()  # Ctrl-C reaches the parent only, which stops us once
    processes.stop_with_parent()
    sys.stdout = sys.stderr = processes.Told(conn)
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            job = conn.recv()
            try:
                told = execute(*job)
            except InputError as error:
                told = error
            conn.send(told)
