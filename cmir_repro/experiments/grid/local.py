"""Workers on this machine: processes of one thread each, which outlive neither a cell nor us.

A worker is told cells through a pipe and tells what it prints and what became of them. It has a
session of its own: Ctrl-C reaches the parent only, which asks each worker once. When the parent is
gone, by whatever, the workers keep a checkpoint and go.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from cmir_repro.core import processes
from cmir_repro.experiments.grid.cell import (
    DIED,
    STOPPED,
    Outcome,
    interruptible,
    load,
    one_thread,
    take,
)
from cmir_repro.experiments.grid.settings import Local
from cmir_repro.experiments.presets.base import RunConfig

PATIENCE = 10  # seconds that a worker gets when all is to end at once


@dataclass
class _Worker:
    number: int
    process: BaseProcess
    conn: Connection
    cell: RunConfig | None = None


class Workers:
    """A pool of processes; see `drive.Pool`.

    Args:
        device: "cpu" or "cuda".
        show: is told a worker's number and its newest line.
    """

    resumes = True

    def __init__(self, settings: Local, device: str, show: Callable[[int, str], None]) -> None:
        self.settings, self.device, self.show = settings, device, show
        self.workers: dict[int, _Worker] = {}

    def room(self) -> bool:
        return sum(w.cell is not None for w in self.workers.values()) < self.settings.workers

    def submit(self, cell: RunConfig) -> None:
        idle = [w for w in self.workers.values() if w.cell is None]
        worker = idle[0] if idle else self._start()
        worker.cell = cell
        with suppress(OSError):  # it died meanwhile: `wait` finds that
            worker.conn.send(cell)

    def wait(self) -> list[Outcome]:
        of = {worker.conn: worker for worker in self.workers.values()}
        found = (self._hear(of[conn]) for conn in connection.wait(list(of), timeout=1.0))
        return [outcome for outcome in found if outcome is not None]

    def stop(self) -> None:
        for worker in self.workers.values():
            worker.process.terminate()

    def close(self) -> None:
        busy = [w for w in self.workers.values() if w.cell is not None]
        for worker in busy:  # only where all is to end at once
            worker.process.terminate()
        for worker in self.workers.values():
            worker.conn.close()
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self.workers.clear()

    def _start(self) -> _Worker:
        number = next(n for n in range(self.settings.workers) if n not in self.workers)
        context = multiprocessing.get_context("spawn")  # threads of ours survive no fork
        conn, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(theirs, self.settings, self.device), daemon=True
        )
        with processes.environment(**processes.threads(self.settings.threads)):
            process.start()
        theirs.close()  # so that its end is the end of the pipe
        self.workers[number] = _Worker(number, process, conn)
        return self.workers[number]

    def _hear(self, worker: _Worker) -> Outcome | None:
        try:
            told = worker.conn.recv()
        except (EOFError, OSError):
            worker.process.join()
            del self.workers[worker.number]
            return worker.cell and Outcome(worker.cell, DIED, _cause(worker.process.exitcode))
        if isinstance(told, str):
            self.show(worker.number, told)
            return None
        worker.cell = None
        return told


def work(conn: Connection, settings: Local, device: str) -> None:
    """What a worker does: cells that it is told, until there is none or it is out of memory."""
    os.setsid()
    one_thread(settings.threads, settings.nice)
    sys.stdout = processes.Told(conn)
    processes.stop_with_parent()
    with suppress(EOFError, OSError, KeyboardInterrupt), interruptible():
        load(settings.imports)
        while True:
            cell = conn.recv()
            outcome = Outcome(cell, STOPPED)
            with suppress(KeyboardInterrupt):
                outcome = take(cell, device, progress=True)
            conn.send(outcome)
            if outcome.state == DIED:
                return


def _cause(status: int) -> str:
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL: by hand, or for lack of memory)"
    if status < 0:
        return f"was killed ({signal.Signals(-status).name})"
    return f"ended with status {status}; its error is above"
