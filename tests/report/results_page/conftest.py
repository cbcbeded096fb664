"""A small ledger on the tiny generated world: three methods, their queries and logs, a figure."""

import numpy as np
import pandas as pd
import pytest
from made_up_records import made_up

from cmir_repro.experiments import ledger, shared
from cmir_repro.report import plots

METHODS = ("Image only", "TIRG", "TIRG + DIM")


@pytest.fixture
def small(tiny_css, monkeypatch, tmp_path):
    """The data; the records of METHODS lie in the user's ledger, and no model is here."""
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(shared, "names", list)
    ids = tiny_css.retrieval("test").query_ids
    tables = tiny_css.info["tables_sha256"]
    data = {"manifest": tiny_css.manifest_hash, "tables": tables, "kind": "rendered"}
    for n, method in enumerate(METHODS):
        ranks = 1 + np.random.default_rng(n).integers(0, 9 - 3 * n, len(ids))
        record = made_up(method, data=data, run=f"run-{n}", command=f"cmir run --seed {n}")
        log = [{"step": k, "loss": 3 / k, "rate": 0.1} for k in range(1, 9)]
        log.append({"step": 8, "val R@1": 20.0 + n, "val selection": 40.0})
        ledger.save(record, pd.DataFrame({"query": ids, "rank": ranks}), log)
    figure = plots.recall_intervals(
        pd.DataFrame({"method": METHODS, "mean": 1.0, "low": 0.5, "high": 2.0})
    )
    plots.save_figure(figure, "recall-css-mini-3d-3d")
    return tiny_css
