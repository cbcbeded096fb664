"""Tables say what the records say, worked out by hand, and refuse what does not compare."""

import math

import pytest
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.experiments.presets.dim import ablation_name
from cmir_repro.report import tables


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    return tmp_path


def with_recalls(method, seed, values, **changes):
    record = made_up(method, seed)
    metrics = {
        f"R@{k}": {"value": v, "low": v - 5, "high": v + 5, "chance": k / 10}
        for k, v in zip((1, 5, 10), values, strict=True)
    }
    return record.model_copy(update={"result": {**record.result, "metrics": metrics}, **changes})


@pytest.fixture
def three_seeds(root):
    """TIRG over three seeds, image only over one; ranks of four queries."""
    for seed, (r1, ranks) in enumerate(
        [(60, [1, 1, 2, 3]), (63, [1, 1, 1, 5]), (66, [1, 2, 2, 9])]
    ):
        keep(with_recalls("TIRG", seed, (r1, 90, 99 + seed / 2)), ranks)
    keep(with_recalls("Image only", 1, (6, 28, 56), seconds=30.0), [4, 1, 8, 9])
    return tables.finished("css", "mini", "3d-3d")


def readme(table=""):
    parts = [f"<!-- table: {name} -->\n{table}\n<!-- end of table -->" for name in tables.MARKERS]
    return "Before\n" + "\nbetween\n".join(parts) + "\nafter\n"


def test_means_over_seeds_come_with_the_t_interval(three_seeds):
    found = tables.recall_table(three_seeds).set_index(["method", "metric"])
    row = found.loc[("TIRG", "R@1")]
    half = 4.302653 * 3 / math.sqrt(3)  # t of 2 degrees of freedom; the three deviate by 3
    assert (row["mean"], row["seeds"]) == (63, 3)
    assert [row["low"], row["high"]] == pytest.approx([63 - half, 63 + half])
    one = found.loc[("Image only", "R@5")]
    assert one["mean"] == 28
    assert math.isnan(one["low"])
    assert one["chance"] == 0.5


def test_wide_cells_hold_mean_and_interval_within_0_and_100(three_seeds):
    found = tables.wide(tables.recall_table(three_seeds))
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
        tables.against(tables.finished("css", "mini", "3d-3d"))


def test_differences_are_taken_from_a_reference_a_method(root):
    ranks = {"TIRG": [1, 2, 2, 2], "MRN": [2, 2, 2, 2], "TIRG + DIM": [1, 1, 1, 2]}
    for method in (*ranks, "FiLM + DIM"):
        for seed in (0, 1):
            keep(with_recalls(method, seed, (1, 2, 3)), ranks.get(method, [1, 1, 1, 1]))
    found = tables.finished("css", "mini", "3d-3d")
    pairs = tables.with_and_without(found)
    assert pairs == {"TIRG + DIM": "TIRG", "FiLM + DIM": "FiLM"}
    rows = tables.against(found, pairs)
    # FiLM alone is not there, so there is nothing to compare with.
    assert rows[["method", "minus", "difference", "seeds"]].values.tolist() == [
        ["TIRG + DIM", "TIRG", 50, 2]
    ]
    rows = tables.against(found, "MRN").set_index("method")["difference"]
    assert rows.to_dict() == {"TIRG": 25, "TIRG + DIM": 75, "FiLM + DIM": 100}
    assert tables.against(found, {}).empty


def rows_of(text):
    """The cells of a Markdown table's rows, without the rule below its head."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {9}
    assert rows[1] == ["---"] * 9
    return [[cell.strip() for cell in row] for row in (rows[0], *rows[2:])]


def test_markdown_has_a_row_a_method_with_and_without_dim(three_seeds):
    for seed in (0, 1):
        keep(with_recalls("TIRG + DIM", seed, (70, 91, 99), seconds=95.0), [1, 1, 1, 1])
    keep(with_recalls("FiLM", 0, (50, 80, 90)), [1, 1, 5, 5])
    keep(with_recalls("FiLM + DIM", 0, (55, 82, 92)), [1, 1, 1, 5])
    text = tables.markdown(tables.finished("css", "mini", "3d-3d"), "css", "3d-3d")
    head, image, film, tirg, chance = rows_of(text)
    assert head == [
        "method", "seeds", "R@1", "R@5", "R@10", "R@1 with DIM", "DIM minus without",
        "published R@1", "why they may differ",
    ]  # fmt: skip
    why = "No source with its number could be read."
    assert image == ["Image only", "1", "6.0", "28.0", "56.0", "", "", "unknown", why]
    assert film[:6] == ["FiLM", "1", "50.0", "80.0", "90.0", "55.0"]
    assert film[6].startswith("+25.0 [+0.0, ")
    assert tirg[:3] == ["TIRG", "3", "63.0 [55.5, 70.5]"]
    assert tirg[5] == "70.0 [70.0, 70.0] (2 seeds)"
    # Seeds 0 and 1: hits 1 1 .5 0 against 1 1 1 1.
    assert tirg[6].startswith("+37.5 [")
    assert tirg[7] == "73.7 / 76.0"
    assert "160,000 steps on the released Blender pictures" in tirg[8]
    assert chance == ["*chance*", "", "0.10", "0.50", "1.00", "", "", "", ""]
    below = text.partition("*chance*")[2]
    for words in (
        "4 queries, gallery of 9",
        "`tirg/css`",
        "pictures: rendered",
        "selection: last step",
        "took 12 to 95 s",
        "2 cores of a chip.",
        "Published, on the released pictures: TIRG 73.7: ",
    ):
        assert words in below


def test_markdown_of_photographs_claims_no_published_number(root):
    config = tables.configure("photos", method="TIRG").model_dump(mode="json")
    keep(with_recalls("TIRG", 0, (60, 90, 99), dataset="photos", task="photo", config=config))
    found = tables.finished("photos", "mini", "photo")
    text = tables.markdown(found, "photos", "photo")
    tirg = rows_of(text)[1]
    assert tirg[:3] == ["TIRG", "1", "60.0"]
    assert tirg[5:8] == ["", "", "none: data of our own"]
    assert tirg[8] == "Nobody else has measured on these pictures and queries."
    assert "Published" not in text


def test_markdown_without_a_run_says_so():
    assert tables.markdown({}, "css", "3d-3d") == "No run of this setting is in the ledger yet."


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
        tables.finished("css", "mini", "3d-3d")


def test_variants_of_a_method_stay_out_of_the_tables(root):
    keep(made_up("TIRG"))
    for number, changes in enumerate(
        [{"shuffle_text": True}, {"model": {"embed_dim": 7}}, {"recipe_name": "tirg/css"}]
    ):
        config = tables.configure(method="TIRG", **changes).model_dump(mode="json")
        keep(made_up("TIRG", run=f"variant-{number}", config=config))
    keep(made_up("TIRG", run="mine").model_copy(update={"method": "mine"}))
    found = tables.finished("css", "mini", "3d-3d")
    assert {method: [r.run for r in rows] for method, rows in found.items()} == {"TIRG": ["tirg-0"]}


def test_cells_of_the_ablation_are_asked_for_by_name(root):
    methods = [ablation_name("part", part) for part in "AB"]
    for method in (*methods, "TIRG + DIM"):
        keep(made_up(method, run=method.lower().replace(" ", "-")))
    assert list(tables.finished("css", "mini", "3d-3d")) == ["TIRG + DIM"]
    assert list(tables.finished("css", "mini", "3d-3d", ["TIRG + DIM", *methods[::-1]])) == [
        "TIRG + DIM", *methods[::-1],
    ]  # fmt: skip
    assert list(tables.finished("css", "mini", "3d-3d", iter(methods))) == methods


def test_readme_is_filled_checked_and_left_alone(three_seeds, root):
    file = root / "README.md"
    file.write_text(readme())
    assert not tables.agree()
    assert file.read_text() == readme()
    assert tables.write() == file
    text = file.read_text()
    assert "| TIRG | 3 | 63.0 [55.5, 70.5] |" in text
    settings = (tables.README_TABLES, tables.AAI_TABLES, tables.CRCGS_TABLES)
    empty = sum(map(len, settings)) - 1
    assert text.count("No run of this setting") == empty
    assert text.startswith("Before\n")
    assert text.endswith("\nafter\n")
    assert tables.agree()
    file.write_text(text.replace("63.0", "64.0"))
    assert not tables.agree()


def test_a_missing_marker_is_named(root):
    (root / "README.md").write_text(readme().replace("<!-- table: css-paper-2d-3d -->", ""))
    with pytest.raises(InputError, match="lacks the markers <!-- table: css-paper-2d-3d -->"):
        tables.write()


def test_without_a_checkout_there_is_no_readme(root, monkeypatch):
    monkeypatch.setattr(paths, "checkout", lambda: None)
    with pytest.raises(InputError, match=r"no README\.md here"):
        tables.agree()


def test_the_overview_counts_seeds_and_says_what_does_not_fit(three_seeds):
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in tables.overview().splitlines())
    }
    titles = [cell.partition("<br>")[0] for cell in rows["method"]]
    tirg = dict(zip(titles, rows["TIRG"], strict=True))
    assert tirg["CSS 3D"] == "3 + 0"
    assert tirg["CSS 2D-3D"] == tirg["MIT-States"] == "trains"
    assert tirg["FashionIQ"] == tirg["CIRR"] == "trains"
    assert dict(zip(titles, rows["Image only"], strict=True))["CSS 3D"] == "1"
    operator = dict(zip(titles, rows["Attribute as operator"], strict=True))
    assert operator["MIT-States"] == "trains"
    assert operator["CSS 3D"] == operator["FashionIQ"] == "–"


def test_the_overview_names_the_protocol_that_runs_are_scored_by():
    """What evaluate implements: one gallery, one query each, nothing left unmeasured."""
    for column in tables.COLUMNS:
        protocol = preset(column.protocol)
        assert protocol.aggregate == "mean over queries"
        assert protocol.captions is protocol.subset_cutoffs is None
        assert set(tables.CUTOFFS) <= set(protocol.cutoffs)
        assert column.task in ("photo", "3d-3d", "2d-3d")


def test_the_readme_shows_every_table_once():
    text = (paths.checkout() / "README.md").read_text(encoding="utf-8")
    for name in tables.MARKERS:
        assert text.count(f"<!-- table: {name} -->") == 1
    assert text.count("<!-- end of table -->") == len(tables.MARKERS)
