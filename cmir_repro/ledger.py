"""The ledger: one record a run, with everything needed to judge its numbers.

results/records/RUN.json    the record
results/ranks/RUN.npz       the rank of every query, ids beside them
results/logs/RUN.jsonl      losses and validation figures, step by step
"""

import ast
import contextlib
import hashlib
import json
import lzma
import os
import platform
import re
import resource
import subprocess
import sys
import textwrap
import zipfile
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import Field, ValidationError

from cmir_repro import __version__, paths
from cmir_repro.config import Config
from cmir_repro.errors import InputError
from cmir_repro.files import atomic, read_json, write_json, write_text

# Linux: the kernel's count of a process's largest memory, and how to set it back.
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")

_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Record(Config):
    """One run. Percentages, ranks in places, seconds, GB; what is unknown is None."""

    run: str
    dataset: str
    scale: str
    task: str
    method: str
    seed: int
    config: dict
    selection: str
    data: dict  # manifest hash, hash of the tables, kind of provenance
    # Version, commit, whether files of the package differed from it ("dirty"), digests of the
    # package's sources and of the lock: for information; what decides is `versions`. Records of
    # older versions hold another digest, of the sources that decided.
    code: dict
    # Of what decided the numbers: see versions.used; none in records of before there were any.
    versions: dict[str, int] = Field(default_factory=dict)
    hardware: dict
    software: dict
    parameters: int
    steps: int
    seconds: float
    peak_memory_gb: float
    result: dict  # see evaluate.summary
    validation: dict
    checkpoint_sha256: str
    command: str
    finished: str


def save(record: Record, query_ids: np.ndarray, ranks: np.ndarray, log: list[dict]) -> None:
    """Write a record, its ranks and its log; the record comes last, so it never lacks them.

    Ranks, or average precisions in percent, are kept to a thousandth as float32: ranks are whole or
    halves up to millions, and the many digits of a precision would make up most of the ledger. Ids
    that occur once a scoring are far apart; xz sees that they repeat, deflate does not.
    """
    root = paths.results()
    kept = np.round(np.asarray(ranks, dtype=np.float64), 3).astype(np.float32)
    text = json.dumps(np.asarray(query_ids, dtype=str).tolist())
    packed = np.frombuffer(lzma.compress(text.encode()), dtype=np.uint8)
    with atomic(root / "ranks" / f"{record.run}.npz") as temporary:
        np.savez_compressed(temporary, ids_xz=packed, ranks=kept)
    write_text(
        root / "logs" / f"{record.run}.jsonl", "".join(json.dumps(row) + "\n" for row in log)
    )
    write_json(root / "records" / f"{record.run}.json", record.model_dump())


def exists(run: str) -> bool:
    """Whether the ledger holds a run."""
    return (paths.results() / "records" / f"{run}.json").exists()


def read(run: str, root: Path | None = None) -> Record:
    """The record of a run.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = (root or paths.results()) / "records" / f"{run}.json"
    values = read_json(path)
    try:
        return Record(**values)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{path} is no ledger record: see {key}") from error


def records(root: Path | None = None, **wanted: object) -> list[Record]:
    """All records whose fields equal `wanted`, sorted by method and seed."""
    folder = (root or paths.results()) / "records"
    found = [read(path.stem, root) for path in sorted(folder.glob("*.json"))]
    found = [r for r in found if all(getattr(r, key) == value for key, value in wanted.items())]
    return sorted(found, key=lambda r: (r.dataset, r.scale, r.task, r.method, r.seed))


def ranks(run: str) -> tuple[np.ndarray, np.ndarray]:
    """Query ids (Q,) str and their ranks (Q,) float64 of a run."""
    path = paths.results() / "ranks" / f"{run}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            # Older files hold the ids as they are.
            packed = "ids_xz" in file.files
            ids = json.loads(lzma.decompress(file["ids_xz"])) if packed else file["ids"]
            return np.asarray(ids, dtype=str), file["ranks"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, *_DAMAGED) as error:
        raise InputError(f"{path} is missing or damaged; run {run} again") from error


def log(run: str) -> pd.DataFrame:
    """The log of a run, one row a logged step."""
    path = paths.results() / "logs" / f"{run}.jsonl"
    try:
        return pd.read_json(path, lines=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is missing or damaged; run {run} again") from error


def run_name(dataset: str, task: str, scale: str, method: str, seed: int, config: dict) -> str:
    """A file name that says what the run is; six digits of the configuration's hash close it."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:6]
    words = re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-")
    return f"{dataset}-{task}-{scale}-{words}-s{seed}-{digest}"


def code_hash(texts: Sequence[str]) -> str:
    """Digest of sources of classes or functions, without comments and docstrings."""
    digest = hashlib.sha256()
    for text in map(textwrap.dedent, texts):
        digest.update(f"{_meaning(text)}\n".encode())
    return digest.hexdigest()[:16]


def package_hash() -> str:
    """Digest of every source file of the package."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
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
    lock = paths.REPOSITORY / "requirements.lock"
    commit = _git("rev-parse", "HEAD")
    # Of the package only: a run writes results into the tree itself.
    changed = bool(_git("status", "--porcelain", "--", Path(__file__).parent.name))
    return {
        "version": __version__,
        "commit": commit or "unknown",
        "dirty": changed if commit else "unknown",
        "sources": package_hash(),
        "lock": hashlib.sha256(lock.read_bytes()).hexdigest()[:16] if lock.exists() else "unknown",
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
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=paths.REPOSITORY, capture_output=True, text=True, check=False
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
