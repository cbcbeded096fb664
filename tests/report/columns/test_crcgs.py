"""The tables of label-based retrieval say what the records say, worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from made_up_records import made_up_run

from cmir_repro.core.protocol import preset
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.crcgs import FULL, REFERENCE, configure
from cmir_repro.report import tables

IDS = ["a", "b", "c"]
SPREAD = {"low": 0.0, "high": 90.0, "chance": 30.0}
SETTING = ("crcgs", "css", "mini", "3d-colour-shape")


def keep(method, seed, i2t, t2i, value, scorings=("cosine", "hamming-32")):
    """A record with made-up means and the APs of three queries, the same by each scoring."""
    config = configure(method=method, seed=seed)
    rows = []
    for scoring in scorings:
        for way, aps in (("i2t", i2t), ("t2i", t2i)):
            for depth in ("all", "queries"):
                values = aps if depth == "all" else [90.0 + seed] * 3
                rows += [(scoring, way, depth, *pair) for pair in zip(IDS, values, strict=True)]
    queries = pd.DataFrame(rows, columns=["scoring", "direction", "depth", "query", "ap"])
    metrics = {
        f"{way} MAP@{depth}": {"value": value + 10 * (way == "t2i"), **SPREAD}
        for way in ("i2t", "t2i")
        for depth in ("all", "queries")
    }
    curve = {"precision": [value, 0.0]}  # at recall 0 and 100
    result = {
        "protocol": preset("map-all").as_dict(),
        "queries": 3,
        "gallery": 9,
        "without_relevant": 1,
        "metrics": metrics,
        "by_scoring": {scoring: metrics for scoring in scorings},
        "curves": {scoring: {"i2t": curve, "t2i": curve} for scoring in scorings},
    }
    ledger.save(made_up_run(config, result), queries, [])


@pytest.fixture
def two(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    for seed in (0, 1):
        keep(REFERENCE, seed, [20.0, 40.0, np.nan], [40.0, 60.0, np.nan], 40.0 + 2 * seed)
        keep(FULL, seed, [30.0 + seed, 40.0, np.nan], [50.0, 60.0, np.nan], 50.0)
    keep("DCMH", 0, [1.0, 2.0, np.nan], [1.0, 2.0, np.nan], 5.0, scorings=("hamming-32",))
    return tables.finished(*SETTING)


def test_points_are_means_of_both_directions_seed_by_seed_without_empty_queries(two):
    found = tables.points(two[FULL], {0, 1}, "MAP@all", "cosine")
    assert found[0].to_dict() == {"a": (30 + 50) / 2, "b": 50.0}
    assert found[1].to_dict() == {"a": (31 + 50) / 2, "b": 50.0}
    found = tables.points(two[FULL], {0}, "i2t MAP@all", "cosine")
    assert found.to_dict() == {0: {"a": 30, "b": 40}}


def test_the_difference_is_paired_and_leaves_out_what_cannot_be_compared(two):
    found = tables.against(two).set_index("method")
    assert list(found.index) == [FULL]  # DCMH has codes only
    row = found.loc[FULL]
    assert row["difference"] == pytest.approx((40.25 + 50) / 2 - (30 + 50) / 2)
    assert row["low"] <= row["difference"] <= row["high"]
    assert set(tables.against(two, scoring="hamming-32")["method"]) == {FULL, "DCMH"}


def test_without_the_reference_there_is_no_row_but_all_columns(two):
    found = tables.against({FULL: two[FULL]})
    assert found.empty
    assert {"method", "difference", "low", "high"} <= set(found)


def test_means_over_seeds_and_over_both_directions(two):
    table = tables.means(two).set_index(["method", "scoring", "metric"])["mean"]
    assert table[REFERENCE, "cosine", "i2t MAP@all"] == 41.0
    assert table[REFERENCE, "cosine", "MAP@all"] == 46.0
    assert table["DCMH", "hamming-32", "MAP@queries"] == 10.0


def test_curves_are_means_over_seeds(two):
    lines = tables.precision_recall(two, "cosine", "i2t").set_index(["method", "recall"])[
        "precision"
    ]
    assert lines[REFERENCE, 0.0] == 41.0
    assert "DCMH" not in lines


def test_markdown_shows_both_depths_and_chance(two):
    text = tables.markdown(*SETTING)
    head, *lines = text.split("\n")
    assert "MAP@queries" in head
    assert "i2t MAP@all" in head
    row = next(line for line in lines if line.startswith("| DCMH |"))
    assert [cell.strip() for cell in row.split("|")[4:7]] == ["–", "–", "–"]
    assert {line.count("|") for line in lines if line.startswith("|")} == {head.count("|")}
    assert "| *chance* |  |  | 30.0 | 30.0 | 30.0 |" in text
    assert "1 without a relevant item" in text
    assert tables.markdown("crcgs", "css", "paper", "3d-colour-shape").startswith("No run")


def test_a_difference_beside_a_metric_is_of_that_metric(two):
    """At the shallow depth every AP is the same for both methods, over the whole base it is not."""
    minus = f"minus {REFERENCE}"
    whole, shallow = tables.by_scoring(two), tables.by_scoring(two, "MAP@queries")
    assert whole.loc[FULL, minus].startswith("+5.1 [")
    assert shallow.loc[FULL, minus] == "+0.0 [+0.0, +0.0]"
    assert list(whole) == list(shallow) == ["cosine", "hamming-32", minus]
    assert (shallow.loc["DCMH", "cosine"], shallow.loc["DCMH", minus]) == ("–", "")
