"""What several test files share: one thread, and a tiny CSS that is rendered once."""

import os
from pathlib import Path

import pytest
import torch

from cmir_repro.core import paths
from cmir_repro.data.css import dataset as css
from cmir_repro.data.readers import release_digests

TINY = css.Scale(bases=(30, 20), edits=(40, 20), width=45, height=30)

# Files that take minutes begin first, so that no process is left alone with one at the end.
LONG = ("test_notebook_kinds.py",)

torch.set_num_threads(1)  # tiny nets: a second thread costs more than it brings


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)  # stable: all else stays as it is


@pytest.fixture(autouse=True)
def own_ledger_only(monkeypatch):
    """No test sees the committed ledger, unless it takes this variable away again."""
    monkeypatch.setenv("CMIR_COMMITTED", "")


@pytest.fixture(autouse=True)
def own_digests_only(monkeypatch):
    """No made-up release is held against the published files, unless a test says so."""
    monkeypatch.setattr(release_digests, "DIGESTS", {})


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """CMIR_DATA with a tiny "mini" in it."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("data")
        patch.setenv("CMIR_DATA", str(root))
        patch.setitem(css.SCALES, "mini", TINY)
        css.prepare("mini", progress=False)
    return root


@pytest.fixture
def tiny_css(monkeypatch, tmp_path, tiny_root):
    """The tiny data set under the name of "mini"; runs, ledger and figures go to `tmp_path`."""
    monkeypatch.setenv("CMIR_DATA", str(tiny_root))
    for name in ("RUNS", "RESULTS", "FIGURES"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    monkeypatch.setitem(css.SCALES, "mini", TINY)
    return css.prepare("mini", progress=False)


@pytest.fixture(scope="session")
def real_data():
    """real_data(name) -> a folder of real data; skips, by name, where it is absent."""
    root = Path(os.environ.get("CMIR_REAL_DATA") or paths.checkout().parent / "shared" / "data")

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"real data {name!r} are not in {root.name}; set CMIR_REAL_DATA")
        return root / name

    return folder
