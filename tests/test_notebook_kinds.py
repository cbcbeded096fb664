"""Data that were accepted can be used by every notebook of their kind, however small they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_kinds import KINDS, labelled_photos

from cmir_repro.core import paths


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_notebook_that_applies_runs_on_a_small_set(kind, monkeypatch, tmp_path, real_data):
    """In a process of its own: notebooks load libraries that change the last bits of others."""
    for name in ("DATA", "RUNS", "RESULTS", "FIGURES"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    if kind is labelled_photos:  # read through a frozen net
        monkeypatch.setenv("CMIR_WEIGHTS", str(real_data("weights")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (paths.checkout(), *sys.path))))
    script = Path(__file__).with_name("notebook_kinds.py")
    done = subprocess.run(
        [sys.executable, script, kind.__name__, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
