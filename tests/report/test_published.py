"""Published numbers come with their source, and only where somebody measured the same thing."""

import pytest

from cmir_repro.experiments.presets.dim import METHODS
from cmir_repro.report import published

NONE = "none: data of our own"


@pytest.mark.parametrize(
    ("method", "dataset", "task", "shown"),
    [
        ("TIRG", "css", "3d-3d", "73.7 / 76.0"),
        ("TIRG", "css-released", "2d-3d", "46.6"),
        ("TIRG", "css", "2d-2d", "unknown"),
        ("TIRG + DIM", "css", "3d-3d", "unknown"),
        ("TIRG", "photos", "3d-3d", NONE),
        ("FiLM", "photos", "photo", NONE),
    ],
)
def test_a_number_is_shown_or_said_to_be_unknown(method, dataset, task, shown):
    assert published.r1(method, dataset, task) == shown


def test_every_number_has_a_source_and_a_method_of_the_tables():
    for (method, task), numbers in published.CSS_R1.items():
        assert method in METHODS
        assert task in ("3d-3d", "2d-3d")
        assert all(0 < p.value < 100 and p.source for p in numbers)


@pytest.mark.parametrize("dataset", ["css", "css-released", "photos"])
@pytest.mark.parametrize("task", ["3d-3d", "2d-3d", "photo"])
def test_a_line_a_number_is_listed_below_a_table_that_shows_it(dataset, task):
    lines = published.sources(dataset, task)
    shown = [published.r1(method, dataset, task) for method in METHODS]
    numbers = [n for cell in shown if cell not in (NONE, "unknown") for n in cell.split(" / ")]
    assert [line.split(":")[0] for line in lines] == [f"TIRG {n}" for n in numbers]
    assert all("README" in line for line in lines)


def test_each_row_says_in_one_sentence_why_numbers_may_differ():
    found = {
        published.why(method, dataset, "3d-3d")
        for method in METHODS
        for dataset in ("css", "photos")
    }
    assert len(found) == 3
    for text in found:
        assert text.endswith(".")
        assert text.count(". ") == 0
        assert "|" not in text  # would break the table
