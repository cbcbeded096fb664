"""Tables say what the records say, worked out by hand, and refuse what does not compare."""

import math

import pytest
from made_up_records import keep, made_up, with_recalls

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.experiments.presets.dim import ablation_name, configure
from cmir_repro.report import tables
from cmir_repro.report.columns.dim import with_and_without
from cmir_repro.report.differences import Compared


def test_means_over_seeds_come_with_the_t_interval(three_seeds):
    found = tables.means(three_seeds).set_index(["method", "metric"])
    row = found.loc[("TIRG", "R@1")]
    half = 4.302653 * 3 / math.sqrt(3)  # t of 2 degrees of freedom; the three deviate by 3
    assert (row["mean"], row["seeds"]) == (63, 3)
    assert [row["low"], row["high"]] == pytest.approx([63 - half, 63 + half])
    one = found.loc[("Image only", "R@5")]
    assert one["mean"] == 28
    assert math.isnan(one["low"])
    assert one["chance"] == 0.5


def test_wide_cells_hold_mean_and_interval_within_0_and_100(three_seeds):
    found = tables.wide(tables.means(three_seeds))
    assert list(found.columns) == ["R@1", "R@5", "R@10"]
    assert list(found.index) == ["Image only", "TIRG", "(chance)"]
    assert found.loc["TIRG", "R@1"] == "63.0 [55.5, 70.5]"
    assert found.loc["TIRG", "R@10"] == "99.5 [98.3, 100.0]"
    assert found.loc["Image only", "R@1"] == "6.0"
    assert list(found.loc["(chance)"]) == ["0.1", "0.5", "1.0"]


def test_intervals_over_queries_are_those_of_the_record(three_seeds):
    found = tables.query_intervals({"TIRG": three_seeds["TIRG"][0]})
    assert found.iloc[0].to_dict() == {
        "method": "TIRG", "metric": "R@1", "mean": 60, "low": 55, "high": 65, "chance": 0.1,
    }  # fmt: skip


def test_a_difference_is_paired_over_the_seeds_both_have(three_seeds):
    found = tables.against(three_seeds)
    assert list(found["method"]) == ["Image only"]
    row = found.iloc[0]
    # Seed 1 only: hits 0 1 0 0 against 1 1 1 0.
    assert (row["difference"], row["seeds"]) == (-50, 1)
    assert row["low"] < -50 < row["high"] <= 0
    assert tables.against({"Image only": three_seeds["Image only"]}).empty


def test_ranks_of_other_queries_are_refused(root):
    keep(with_recalls("TIRG", 0, (60, 90, 99)), [1, 2])
    keep(with_recalls("TIRG", 1, (60, 90, 99)), [1, 2, 3])
    for seed in (0, 1):
        keep(with_recalls("Image only", seed, (6, 28, 56)), [1, 2])
    with pytest.raises(InputError, match="tirg-1 ranks other queries"):
        tables.against(tables.finished("dim", "css", "mini", "3d-3d"))


def test_differences_are_taken_from_a_reference_a_method(root):
    ranks = {"TIRG": [1, 2, 2, 2], "MRN": [2, 2, 2, 2], "TIRG + DIM": [1, 1, 1, 2]}
    for method in (*ranks, "FiLM + DIM"):
        for seed in (0, 1):
            keep(with_recalls(method, seed, (1, 2, 3)), ranks.get(method, [1, 1, 1, 1]))
    found = tables.finished("dim", "css", "mini", "3d-3d")
    pairs = with_and_without(found)
    assert pairs == {"TIRG + DIM": "TIRG", "FiLM + DIM": "FiLM"}
    rows = tables.against(found, pairs)
    # FiLM alone is not there, so there is nothing to compare with.
    assert rows[["method", "minus", "difference", "seeds"]].values.tolist() == [
        ["TIRG + DIM", "TIRG", 50, 2]
    ]
    rows = tables.against(found, "MRN").set_index("method")["difference"]
    assert rows.to_dict() == {"TIRG": 25, "TIRG + DIM": 75, "FiLM + DIM": 100}
    assert tables.against(found, {}).empty


def test_markdown_without_a_run_says_so(root):
    assert (
        tables.markdown("dim", "css", "mini", "3d-3d")
        == "No run of this setting is in the ledger yet."
    )


def changed_protocol():
    result = made_up().result
    return {"result": {**result, "protocol": preset("tirg/css").changed(ties="worst").as_dict()}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (changed_protocol(), "mix protocols that differ in .*ties"),
        ({"selection": "best on test"}, "mix selection rules: best on test, last step"),
        ({"data": {"manifest": "m", "tables": "u", "kind": "rendered"}}, "mix data tables: t, u"),
        ({"method": "TIRG", "run": "copy"}, r"two records of 'TIRG' for one seed: .*copy"),
    ],
)
def test_what_does_not_compare_is_refused(root, changes, message):
    keep(made_up("TIRG"))
    keep(made_up("Image only" if "method" not in changes else "TIRG").model_copy(update=changes))
    with pytest.raises(InputError, match=message):
        tables.finished("dim", "css", "mini", "3d-3d")


def test_variants_of_a_method_stay_out_of_the_tables(root):
    keep(made_up("TIRG"))
    for number, changes in enumerate(
        [{"shuffle_text": True}, {"model": {"embed_dim": 7}}, {"recipe_name": "tirg/css"}]
    ):
        config = configure(method="TIRG", **changes).model_dump(mode="json")
        keep(made_up("TIRG", run=f"variant-{number}", config=config))
    keep(made_up("TIRG", run="mine").model_copy(update={"method": "mine"}))
    found = tables.finished("dim", "css", "mini", "3d-3d")
    assert {method: [r.run for r in rows] for method, rows in found.items()} == {"TIRG": ["tirg-0"]}


def test_cells_of_the_ablation_are_asked_for_by_name(root):
    methods = [ablation_name("part", part) for part in "AB"]
    for method in (*methods, "TIRG + DIM"):
        keep(made_up(method, run=method.lower().replace(" ", "-")))
    assert list(tables.finished("dim", "css", "mini", "3d-3d")) == ["TIRG + DIM"]
    assert list(tables.finished("dim", "css", "mini", "3d-3d", ["TIRG + DIM", *methods[::-1]])) == [
        "TIRG + DIM", *methods[::-1],
    ]  # fmt: skip
    assert list(tables.finished("dim", "css", "mini", "3d-3d", iter(methods))) == methods


def test_what_has_no_record_is_refused_and_has_no_difference():
    with pytest.raises(InputError, match=r"no run of this setting .*cmir grid"):
        tables.means({})
    assert list(tables.against({})) == ["method", "minus", "seeds", *Compared._fields]
    assert tables.over_methods({}) is None
    with pytest.raises(InputError, match="system 'clip' is unknown; allowed: dim, aai, crcgs"):
        tables.finished("clip", "css", "mini", "3d-3d")
