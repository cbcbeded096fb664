"""The image <-> sentence tables say what the records say, worked out by hand."""

import pandas as pd
import pytest
from made_up_records import made_up_run

from cmir_repro.core.protocol import preset
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.aai import FULL, REFERENCE, configure
from cmir_repro.report import tables

IDS = ["a", "b"]
SENTENCES = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2")]


def keep(method, seed, ranks, rsum):
    """A record with made-up values and the ranks (2 images, 4 sentences) by each scoring."""
    config = configure(method=method, seed=seed)
    rows = []
    for mode, (own, told) in ranks.items():
        rows += [(mode, "i2t", i, i, rank) for i, rank in zip(IDS, own, strict=True)]
        rows += [(mode, "t2i", s, i, rank) for (i, s), rank in zip(SENTENCES, told, strict=True)]
    queries = pd.DataFrame(rows, columns=["scoring", "direction", "query", "image", "rank"])
    metrics = {
        mode: {
            name: {"value": rsum[mode], "low": 0.0, "high": 1.0, "chance": 3.0}
            for name in ("i2t R@1", "t2i R@1", "RSUM")
        }
        for mode in ranks
    }
    result = {
        "protocol": preset("css/image-sentence").as_dict(),
        "queries": 6,
        "gallery": 2,
        "metrics": metrics["itc"],
        "images": 2,
        "sentences": 4,
        "by_scoring": metrics,
    }
    ledger.save(made_up_run(config, result), queries, [])


@pytest.fixture
def two(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    itc = ([1, 20], [1, 6, 11, 1])
    for seed in (0, 1):
        keep(REFERENCE, seed, {"itc": itc}, {"itc": 10.0 + seed})
        keep(FULL, seed, {"itc": itc, "itm": ([1, 1], [1, 1, 6, 1])}, {"itc": 11.0, "itm": 40.0})
    return tables.finished("aai", "css", "mini", "3d")


def test_an_image_brings_its_recalls_and_the_mean_of_its_sentences(two):
    found = tables.points(two[REFERENCE], {0}, "RSUM", "itc")
    # a: rank 1 is three hits; its sentences have three and one (10 only). b: none; none and three.
    assert found[0].to_dict() == {"a": 300 + (300 + 100) / 2, "b": 0 + 300 / 2}
    found = tables.points(two[REFERENCE], {0}, "t2i R@5", "itc")
    assert found[0].to_dict() == {"a": 50, "b": 50}


def test_the_difference_is_that_of_the_means(two):
    found = tables.against(two).set_index("method").loc[FULL]
    assert (found["scoring"], found["seeds"]) == ("itm", 2)
    ours = ((300 + (300 + 300) / 2) + (300 + (100 + 300) / 2)) / 2
    theirs = ((300 + 200) + 150) / 2
    assert found["difference"] == pytest.approx(ours - theirs)
    assert found["low"] <= found["difference"] <= found["high"]


def test_means_over_seeds(two):
    table = tables.means(two).set_index(["method", "scoring", "metric"])
    row = table.loc[(REFERENCE, "itc", "RSUM")]
    assert (row["mean"], row["seeds"]) == (10.5, 2)
    assert (REFERENCE, "itm", "RSUM") not in table.index


def test_markdown_has_a_row_a_method_and_says_under_what_rules(two):
    text = tables.markdown("aai", "css", "mini", "3d")
    assert f"| {REFERENCE} | 2 |" in text
    assert "| 40.0 [40.0, 40.0] | – |" in text
    assert "`css/image-sentence`" in text
    assert tables.markdown("aai", "css", "mini", "2d").startswith("No run")


def test_scorings_stand_side_by_side_with_the_difference(two):
    found = tables.by_scoring(two)
    assert list(found) == ["ITC", "ITM among the first k", f"minus {REFERENCE}"]
    assert found.loc[FULL, "ITM among the first k"] == "40.0 [40.0, 40.0]"
    assert found.loc[REFERENCE, "ITM among the first k"] == "–"
    assert found.loc[REFERENCE, f"minus {REFERENCE}"] == ""
    assert found.loc[FULL, f"minus {REFERENCE}"].startswith("+225.0 [")


def test_a_method_is_compared_by_the_scorings_that_are_named(two):
    assert tables.against(two, scoring="itc").iloc[0]["difference"] == 0
    assert tables.against(two, scoring="itm").empty  # the reference has none
    named = tables.against(two, scoring="itm", reference_scoring="itc")
    assert named.equals(tables.against(two))
