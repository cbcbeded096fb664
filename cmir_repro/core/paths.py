"""The one place for folders: the repository's own, each movable by an environment variable."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def data() -> Path:
    """Prepared data sets; move it with CMIR_DATA."""
    return _folder("CMIR_DATA", "data")


def weights() -> Path:
    """Pretrained weights that were put here by hand; move it with CMIR_WEIGHTS."""
    return _folder("CMIR_WEIGHTS", "data/weights")


def runs() -> Path:
    """Checkpoints and logs of the runs made here; move it with CMIR_RUNS."""
    return _folder("CMIR_RUNS", "runs")


def results() -> Path:
    """The user's own ledger, which runs are written to; move it with CMIR_RESULTS."""
    return _folder("CMIR_RESULTS", "results")


def committed() -> Path | None:
    """The ledger that came with the repository, only read; None where there is no repository.

    CMIR_COMMITTED names another one, somebody else's say; if it is empty, there is none.
    """
    named = os.environ.get("CMIR_COMMITTED")
    if named is not None:
        return Path(named) if named else None
    return REPOSITORY / "results" if (REPOSITORY / "pyproject.toml").exists() else None


def figures() -> Path:
    """Figures and the data they are drawn from; move it with CMIR_FIGURES."""
    return _folder("CMIR_FIGURES", "figures")


def shown(path: Path) -> str:
    """`path` as it may be printed in a notebook: relative to the repository where it lies in it."""
    path = Path(path).resolve()
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else path.name


def _folder(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or REPOSITORY / name)
