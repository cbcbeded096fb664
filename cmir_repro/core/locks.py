"""Locks between processes: whoever holds one is alone at something, and it dies with its owner.

The lock of a file or folder is `.NAME.lock` beside it; it stays there empty. Locks are those of the
operating system (flock), which are released whatever way a process ends. Machines that share a
folder see each other's where its file system passes them on, as NFS does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cmir_repro.core.errors import InputError


@contextmanager
def attempt(path: Path) -> Iterator[bool]:
    """Hold the lock of `path`, or yield False where another process or thread holds it.

    Raises:
        InputError: the folder of `path` cannot be written.
    """
    held = _acquire(path, wait=False)
    try:
        yield held is not None
    finally:
        if held is not None:
            held.release()


@contextmanager
def alone(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock of `path`; wait for it where another process holds it, and say so.

    Whoever holds a lock may take it again.

    Args:
        doing: what the other process does, for the message: "prepares css".

    Raises:
        InputError: the folder of `path` cannot be written.
    """
    held = _acquire(path, wait=False)
    if held is None:
        print(f"waiting for another process that {doing}", flush=True)
        held = _acquire(path, wait=True)
    try:
        yield
    finally:
        held.release()


def _acquire(path: Path, wait: bool) -> FileLock | None:
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One object a path, so that its owner can take it again.
        lock = FileLock(path.with_name(f".{path.name}.lock"), is_singleton=True)
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    except OSError as error:
        raise InputError(
            f"cannot write {path.parent}: {error.strerror}; name a writable folder by CMIR_HOME "
            "or, of data, by CMIR_DATA"
        ) from error
    return lock
