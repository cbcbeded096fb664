"""The table of protocols names every preset, once, with the command that scores it."""

from cmir_repro.core import paths
from cmir_repro.core.protocol import ALIASES, PRESETS
from cmir_repro.core.scorers import SCORERS
from cmir_repro.report import pages
from cmir_repro.report.protocols import markdown


def test_every_preset_has_a_row_with_its_command():
    rows = [line.split(" | ") for line in markdown().splitlines()[2:]]
    assert len(rows) == len(PRESETS)
    for row, (name, protocol) in zip(rows, PRESETS.items(), strict=True):
        assert len(row) == 6
        assert f"`{name}`" in row[0]
        assert row[1] == f"`{SCORERS[protocol.scorer]}`"
    for alias in ALIASES:
        assert markdown().count(f"`{alias}`") == 1


def test_what_is_measured_is_said():
    text = markdown()
    for words in ("R_s@1/2/3", "RSUM, mean of 5 folds", "MAP@all, MAP@queries", "mAP@5, mAP@10"):
        assert words in text


def test_the_page_shows_this_table():
    page = (paths.checkout() / pages.BENCHMARKS).read_text(encoding="utf-8")
    assert f"{pages.START.format('protocols')}\n{markdown()}\n{pages.STOP}" in page
