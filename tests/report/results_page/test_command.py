"""`cmir report`: where the page goes, or a line that says why there is none."""

from typer.testing import CliRunner

from cmir_repro import cli
from cmir_repro.core import paths
from cmir_repro.report import results_page


def test_it_writes_one_page_or_says_in_a_line_why_not(monkeypatch, tmp_path):
    for name in ("DATA", "RUNS", "RESULTS", "FIGURES"):
        monkeypatch.delenv(f"CMIR_{name}", raising=False)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CMIR_COMMITTED", "")
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(cli.app, ["report"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: no ledger holds a run yet")
    monkeypatch.setattr(results_page, "write", lambda out: out or paths.home() / "results.html")
    assert CliRunner().invoke(cli.app, ["report"]).stdout == "home/results.html\n"
    out = str(tmp_path / "a.html")
    assert CliRunner().invoke(cli.app, ["report", "--out", out]).stdout == "a.html\n"
