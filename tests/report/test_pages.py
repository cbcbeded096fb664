"""Pages show what the committed ledger says, and what of them is typed by hand stays."""

import pytest
from made_up_records import keep, made_up, made_up_run

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.report import pages

NO_RUN = "No run of this setting"


def marked(*names, table=""):
    return "\nbetween\n".join(f"<!-- table: {n} -->\n{table}\n<!-- end of table -->" for n in names)


@pytest.fixture
def root(monkeypatch, tmp_path):
    """A repository of README.md and one page, whose ledger holds TIRG over three seeds."""
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "results"))
    for seed in range(3):
        metrics = {
            f"R@{k}": {"value": 60.0 + 3 * seed, "low": 50, "high": 70, "chance": 0.5}
            for k in (1, 5, 10)
        }
        record = made_up("TIRG", seed)
        keep(record.model_copy(update={"result": {**record.result, "metrics": metrics}}))
    monkeypatch.setenv("CMIR_COMMITTED", str(tmp_path / "results"))
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "own"))
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"Before\n{marked('summary')}\nafter\n")
    page = tmp_path / "docs" / "results" / "composed.md"
    page.write_text(f"# A page\n{marked('css-mini-3d-3d', 'css-paper-3d-3d')}\n")
    return tmp_path


def test_pages_are_checked_written_and_left_alone(root):
    readme, page = root / "README.md", root / "docs" / "results" / "composed.md"
    assert pages.check() == [readme, page]
    assert NO_RUN not in page.read_text()
    assert pages.write() == [readme, page]
    assert pages.check() == pages.write() == []
    text = page.read_text()
    assert text.startswith("# A page\n<!-- table: css-mini-3d-3d -->\n| method |")
    assert "| TIRG | 3 | last step | 63.0 [55.5, 70.5] |" in text
    assert text.count(NO_RUN) == 1
    assert text.count("\nbetween\n") == 1
    assert readme.read_text().startswith("Before\n<!-- table: summary -->\n|")
    assert readme.read_text().endswith("\n<!-- end of table -->\nafter\n")
    page.write_text(text.replace("63.0", "64.0"))
    assert pages.check() == [page]
    assert "docs/results/composed.md; type: cmir tables --pages" in pages.complaint([page])


def test_the_summary_says_what_is_known_and_what_was_not_run(root, monkeypatch):
    rows = pages.TABLES["summary"]().splitlines()[2:]
    assert len(rows) == 6
    tirg = next(row for row in rows if "| TIRG |" in row)
    # One of four queries, in each seed: 25 -+ 1.96 * 50 / sqrt(4).
    assert "| 3 | last step | 25.0 [-24.0, 74.0] |" in tirg
    assert sum("| 0 |  | no run yet |" in row for row in rows) == 5
    assert sum("| `mini` |" in row for row in rows) == 1  # where nothing was run, the largest
    monkeypatch.setenv("CMIR_RESULTS", str(root / "results"))
    for seed in (0, 1, 2):
        for method in ("TIRG", "TIRG + DIM"):  # three seeds where mini has no pair
            configuration = configure(method=method, scale="full", seed=seed)
            keep(made_up_run(configuration, made_up().result))
    rows = pages.TABLES["summary"]().splitlines()[2:]
    assert sum("| `full` |" in row for row in rows) == 3
    assert sum("| 3 | last step |" in row for row in rows) == 2


def test_the_pages_do_not_show_a_users_runs(root):
    pages.write()
    keep(made_up("Image only"))
    assert pages.check() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- table: nothing -->\n<!-- end of table -->", "table 'nothing' is unknown; allowed:"),
        ("<!-- table: overview -->", "p.md: table overview is not ended"),
        (f"<!-- table: overview -->\n{marked('summary')}", "p.md: table overview is not ended"),
        ("text\n<!-- end of table -->", "p.md: <!-- end of table --> ends no table"),
    ],
)
def test_wrong_markers_are_named(text, said):
    with pytest.raises(InputError, match=said):
        pages.filled(text, "p.md")


def test_without_a_checkout_there_are_no_pages(root, monkeypatch):
    monkeypatch.setattr(paths, "checkout", lambda: None)
    with pytest.raises(InputError, match="there are no pages here"):
        pages.check()


def test_every_table_stands_on_one_page():
    text = "".join(page.read_text(encoding="utf-8") for page in pages.files())
    for name in pages.TABLES:
        assert text.count(pages.START.format(name)) == 1
    assert text.count(pages.STOP) == len(pages.TABLES)
