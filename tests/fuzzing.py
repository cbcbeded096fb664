"""Hold a reader to its contract over mutants of valid files.

    counts = campaign("ledger record", {"a.json": b"..."}, read, 1000, np.random.default_rng(0))
    assert not counts.bad, counts.bad

A mutant must give a value, which `read` itself checks, or one `InputError`: one line of at most
CHARACTERS, which names the file or its folder, FOLDER. All else is bad: another exception, more
than PRINTED characters printed (warnings count), more than SECONDS of the processor or PATIENCE
times as many by the clock, more than MEGABYTES of memory above the mutant's size, a file left
outside FOLDER/out, a crash. So that none of these ends the campaign, a child process reads, and the
parent watches it; Linux only.

The counts depend on the seeds, the generator and the number of mutants only. `mutant(seeds, root,
number)` makes one of them again; `Counts.bad` names `root` and `number`.
"""

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from mutations import mutate

from cmir_repro.core.errors import InputError

SECONDS, MEGABYTES, CHARACTERS, PRINTED = 10.0, 1024.0, 500, 2_000
PATIENCE = 6  # times SECONDS by the clock, where other programs have the processor
FOLDER = "mutated"


@dataclass
class Counts:
    """What became of the mutants: tried = read + refused + len(bad)."""

    name: str
    tried: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds of the processor
    bad: list[str] = field(default_factory=list)


def campaign(
    name: str,
    seeds: dict[str, bytes],
    read: Callable[[Path], object],
    mutants: int,
    generator: np.random.Generator,
    *,
    beside: Path | None = None,
    make: Callable[[bytes, list[bytes], np.random.Generator], bytes] = mutate,
) -> Counts:
    """Try `mutants` mutants of the seeds in turn.

    Args:
        name: of the reader, for the counts.
        seeds: file name, with the ending that the reader expects -> content of a valid file.
        read: reads the mutant at a path and raises AssertionError for a value that is not valid.
            It may write into `path.parent / "out"`, and change files beside the mutant.
        mutants: how many.
        generator: its next number is the root of all randomness here.
        beside: a folder whose files lie beside the mutant, such as a prepared data set.
        make: a mutant of a seed, given the seeds of all; for files that are sealed by a digest.
    """
    counts, root = Counts(name), int(generator.integers(2**31))
    with tempfile.TemporaryDirectory() as sandbox:
        while counts.tried < mutants:
            _watch(counts, Path(sandbox), (seeds, read, root, beside, make), mutants)
    return counts


def mutant(seeds: dict[str, bytes], root: int, number: int, make: Callable = mutate) -> tuple:
    """File name and content of one mutant."""
    name = list(seeds)[number % len(seeds)]
    return name, make(seeds[name], list(seeds.values()), np.random.default_rng([root, number]))


def _watch(counts: Counts, sandbox: Path, task: tuple, mutants: int) -> None:
    """Count the verdicts of a child until all are tried, or the child has to be ended."""
    seeds, _, root, _, make = task
    context = get_context("fork")  # what was imported is there; a reader needs no pickling
    parent, theirs = context.Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside pyarrow's threads
        child = context.Process(target=_try, args=(theirs, sandbox, *task, counts.tried, mutants))
        child.start()
    theirs.close()
    base, ended = None, ""
    started, begun = time.monotonic(), 0.0
    while counts.tried < mutants and not ended:
        if parent.poll(0.02):
            try:
                verdict, text, seconds = parent.recv()
            except EOFError:
                child.join()
                ended = f"ended the interpreter ({child.exitcode})"
                break
            _count(counts, verdict, f"{text} [{counts.tried} of root {root}]")
            counts.slowest = max(counts.slowest, seconds)
            base, started, begun = None, time.monotonic(), _seconds(child.pid)
        elif time.monotonic() - started > PATIENCE * SECONDS or (
            _seconds(child.pid) - begun > SECONDS
        ):
            ended = f"took more than {SECONDS:g} s"
        else:
            used = _megabytes(child.pid)
            base = used if base is None else base
            size = (
                len(mutant(seeds, root, counts.tried, make)[1]) / 2**20 if used - base > 100 else 0
            )
            if used - base - size > MEGABYTES:
                ended = f"took {used - base:.0f} MB"
    child.kill()
    child.join()
    if ended:
        name = mutant(seeds, root, counts.tried, make)[0]
        _count(counts, "bad", f"{name}: {ended} [{counts.tried} of root {root}]")
    shutil.rmtree(sandbox / FOLDER, ignore_errors=True)


def _count(counts: Counts, verdict: str, text: str) -> None:
    counts.tried += 1
    if verdict == "bad":
        counts.bad.append(text)
    else:
        setattr(counts, verdict, getattr(counts, verdict) + 1)


def _megabytes(pid: int) -> float:
    """Memory that a process really uses; 0 for one that ends."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _seconds(pid: int) -> float:
    """Processor time of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _try(pipe, sandbox: Path, seeds, read, root, beside, make, first: int, mutants: int) -> None:
    """In the child: read mutants and tell what came of each."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    warnings.simplefilter("always")
    printed = (sandbox / "printed").open("wb+", buffering=0)
    os.dup2(printed.fileno(), 1)
    os.dup2(printed.fileno(), 2)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
    warnings.showwarning = lambda message, *_, **__: print(message)  # whoever caught them before
    folder = sandbox / FOLDER
    for number in range(first, mutants):
        shutil.rmtree(folder, ignore_errors=True)
        if beside is None:
            folder.mkdir()
        else:
            shutil.copytree(beside, folder)
        name, content = mutant(seeds, root, number, make)
        (folder / name).write_bytes(content)
        os.chdir(folder)
        os.truncate(printed.fileno(), 0)
        os.lseek(printed.fileno(), 0, os.SEEK_SET)
        before, start = _files(sandbox), time.process_time()
        verdict, text = _verdict(read, folder / name)
        seconds = time.process_time() - start
        size = os.fstat(printed.fileno()).st_size
        left = sorted(_files(sandbox) - before)
        for path in left:
            _remove(sandbox / path)
        if verdict != "bad" and size > PRINTED:
            verdict, text = "bad", f"printed {size} characters"
        elif verdict != "bad" and left:
            verdict, text = "bad", f"left {left[0]}"
        pipe.send((verdict, f"{name}: {text}", seconds))
    os._exit(0)  # none of the parent's handlers, which clean up what is not the child's


def _verdict(read: Callable, path: Path) -> tuple[str, str]:
    try:
        read(path)
    except InputError as error:
        message = str(error)
        if "\n" in message or "\r" in message or len(message) > CHARACTERS:
            return "bad", f"message of {len(message)} characters: {message[:200]!r}"
        if path.name not in message and FOLDER not in message:
            return "bad", f"names no file: {message}"
        return "refused", message
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "cmir_repro" in f.filename or "data_scripts" in f.filename]
        at = (ours or frames)[-1]
        return (
            "bad",
            f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {error!s:.200}",
        )
    return "read", ""


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def _files(sandbox: Path) -> set[str]:
    """Files and folders below `sandbox`, but for those that a reader may write."""
    out = sandbox / FOLDER / "out"
    found = (path for path in sandbox.rglob("*") if path != out and out not in path.parents)
    return {str(path.relative_to(sandbox)) for path in found}
