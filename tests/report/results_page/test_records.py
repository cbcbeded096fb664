"""What the page takes from the ledger."""

import numpy as np
import pandas as pd
import pytest
from made_up_records import keep, made_up

from cmir_repro.experiments import ledger
from cmir_repro.report.results_page import records


def test_a_run_is_a_row_with_its_interval_and_names_in_words(small):
    row = records.row(ledger.read("run-2"))
    assert (row["method"], row["task"], row["dataset"]) == ("TIRG + DIM", "3D to 3D", "CSS")
    assert (row["metric"], row["value"], row["low"], row["high"]) == ("R@1", 50.0, 10.0, 90.0)
    assert row["ledger"] == "yours"


def test_runs_stand_in_the_order_of_the_tables(small):
    assert [r.method for r in records.records()[0]] == ["Image only", "TIRG", "TIRG + DIM"]


def test_runs_that_were_asked_the_same_share_a_set_and_others_do_not(small):
    keep(made_up("FiLM"), [1, 2])
    found, _ = records.records()
    sets, values, lost = records.asked_sets(found)
    assert lost == []
    of = {run: at for run, (at, _) in values.items()}
    assert of["run-0"] == of["run-1"] == of["run-2"] != of["film-0"]
    assert values["film-0"][1] == [1, 2]
    assert sets[of["film-0"]]["keys"] == [["", "q0"], ["", "q1"]]


def test_many_queries_are_drawn_at_even_distances(small, monkeypatch):
    monkeypatch.setattr(records, "QUERIES", 5)
    found = [ledger.read(f"run-{n}") for n in range(3)]
    (one,), values, _ = records.asked_sets(found)
    total = len(small.retrieval("test").query_ids)
    assert one["total"] == total
    kept = np.linspace(0, total - 1, 5).astype(int)
    everything = records.queries(found[0])
    assert one["keys"] == everything.iloc[kept][records.KEY].to_numpy().tolist()
    assert values["run-0"][1] == everything["rank"].iloc[kept].astype(int).tolist()


def test_learning_curves_keep_their_ends_and_no_more_than_the_points(small):
    log = [{"step": k, "loss": 1 / k} for k in range(1, 500)]
    ledger.save(made_up("FiLM"), pd.DataFrame({"query": ["q"], "rank": [1.0]}), log)
    curve = records.curves(ledger.read("film-0"))
    steps, losses = curve["loss"]
    assert len(steps) == records.POINTS
    assert (steps[0], steps[-1], losses[0]) == (1, 499, 1.0)
    assert "validation" not in curve
    assert records.curves(ledger.read("run-1"))["validation"] == [[8], [21.0]]


@pytest.mark.parametrize("part", ["records", "queries"])
def test_a_damaged_file_costs_its_part_and_is_named(small, tmp_path, part):
    (tmp_path / "results" / ledger.file_of(part, "run-1")).write_bytes(b"{")
    found, lost = records.records()
    _, values, missed = records.asked_sets(found)
    assert "run-1" not in values
    assert "run-0" in values
    (said,) = lost + missed
    assert "run-1" in said
    assert "\n" not in said
