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
import platform
import re
import resource
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch

from cmir_repro import __version__
from cmir_repro.core import paths, processes
from cmir_repro.core.config import checked
from cmir_repro.core.distributed import place
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import parse_json, read_json, write_json, write_text
from cmir_repro.experiments import query_table
from cmir_repro.experiments.record import COMMITTED, ORIGINS, OWN, LogRow, Record

# Linux: the kernel's count of a process's largest memory, and how to set it back.
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")

FEATURES = ("image_features", "text_features")  # in `Record.data`: digests of files that were read


def save(record: Record, queries: pd.DataFrame | None, log: list[dict]) -> None:
    """Write a record, its queries and its log into the user's ledger, the record last.

    Args:
        queries: one row a query and scoring; text columns say which, the last holds the value;
            None of a search.
        log: one dict a logged step.
    """
    root = paths.results()
    if queries is not None:
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
    return any(record_file(root, run).exists() for root in roots(origin).values())


def read(run: str, origin: str | None = None) -> Record:
    """The record of a run, the user's where both ledgers have one.

    Raises:
        InputError: there is none, or it is damaged.
    """
    name, root = _holder(run, origin)
    return read_record(record_file(root, run), name)


def read_record(path: Path, origin: str = OWN) -> Record:
    """The record in a file.

    Raises:
        InputError: there is none, or it is damaged.
    """
    record = checked(path, Record, {**read_json(path), "origin": origin})
    if record.run != path.stem:  # a copy would be counted twice
        raise InputError(f"{path} is the record of {record.run}; call it that, or remove it")
    return record


def records(
    origin: str | None = None, kinds: Sequence[str] = ("run", "features"), **wanted: object
) -> list[Record]:
    """All records whose fields equal `wanted`, sorted by data set, scale, task, method and seed.

    Args:
        origin: "own" or "committed"; by default both ledgers, where the user's record of a run
            hides the committed one of the same run.
        kinds: of records; those of a search hold no test figure and are no row of a table.
    """
    found: dict[str, Record] = {}
    for name, root in roots(origin).items():
        for path in sorted((root / "records").glob("*.json")):
            if path.stem not in found:
                found[path.stem] = _unchanged(path, name)
    found = {run: record for run, record in found.items() if record.kind in kinds}
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
    return pd.DataFrame(read_log(_holder(run, origin)[1] / "logs" / f"{run}.jsonl"))


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a log: "step" and figures, finite numbers all.

    Raises:
        InputError: there is none, or it is damaged.
    """
    try:
        rows = [parse_json(line) for line in Path(path).read_bytes().splitlines()]
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no log ({error}); run {Path(path).stem} again") from error
    return [checked(f"{path}, line {n}", LogRow, row) for n, row in enumerate(rows, start=1)]


# A ledger's folders, in the order they are written: file names of a run.
PARTS = {"queries": "parquet", "logs": "jsonl", "records": "json"}


def file_of(part: str, run: str) -> str:
    """Where a part of a run's record lies in a ledger."""
    return f"{part}/{run}.{PARTS[part]}"


def record_file(root: Path, run: str) -> Path:
    return root / file_of("records", run)


def _holder(run: str, origin: str | None) -> tuple[str, Path]:
    """Origin and folder of the first ledger that holds a run.

    Raises:
        InputError: none does; the message names runs that are there, the most similar ones first.
    """
    there = roots(origin)
    for name, root in there.items():
        if record_file(root, run).exists():
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
    return f"{dataset}-{task}-{scale}-{words(method)}-s{seed}-{digest(config)}"


def words(method: str) -> str:
    """A method's name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-")


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
    found = {"cpu": _cpu(), "cores": processes.cores(), "gpu": gpu}
    together = place()[1]
    return found | ({"processes": together} if together > 1 else {})


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
