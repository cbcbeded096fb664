"""Faults on purpose: a command in a process of its own, which something befalls at a file event.

Processes are forked from a server that has everything imported, so that hundreds fit in minutes.
A file event is a call that opens a file to write it, or makes, renames or removes one.
"""

import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, NamedTuple

KINDS = ("kill", "torn", "interrupt", "full", "denied")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.link"}
# The only things that may differ: time and memory taken.
VOLATILE = {"seconds", "cpu_seconds", "peak_memory_gb"}
EVENTS = "file events: "
STOPPED, REFUSED, ELSEWHERE = 130, 2, 3
PATIENCE = 900  # seconds: a command takes one, but processes may be many and cores few


class Fault(NamedTuple):
    """What happens to a process at its file event number `at`, from 1.

    kill: SIGKILL. torn: SIGKILL's like in the middle of the next write, after `room` bytes.
    interrupt: Ctrl-C. full: from then on every file ends after `room` bytes, with an error.
    denied: from then on nothing can be written, as in a folder that is only read.
    """

    kind: Literal[KINDS]
    at: int
    room: int = 40


class Ended(NamedTuple):
    """How a process ended: its status, what it printed, and how many file events it had."""

    status: int
    printed: str
    events: int


class _Watch:
    """An audit hook that counts the file events below a folder, and lets one be the last."""

    def __init__(self, root: Path, fault: Fault | None) -> None:
        self.root, self.fault, self.count, self.pid = str(root), fault, 0, os.getpid()

    def __call__(self, event: str, args: tuple) -> None:
        if os.getpid() != self.pid or not self._ours(event, args):
            return
        self.count += 1
        if self.fault is None or self.count < self.fault.at:
            return
        if self.fault.kind == "denied":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(args[0]))
        if self.count == self.fault.at:
            self._strike()

    def _ours(self, event: str, args: tuple) -> bool:
        if event == "open":
            written = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return bool(written) and str(args[0]).startswith(self.root)
        if event not in CHANGES:
            return False
        # A name without a folder is one of a folder that is being removed as a whole.
        return str(args[0]).startswith(self.root) or not os.path.isabs(str(args[0]))

    def _strike(self) -> None:
        if self.fault.kind == "kill":
            os.kill(self.pid, signal.SIGKILL)
        elif self.fault.kind == "interrupt":
            signal.raise_signal(signal.SIGINT)
        else:
            handler = signal.SIG_DFL if self.fault.kind == "torn" else signal.SIG_IGN
            signal.signal(signal.SIGXFSZ, handler)
            room = self.fault.room
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))


def _work(
    what: str, job: str, root: Path, told: Connection, fault: Fault | None, gate=None
) -> None:
    """In the forked process: do a part of a job, and tell status and file events."""
    for stream in (1, 2):  # a pipe: a file of its own would be full with all others
        os.dup2(told.fileno(), stream)
    sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))  # noqa: SIM115
    os.environ |= {"CMIR_HOME": str(root / "home"), "CMIR_COMMITTED": ""}
    for name in ("CMIR_DATA", "CMIR_RUNS", "CMIR_RESULTS", "CMIR_FIGURES"):
        os.environ.pop(name, None)
    os.chdir(root)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import fault_jobs

    watch = _Watch(root, fault)
    fault_jobs.make_tiny()
    if gate is not None:
        gate.wait()
    sys.addaudithook(watch)
    status = 0
    try:
        getattr(fault_jobs, what)(job, root)
    except SystemExit as end:
        status = end.code or 0
    except KeyboardInterrupt:
        status = STOPPED
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os.write(1, f"\n{EVENTS}{watch.count}".encode())
    os._exit(status)


def jobs() -> list[str]:
    """The names of all commands that faults are tried on."""
    from fault_jobs import JOBS

    return list(JOBS)


class Server:
    """Starts processes that have everything imported; one a Python process is enough."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        # A status can be read once, and starting a process asks all others for theirs.
        self.reading = threading.Lock()
        here = Path(__file__).resolve().parent
        before = {name: os.environ.get(name) for name in ("PYTHONPATH", "OMP_NUM_THREADS")}
        found = [str(here), str(here.parent), before["PYTHONPATH"] or ""]
        os.environ |= {"PYTHONPATH": os.pathsep.join(found), "OMP_NUM_THREADS": "1"}
        self.context.set_forkserver_preload(["fault_server", "faults"])
        multiprocessing.forkserver.ensure_running()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

    def start(self, what: str, job: str, root: Path, fault=None, gate=None) -> tuple:
        """A process that does a part of a job, "begin", "command" or "again", and what it tells."""
        told, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_work, args=(what, job, root, theirs, fault, gate))
        with self.reading:
            process.start()
        theirs.close()
        return process, told

    def ended(self, process: BaseProcess, told: Connection) -> Ended:
        """How a process of `start` ended; one that hangs is killed, and said to."""
        hangs = not wait([process.sentinel], PATIENCE)
        with self.reading:
            if hangs:
                process.kill()
            process.join()
        if hangs:
            return Ended(1, "Traceback: it hangs", 0)
        with told, os.fdopen(os.dup(told.fileno()), "rb") as pipe:
            printed = pipe.read().decode(errors="replace").replace("\r", "\n")
        text, _, events = printed.partition(EVENTS)
        return Ended(process.exitcode, text, int(events or 0))

    def do(self, what: str, job: str, root: Path, fault: Fault | None = None) -> Ended:
        """`start` and `ended`."""
        return self.ended(*self.start(what, job, root, fault))


def tree(root: Path) -> dict[str, object]:
    """Every file by its path, without locks; JSON without what is VOLATILE, else bytes."""
    return {
        str(path.relative_to(root)): _content(path)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not (path.name.startswith(".") and path.suffix == ".lock")
    }


def _content(path: Path) -> object:
    content = path.read_bytes()
    try:
        if path.suffix == ".json":
            return _steady(json.loads(content))
        if path.suffix == ".jsonl":
            return [_steady(json.loads(line)) for line in content.splitlines()]
    except ValueError:  # half of one is no content that an unbroken run leaves
        return content
    return content


def _steady(value: object) -> object:
    if isinstance(value, dict):
        return {key: _steady(x) for key, x in value.items() if key not in VOLATILE}
    return [_steady(x) for x in value] if isinstance(value, list) else value


def differing(found: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """Paths that one of two trees lacks, or that differ."""
    return sorted(
        name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)
    )


class Trials:
    """A job, what lies there before, and what an unbroken run of it leaves.

    Args:
        folder: an empty one, for everything.
    """

    def __init__(self, server: Server, job: str, folder: Path) -> None:
        self.server, self.job, self.folder = server, job, folder
        self.before = folder / "before"
        self.before.mkdir(parents=True)
        self._must(server.do("begin", job, self.before))
        root = self.fresh("unbroken")
        self.events = self._must(server.do("command", job, root)).events
        self.wanted = tree(root)

    def _must(self, ended: Ended) -> Ended:
        if ended.status:
            raise AssertionError(f"{self.job}: {ended}")
        return ended

    def fresh(self, name: str) -> Path:
        """A folder as it is before the command."""
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        return Path(shutil.copytree(self.before, root, symlinks=True))

    def faults(self, kinds: Iterable[str] = KINDS) -> list[Fault]:
        """Each kind at every file event."""
        return [Fault(kind, at) for kind in kinds for at in range(1, self.events + 1)]

    def bad(self, fault: Fault) -> str:
        """What is wrong after a fault, and after the command was typed again; "" if nothing."""
        root = self.fresh(f"{fault.kind}-{fault.at}")
        try:
            found = _wrong(self.server.do("command", self.job, root, fault))
            found = found or self.again(root)
        finally:
            shutil.rmtree(root)
        return found and f"{self.job}, {fault.kind} at {fault.at}: {found}"

    def again(self, root: Path) -> str:
        """What is wrong after a reader, and the command once more, in a folder; "" if nothing."""
        ended = self.server.do("again", self.job, root)
        if ended.status:
            return f"typed again: {_last(ended)}"
        differ = differing(tree(root), self.wanted)
        return f"differ: {', '.join(differ[:6])}" if differ else ""

    def together(self, number: int, name: str) -> str:
        """What is wrong where several processes begin the command at once; "" if nothing."""
        root, gate = self.fresh(name), self.server.context.Barrier(number)
        try:
            started = [
                self.server.start("command", self.job, root, gate=gate) for _ in range(number)
            ]
            ended = [self.server.ended(*one) for one in started]
            found = [_last(e) for e in ended if e.status not in (0, ELSEWHERE)]
            found += differing(tree(root), self.wanted)[:6]
        finally:
            shutil.rmtree(root)
        return f"{self.job}, {number} at once: {', '.join(found)}" if found else ""


def _wrong(ended: Ended) -> str:
    """What is wrong with the end of a command that a fault befell: no line, or a traceback."""
    if "Traceback" in ended.printed or ended.status == 1:
        return f"status {ended.status}: {_last(ended)}"
    if ended.status == REFUSED and not _last(ended).startswith("error: "):
        return f"no line that says so: {_last(ended)}"
    return ""


def _last(ended: Ended) -> str:
    return (ended.printed.strip().splitlines() or [f"status {ended.status}"])[-1]
