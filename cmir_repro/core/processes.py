"""What processes that work side by side on one machine need: threads, and ties to their parent."""

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection

# What numerical libraries read when they are loaded.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def cores() -> int:
    """Cores that this process may use."""
    mine = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(mine(0)) if mine else os.cpu_count() or 1


class Told(io.TextIOBase):
    """Standard output of a process that others run beside: its newest line goes to the parent."""

    def __init__(self, conn: Connection) -> None:
        self.conn, self.lock = conn, threading.Lock()

    def write(self, text: str) -> int:
        lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
        if lines:
            with self.lock, suppress(OSError):  # the parent is gone
                self.conn.send(lines[-1])
        return len(text)


def stop_with_parent() -> None:
    """Ask this process to stop when its parent ends, by whatever."""

    def watch() -> None:
        connection.wait([multiprocessing.parent_process().sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def threads(number: int) -> dict[str, str]:
    """Variables by which a process uses so many threads, from its first import on."""
    return dict.fromkeys(THREADS, str(number))


@contextmanager
def environment(**values: object) -> Iterator[None]:
    """Variables of the environment, for a while; processes that are started in here see them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: str(value) for name, value in values.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
