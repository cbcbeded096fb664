"""Where a grid runs, as a small YAML file says; docs/grid.md has an example of each."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from cmir_repro.core.config import Config
from cmir_repro.core.errors import InputError, naming, one_of


class Backend(Config):
    """What all have in common."""

    imports: tuple[str, ...] = ()  # modules that come first everywhere, say of own compositors


class Here(Backend):
    """In the process that asks, one cell after the other."""

    backend: Literal["here"] = "here"


class Local(Backend):
    """Several processes on this machine."""

    backend: Literal["local"]
    workers: int = Field(2, ge=1, le=1024)  # cells at a time
    threads: int = Field(1, ge=1)  # of each
    nice: int = Field(0, ge=0, le=19)  # how much they stand back for other programs


class Slurm(Backend):
    """Jobs of SLURM, one cell each, through submitit."""

    backend: Literal["slurm"]
    workers: int = Field(8, ge=1)  # jobs at a time, at work or in the queue
    threads: int = Field(1, ge=1)
    minutes: int = Field(240, ge=2)  # of a job; a cell that takes longer goes on in another one
    # Of submitit's executor: slurm_partition, mem_gb, ...
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    executor: Literal["slurm", "local", "debug"] = "slurm"  # the others try it without SLURM


class Dask(Backend):
    """Tasks of a dask cluster, one cell each."""

    backend: Literal["dask"]
    address: str = ""  # of the scheduler; by default a cluster on this machine
    workers: int = Field(2, ge=1)  # cells at a time
    threads: int = Field(1, ge=1)


BACKENDS = {"here": Here, "local": Local, "slurm": Slurm, "dask": Dask}


def read(path: Path) -> Backend:
    """The backend that a YAML file describes.

    Raises:
        InputError: no such file, no YAML, or an unknown backend, key or value.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or "backend" not in found:
        raise InputError(f"{path} names no backend; write backend: {' or '.join(BACKENDS)}")
    one_of(f"{path}: backend", found["backend"], BACKENDS)
    if any(not isinstance(key, str) for key in found):
        raise InputError(f"{path} has a key that is no text; see docs/grid.md")
    with naming(path):
        return BACKENDS[found["backend"]].make(**found)
