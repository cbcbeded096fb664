"""The one place for folders: what a user makes lies under one home, what came along is only read.

The home is the first that applies:

1. the folder that CMIR_HOME names;
2. `cmir-workspace` in the current folder or in the nearest folder above it that has one;
3. `cmir-workspace` in the checkout, where the current folder is inside it;
4. `cmir-workspace` in the current folder.

Large folders that several projects share may lie elsewhere: CMIR_DATA and CMIR_WEIGHTS;
CMIR_RUNS, CMIR_RESULTS and CMIR_FIGURES move the others. Every call asks the environment anew and
creates nothing.
"""

import os
import tomllib
from functools import cache
from pathlib import Path

WORKSPACE = "cmir-workspace"
NAME = "cmir-repro"  # of this project in its pyproject.toml
PACKAGE = Path(__file__).resolve().parents[1]


def home() -> Path:
    """Everything a user makes: data, runs, results, figures, tables, notebooks."""
    named = os.environ.get("CMIR_HOME")
    if named:
        return Path(named).expanduser().absolute()
    here, repository = Path.cwd(), checkout()
    for folder in (here, *here.parents):
        if (folder / WORKSPACE).is_dir():
            return folder / WORKSPACE
    return (repository if repository and here.is_relative_to(repository) else here) / WORKSPACE


def data() -> Path:
    """Prepared data sets; move it with CMIR_DATA."""
    return _folder("CMIR_DATA", "data")


def weights() -> Path:
    """Pretrained weights that were put here by hand; move it with CMIR_WEIGHTS."""
    return _folder("CMIR_WEIGHTS", "weights")


def runs() -> Path:
    """Checkpoints and logs of the user's runs; move it with CMIR_RUNS."""
    return _folder("CMIR_RUNS", "runs")


def results() -> Path:
    """The user's own ledger, which runs are written to; move it with CMIR_RESULTS."""
    return _folder("CMIR_RESULTS", "results")


def figures() -> Path:
    """The user's figures and the data they are drawn from; move it with CMIR_FIGURES."""
    return _folder("CMIR_FIGURES", "figures")


def tables() -> Path:
    """The user's tables."""
    return home() / "tables"


def notebooks() -> Path:
    """The notebooks that the user ran, with their outputs."""
    return home() / "notebooks"


def checkout() -> Path | None:
    """The repository that this package is in; None where it was installed elsewhere.

    A folder with some pyproject.toml is not enough: an environment often lies in another project.
    """
    folder = Path(__file__).resolve().parents[2]
    return folder if _is_ours(folder) else None


def committed() -> Path | None:
    """The ledger that came with the repository, only read; None where there is no repository.

    CMIR_COMMITTED names another one, somebody else's say; if it is empty, there is none.
    """
    named = os.environ.get("CMIR_COMMITTED")
    if named is not None:
        return Path(named) if named else None
    return _in_checkout("results")


def shipped() -> Path | None:
    """The trained models that came with the repository; None where there is no repository."""
    return _in_checkout("results/weights")


def committed_figures() -> Path | None:
    """The figures that came with the repository, only read; None where there is no repository."""
    return _in_checkout("figures")


def shown(path: Path) -> str:
    """`path` as it may be printed in a notebook: it never tells where a machine keeps its files.

    In the home it begins with the home's name, in the checkout below it; else it is its own name.
    """
    path, here, repository = Path(path).resolve(), home(), checkout()
    if path.is_relative_to(here.resolve()):
        return str(here.name / path.relative_to(here.resolve()))
    if repository and path.is_relative_to(repository):
        return str(path.relative_to(repository))
    return path.name


@cache
def _is_ours(folder: Path) -> bool:
    """Whether a folder holds this project. It is read once: tables ask a thousand times."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return project.get("project", {}).get("name") == NAME


def _folder(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    return Path(named) if named else home() / name


def _in_checkout(name: str) -> Path | None:
    repository = checkout()
    return repository / name if repository else None
