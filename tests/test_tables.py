"""Tables say what the records say, worked out by hand, and refuse what does not compare."""

import math

import pytest
from test_ledger import keep, made_up

from cmir_repro import paths, published, tables
from cmir_repro.errors import InputError
from cmir_repro.protocol import preset


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
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
    parts = [
        f"<!-- table: {name} -->\n{table}\n<!-- end of table -->" for name in tables.README_TABLES
    ]
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


def test_markdown_has_a_row_a_method_and_says_unknown(three_seeds):
    lines = tables.markdown(three_seeds, "3d-3d").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    assert {len(row) for row in cells} == {8}
    assert [row[0] for row in cells[2:]] == ["Image only", "TIRG", "*chance*"]
    image, tirg, chance = cells[2:]
    assert image[1:5] == ["1", "6.0", "28.0", "56.0"]
    assert image[5].startswith("-50.0 [")
    assert image[6:] == ["unknown", "30"]
    assert tirg[2] == "63.0 [55.5, 70.5]"
    assert tirg[5:] == ["", "73.7 / 76.0", "12"]
    assert chance[2:5] == ["0.10", "0.50", "1.00"]
    text = "\n".join(lines)
    for words in (
        "4 queries, gallery of 9",
        "`tirg/css`",
        "rendered",
        "last step",
        "2 cores of a c",
    ):
        assert words in text
    assert tables.markdown({}, "3d-3d") == "No run of this setting is in the ledger yet."


def test_published_numbers_carry_their_source():
    assert published.css_r1("TIRG", "2d-3d") == "46.6"
    assert published.css_r1("TIRG + DIM", "3d-3d") == "unknown"
    assert published.css_r1("TIRG", "2d-2d") == "unknown"
    assert all(p.source and p.value > 0 for numbers in published.CSS_R1.values() for p in numbers)
    assert len(published.sources("3d-3d")) == 2
    assert all(": " in line and "README" in line for line in published.sources("3d-3d"))


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


def test_readme_is_filled_checked_and_left_alone(three_seeds, root, capsys):
    file = root / "README.md"
    file.write_text(readme())
    assert tables.main(["--check"]) == 1
    assert "python -m cmir_repro.tables" in capsys.readouterr().out
    assert file.read_text() == readme()
    assert tables.main([]) == 0
    text = file.read_text()
    assert "| TIRG | 3 | 63.0 [55.5, 70.5] |" in text
    assert text.count("No run of this setting") == len(tables.README_TABLES) - 1
    assert text.startswith("Before\n")
    assert text.endswith("\nafter\n")
    assert tables.main(["--check"]) == 0
    file.write_text(text.replace("63.0", "64.0"))
    assert tables.main(["--check"]) == 1


def test_a_missing_marker_is_named(root, capsys):
    (root / "README.md").write_text(readme().replace("<!-- table: css-paper-2d-3d -->", ""))
    assert tables.main([]) == 2
    assert "error: README.md lacks the markers <!-- table: css-paper-2d-3d -->" in (
        capsys.readouterr().err
    )


def test_the_readme_shows_every_table_once():
    text = (paths.REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name in tables.README_TABLES:
        assert text.count(f"<!-- table: {name} -->") == 1
    assert text.count("<!-- end of table -->") == len(tables.README_TABLES)
