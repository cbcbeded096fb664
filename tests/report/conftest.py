"""A repository of its own, and a ledger of composed retrieval in it."""

import pytest
from made_up_records import keep, with_recalls

from cmir_repro.core import paths
from cmir_repro.report import tables


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def three_seeds(root):
    """TIRG over three seeds, image only over one; ranks of four queries."""
    for seed, (r1, ranks) in enumerate(
        [(60, [1, 1, 2, 3]), (63, [1, 1, 1, 5]), (66, [1, 2, 2, 9])]
    ):
        keep(with_recalls("TIRG", seed, (r1, 90, 99 + seed / 2)), ranks)
    keep(with_recalls("Image only", 1, (6, 28, 56), seconds=30.0), [4, 1, 8, 9])
    return tables.finished("dim", "css", "mini", "3d-3d")
