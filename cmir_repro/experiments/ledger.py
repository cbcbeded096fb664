"""The ledger: one record a run, with everything needed to judge its numbers.

records/RUN.json        the record
queries/RUN.parquet     the rank or average precision of every query
logs/RUN.jsonl          losses and validation figures, step by step

There are two: the one that came with the repository ("committed") is only read, the user's own
("own") is written. Reading sees both, the user's first.
"""

import ast
import contextlib
import difflib
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from pydantic import Field, ValidationError

from cmir_repro import __version__
from cmir_repro.core import paths
from cmir_repro.core.config import Config
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import atomic, read_json, write_json, write_text
from cmir_repro.experiments import query_table

# Linux: the kernel's count of a process's largest memory, and how to set it back.
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")

# Where a record was read.
OWN, COMMITTED = ORIGINS = ("own", "committed")


class Record(Config):
    """One run, or features of any model that were scored as one; see `kind`.

    Percentages, ranks in places, seconds, GB; what is unknown is None or empty: of features all
    that is about training.
    """

    run: str
    dataset: str
    scale: str
    task: str
    method: str
    seed: int
    config: dict
    selection: str
    data: dict  # manifest hash, hash of the tables, kind of provenance
    # Version, commit, whether package or data scripts differed from it ("dirty"), digests of the
    # package's sources and of the lock: for information; what decides is `versions`. Records of
    # older versions hold another digest, of the sources that decided.
    code: dict
    # Of what decided the numbers: see versions.used; none in records of before there were any.
    versions: dict[str, int] = Field(default_factory=dict)
    hardware: dict
    software: dict
    parameters: int | None
    steps: int | None
    seconds: float | None
    peak_memory_gb: float | None
    result: dict  # the summary of the scores
    validation: dict
    checkpoint_sha256: str | None
    command: str
    finished: str
    kind: Literal["run", "features"] = "run"
    system: str = ""  # a key of systems.SYSTEMS
    files: dict[str, str] = Field(default_factory=dict)  # of features: which file -> its sha256
    recomputed: str = ""  # what of the result was made again later, from what the ledger keeps
    origin: str = Field(OWN, exclude=True)  # which ledger it was read from; not in the file


def save(record: Record, queries: pd.DataFrame, log: list[dict]) -> None:
    """Write a record, its queries and its log into the user's ledger, the record last.

    Args:
        queries: one row a query and scoring; text columns say which, the last holds the value.
        log: one dict a logged step.
    """
    root = paths.results()
    query_table.write(root / "queries" / f"{record.run}.parquet", queries)
    write_text(
        root / "logs" / f"{record.run}.jsonl", "".join(json.dumps(row) + "\n" for row in log)
    )
    write_json(root / "records" / f"{record.run}.json", record.model_dump())


SHOWN_RUNS = 5  # of those that are there, when one is asked for that is not


def roots(origin: str | None = None) -> dict[str, Path]:
    """The ledgers there are, the user's first: origin -> folder.

    Args:
        origin: this one only.

    Raises:
        InputError: an unknown origin.
    """
    if origin is not None:
        one_of("origin", origin, ORIGINS)
    own, committed = paths.results(), paths.committed()
    there = {OWN: own}
    if committed and committed.resolve() == own.resolve():
        there = {COMMITTED: committed}  # a maintainer's
    elif committed:
        there[COMMITTED] = committed
    return {name: root for name, root in there.items() if origin in (None, name)}


def exists(run: str, origin: str | None = None) -> bool:
    """Whether a ledger holds a run."""
    return any(_record(root, run).exists() for root in roots(origin).values())


def read(run: str, origin: str | None = None) -> Record:
    """The record of a run, the user's where both ledgers have one.

    Raises:
        InputError: there is none, or it is damaged.
    """
    name, root = _holder(run, origin)
    return read_record(_record(root, run), name)


def read_record(path: Path, origin: str = OWN) -> Record:
    """The record in a file.

    Raises:
        InputError: there is none, or it is damaged.
    """
    values = read_json(path)
    try:
        record = Record(**{**values, "origin": origin})
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{path} is no ledger record: see {key}") from error
    if record.run != path.stem:  # a copy would be counted twice
        raise InputError(f"{path} is the record of {record.run}; call it that, or remove it")
    return record


def records(origin: str | None = None, **wanted: object) -> list[Record]:
    """All records whose fields equal `wanted`, sorted by data set, scale, task, method and seed.

    Args:
        origin: "own" or "committed"; by default both ledgers, where the user's record of a run
            hides the committed one of the same run.
    """
    found: dict[str, Record] = {}
    for name, root in roots(origin).items():
        for path in sorted((root / "records").glob("*.json")):
            if path.stem not in found:
                found[path.stem] = _unchanged(path, name)
    kept = [
        r for r in found.values() if all(getattr(r, key) == value for key, value in wanted.items())
    ]
    return sorted(kept, key=lambda r: (r.dataset, r.scale, r.task, r.method, r.seed, r.run))


def _unchanged(path: Path, origin: str) -> Record:
    """`read_record`, once a state of the file: a page of tables looks at all records many times."""
    try:
        state = path.stat()
    except OSError:
        return read_record(path, origin)  # says what is wrong
    return _once(path, origin, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=4096)
def _once(path: Path, origin: str, *state: int) -> Record:
    return read_record(path, origin)


def queries(run: str, origin: str | None = None) -> pd.DataFrame:
    """The queries of a run: text columns that say which, and a value (float64).

    Composed retrieval: query, rank. Images and sentences: scoring, direction, query, image (the
    query itself or the one it is a sentence of), rank. Labels: scoring, direction, depth, query,
    ap in percent (NaN: nothing is relevant).

    Raises:
        InputError: they are missing or damaged.
    """
    return query_table.read(_holder(run, origin)[1] / "queries" / f"{run}.parquet")


def log(run: str, origin: str | None = None) -> pd.DataFrame:
    """The log of a run, one row a logged step."""
    path = _holder(run, origin)[1] / "logs" / f"{run}.jsonl"
    try:
        return pd.read_json(path, lines=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is missing or damaged; run {run} again") from error


def merge(source: Path, into: Path) -> list[str]:
    """Copy the records of one ledger, with queries and logs, into another.

    What both hold already is left as it is. Everything is checked before anything is copied, and
    each record is copied after its queries and log, so that no record lacks them.

    Returns:
        The names of the runs that were copied.

    Raises:
        InputError: `source` has no records or a damaged one, or runs that `into` holds with
            another content; then nothing is copied.
    """
    paths_of = sorted((Path(source) / "records").glob("*.json"))
    if not paths_of:
        raise InputError(f"{source} is no ledger: there is no record in {source}/records")
    new = [path.stem for path in paths_of if not _holds(into, path)]
    for run in new:
        for name in _PARTS:
            target = Path(into) / _file(name, run)
            with atomic(target) as temporary:
                shutil.copyfile(Path(source) / _file(name, run), temporary)
    return new


def _holds(into: Path, path: Path) -> bool:
    """Whether a ledger holds this record; refuses a damaged or a different one."""
    run, source = path.stem, path.parent.parent
    record, table = read_record(path), query_table.read(source / _file("queries", run))
    if not (source / _file("logs", run)).exists():
        raise InputError(f"{path} has no log beside it; run {run} again")
    there = _record(Path(into), run)
    if not there.exists():
        return False
    same = read_record(there) == record
    if not (same and query_table.read(Path(into) / _file("queries", run)).equals(table)):
        raise InputError(f"{path} and {there} are two records of one run; remove one of them")
    return True


# A ledger's folders, in the order they are written: file names of a run.
_PARTS = {"queries": "parquet", "logs": "jsonl", "records": "json"}


def _file(part: str, run: str) -> str:
    return f"{part}/{run}.{_PARTS[part]}"


def _record(root: Path, run: str) -> Path:
    return root / _file("records", run)


def _holder(run: str, origin: str | None) -> tuple[str, Path]:
    """Origin and folder of the first ledger that holds a run.

    Raises:
        InputError: none does; the message names runs that are there, the most similar ones first.
    """
    there = roots(origin)
    for name, root in there.items():
        if _record(root, run).exists():
            return name, root
    folders = [root / "records" for root in there.values()]
    known = sorted({path.stem for folder in folders for path in folder.glob("*.json")})
    where = " and ".join(map(str, folders))
    if not known:
        raise InputError(f"no run {run!r}: there is none yet in {where}; cmir run makes one")
    alike = difflib.get_close_matches(run, known, n=SHOWN_RUNS, cutoff=0)
    raise InputError(
        f"no run {run!r} among the {len(known):,} in {where}; the most similar: {', '.join(alike)}"
    )


def run_name(dataset: str, task: str, scale: str, method: str, seed: int, config: dict) -> str:
    """A file name that says what the run is; six digits of the configuration's hash close it."""
    words = re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-")
    return f"{dataset}-{task}-{scale}-{words}-s{seed}-{digest(config)}"


def digest(config: dict) -> str:
    """Six digits that tell a configuration from others."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:6]


def code_hash(texts: Sequence[str]) -> str:
    """Digest of sources of classes or functions, without comments and docstrings."""
    digest = hashlib.sha256()
    for text in map(textwrap.dedent, texts):
        digest.update(f"{_meaning(text)}\n".encode())
    return digest.hexdigest()[:16]


def package_hash() -> str:
    """Digest of every source file of the package."""
    digest = hashlib.sha256()
    for path in sorted(paths.PACKAGE.rglob("*.py")):
        digest.update(
            f"{path.relative_to(paths.PACKAGE).as_posix()}\n".encode() + path.read_bytes()
        )
    return digest.hexdigest()[:16]


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    # Not dump: it shows fields that differ between versions of Python.
    return ast.unparse(tree)


def code(own: str = "") -> dict:
    """Which code ran; `own` is the digest of what a reader brought, see identity.own_digest."""
    checkout = paths.checkout()
    lock = checkout / "requirements.lock" if checkout else Path()
    commit = _git("rev-parse", "HEAD")
    # Of code only: a maintainer's run writes results into the tree itself.
    changed = bool(_git("status", "--porcelain", "--", paths.PACKAGE.name, "data_scripts"))
    return {
        "version": __version__,
        "commit": commit or "unknown",
        "dirty": changed if commit else "unknown",
        "sources": package_hash(),
        "lock": hashlib.sha256(lock.read_bytes()).hexdigest()[:16] if lock.is_file() else "unknown",
        **({"own": own} if own else {}),
    }


def hardware(device: str) -> dict:
    """Which machine ran it."""
    gpu = torch.cuda.get_device_name() if device != "cpu" else None
    mine = getattr(os, "sched_getaffinity", None)  # Linux only
    return {"cpu": _cpu(), "cores": len(mine(0)) if mine else os.cpu_count(), "gpu": gpu}


def software() -> dict:
    """Versions that numbers may depend on."""
    names = ("torch", "torchvision", "transformers", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def reset_peak_memory(device: str) -> None:
    """Start counting `peak_memory_gb` anew; on a CPU this is possible on Linux only."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    elif _CLEAR_REFS.exists():
        with contextlib.suppress(OSError):  # some containers forbid it
            _CLEAR_REFS.write_text("5")


def peak_memory_gb(device: str) -> float:
    """Largest memory of this process since `reset_peak_memory`; on a GPU, of the GPU."""
    if device != "cpu":
        return round(torch.cuda.max_memory_allocated() / 1e9, 3)
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
        if found:
            return round(int(found.group(1)) * 1024 / 1e9, 3)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 3)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def _git(*arguments: str) -> str:
    checkout = paths.checkout()
    if checkout is None:  # installed: a repository around the environment is another project's
        return ""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False
        )
    except OSError:  # no git here
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    found = re.search(r"model name\s*: (.*)", text)
    return found.group(1).strip() if found else "unknown"
