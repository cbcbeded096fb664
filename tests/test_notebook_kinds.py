"""Data that were accepted can be used by every notebook of their kind, however small they are."""

import matplotlib
import pytest
from notebook_kinds import KINDS, execute, labelled_photos, shrink

from cmir_repro.models.compositors import COMPOSITORS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_notebook_that_applies_runs_on_a_small_set(kind, monkeypatch, tmp_path, real_data):
    if kind is labelled_photos:  # read through a frozen net
        monkeypatch.setenv("CMIR_WEIGHTS", str(real_data("weights")))
    for name in ("DATA", "RUNS", "RESULTS", "FIGURES"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    known = dict(COMPOSITORS)
    shrink(monkeypatch)
    kind(tmp_path)
    try:
        with matplotlib.rc_context():
            for notebook in KINDS[kind]:
                given = {"dataset": "mine", "scale": "mini", "umap_seeds": [0], "points": 20}
                execute(notebook, monkeypatch, **given)
    finally:
        for name in set(COMPOSITORS) - set(known):  # a notebook registers one of its own
            del COMPOSITORS[name]
