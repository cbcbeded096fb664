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
    """The ledger; move it with CMIR_RESULTS."""
    return _folder("CMIR_RESULTS", "results")


def figures() -> Path:
    """Figures and the data they are drawn from; move it with CMIR_FIGURES."""
    return _folder("CMIR_FIGURES", "figures")


def shown(path: Path) -> str:
    """`path` as it may be printed in a notebook: relative to the repository where it lies in it."""
    path = Path(path).resolve()
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else path.name


def _folder(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or REPOSITORY / name)
