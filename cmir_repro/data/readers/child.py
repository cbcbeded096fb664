"""Reading an untrusted file in a process of its own, with limits on memory and time.

Unpicklers and C libraries can hang, take all memory or crash the interpreter, whatever is checked
before. Here they do so in a child process, which hands back JSON and plain arrays through a pipe,
no pickle, and whose end of any kind is one `InputError` for its parent. The limits on memory and
time need what Linux and macOS offer; elsewhere only the crash is kept away.
"""

import contextlib
import gc
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from errno import ENOMEM
from pathlib import Path
from typing import IO

import numpy as np

from cmir_repro.core.errors import InputError

# Our choice. What a file may take besides what it needs to start.
SPARE, SPARE_TIMES = 5 * 2**27, 3  # bytes, and bytes for each of the file's
SECONDS, RATE = 5, 4_000_000  # of computing, and a second more for so many bytes of the file
WAIT = 20  # a computing second may take so long where other processes want the core
MOST_JSON = 2**29  # bytes of an answer
_PIECE = 2**25  # bytes sent at a time
_LONG, _LARGE = "takes far too long to read", "takes far too much memory to read"
_WHY = {
    "SIGXCPU": _LONG,
    "SIGKILL": f"{_LONG}, or too much memory",
}  # by the signal of a child's end
_CRASH = "crashes the library that reads it"  # any other signal


class Child:
    """A file opened in a child process; its methods are called by `ask`. Close it.

    Args:
        path: the file.
        opener: "module:class" of this package; the class takes the path.

    Raises:
        InputError: as the opener, or the file is missing or no regular file.
    """

    def __init__(self, path: Path, opener: str) -> None:
        self.path = Path(path)
        try:
            size = self.path.stat().st_size
        except (OSError, ValueError) as error:
            what = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
            raise InputError(f"{self.path} {what}") from error
        if not self.path.is_file():
            raise InputError(f"{self.path} is no file")
        self._seconds = SECONDS + size // RATE
        limits = [str(SPARE + SPARE_TIMES * size), str(self._seconds)]
        # What this process can import, and nothing that lies where it was started; one thread.
        paths = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, opener, str(self.path), *limits],
            env={**os.environ, "PYTHONPATH": paths, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._end = weakref.finalize(self, _end, self._process)
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._end()

    def ask(self, method: str, *arguments: object) -> object:
        """What a method of the opened file gives: a JSON value, or an array of numbers.

        Args:
            arguments: JSON values.

        Raises:
            InputError: as the method, or it takes too much time or memory, or crashes.
        """
        with contextlib.suppress(OSError):  # it ended before; why is found below
            self._process.stdin.write(json.dumps([method, arguments]).encode() + b"\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> object:
        timer = threading.Timer(WAIT * self._seconds, self._process.kill)
        timer.start()
        try:
            kind, *said = json.loads(self._read_line())
            if kind == "refused":
                raise InputError(said[0])
            if kind == "json":
                return json.loads(self._fill(bytearray(min(said[0], MOST_JSON))))
            array = np.empty(said[0], np.dtype(said[1]))
            self._fill(memoryview(array.reshape(-1).view(np.uint8)))
            return array
        finally:
            timer.cancel()

    def _read_line(self) -> bytes:
        line = self._process.stdout.readline(2**16)
        if not line.endswith(b"\n"):
            raise self._ended()
        return line

    def _fill(self, room: bytearray | memoryview) -> bytearray | memoryview:
        done, view = 0, memoryview(room)
        while done < len(view):
            read = self._process.stdout.readinto(view[done:])
            if not read:
                raise self._ended()
            done += read
        return room

    def _ended(self) -> Exception:
        """Why the process is at an end that it did not announce."""
        status = self._process.wait()
        if status == ENOMEM or status < 0:
            why = _LARGE if status > 0 else _WHY.get(signal.Signals(-status).name, _CRASH)
            return InputError(f"{self.path} {why}; it is damaged, or made to do so")
        last = self._process.stderr.read().decode(errors="replace").strip().split("\n")[-1]
        return RuntimeError(f"reading {self.path} in a process of its own failed: {last}")


def _end(process: subprocess.Popen) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):  # what is still to be flushed nobody reads
            pipe.close()
    process.wait()


def _serve(opener: str, path: str, spare: int, seconds: int) -> None:
    """What the child does: open the file, then answer until there are no more questions."""
    module, name = opener.split(":")
    kind = getattr(importlib.import_module(module), name)
    _limit(spare, seconds)
    gc.disable()  # millions of values, and no circles worth looking for: half of the time
    out = sys.stdout.buffer
    opened = None
    for line in itertools.chain([None], sys.stdin.buffer):
        try:
            if line is None:
                opened, answer = kind(Path(path)), None
            else:
                method, arguments = json.loads(line)
                answer = getattr(opened, method)(*arguments)
            _send(out, answer)
        except MemoryError:
            os._exit(ENOMEM)  # an answer may have begun
        except InputError as error:
            _head(out, "refused", str(error))
        out.flush()


def _limit(spare: int, seconds: int) -> None:
    """No more memory than now and `spare` bytes, so many seconds of computing, no file written."""
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + spare, now + spare))
    except (ImportError, OSError, ValueError):
        pass  # no such limit on this system
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _send(out: IO[bytes], answer: object) -> None:
    if not isinstance(answer, np.ndarray):
        data = json.dumps(answer).encode()
        _head(out, "json", len(data))
        out.write(data)
        return
    if answer.dtype.kind not in "buif":
        raise InputError(f"an array of {answer.dtype} is none of numbers")
    _head(out, "array", answer.shape, answer.dtype.str)
    if answer.size:
        rows = max(1, _PIECE * len(answer) // answer.nbytes)
        for start in range(0, len(answer), rows):
            out.write(np.ascontiguousarray(answer[start : start + rows]).data)


def _head(out: IO[bytes], *said: object) -> None:
    out.write(json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
