"""Rows without training stand beside the trained ones, and these are compared with them."""

import pytest
from made_up_records import keep, with_recalls

from cmir_repro.core.errors import InputError
from cmir_repro.experiments import versions
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.report import tables, untrained


def plain(method, values, ranks, **changes):
    """A record of `cmir baselines` that nobody made."""
    made = versions.scored(configure()) | {"training-free": 1}
    facts = {"kind": "features", "config": {}, "versions": made, "steps": None, "seconds": None}
    facts |= {"method": f"{method} of towers, untrained", "run": f"{method.split()[0]}-untrained"}
    record = with_recalls("TIRG", 0, values)
    return keep(record.model_copy(update=facts | changes), ranks)


@pytest.fixture
def table(root):
    for seed in (0, 1):
        keep(with_recalls("TIRG", seed, (75, 90, 99)), [1, 1, 1, 7])
    plain("Image", (25, 30, 40), [1, 2, 2, 2])
    plain("Weighted sum", (50, 60, 70), [1, 1, 2, 2], validation={"weight": 0.35, "selection": 9.0})
    return tables.markdown("dim", "css", "mini", "3d-3d")


def test_they_are_rows_with_what_was_chosen_and_intervals_over_queries(table):
    image = "| Image of towers, untrained | – | nothing to choose | 25.0 [20.0, 30.0] | 30.0 [25.0,"
    weighted = "| Weighted sum of towers, untrained | – | validation (text weighs 0.35) | 50.0 [45"
    rows = table.splitlines()
    assert sum(row.startswith(image) for row in rows) == 1
    assert sum(row.startswith(weighted) for row in rows) == 1
    widths = {row.count("|") for row in rows[: rows.index("")]}
    assert len(widths) == 1
    assert "Rows *untrained* compose the vectors of two towers" in table


def test_the_trained_method_is_compared_with_the_weighted_sum(table):
    (row,) = [
        row for row in table.splitlines() if row.startswith("| TIRG | ") and "untrained" in row
    ]
    assert "| Weighted sum of towers, untrained | 2 | +25.0 [" in row


@pytest.mark.parametrize(
    ("task", "scale", "said", "unsaid"),
    [
        ("3d-3d", "mini", "trained at scale `mini` on 3D", "2D picture"),
        ("2d-3d", "mini", "never saw a 2D picture", "smaller world"),
        ("3d-3d", "full", "a smaller world than the one", "2D picture"),
    ],
)
def test_what_the_towers_of_the_committed_rows_saw_is_said(root, task, scale, said, unsaid):
    record = keep(with_recalls("TIRG", 0, (75, 90, 99)))
    method = "Sum of AAI's towers, untrained"
    found = [record.model_copy(update={"method": method, "task": task, "scale": scale})]
    (text,) = untrained.below(found)[1:]
    assert "Rows *untrained* compose" in text
    assert said in text
    assert unsaid not in text
    others = [record.model_copy(update={"method": "Sum of CLIP, untrained"})]
    assert "css/aai-mini" not in untrained.below(others)[1]


def test_a_table_without_such_records_says_nothing_of_them(root):
    keep(with_recalls("TIRG", 0, (75, 90, 99)))
    assert "untrained" not in tables.markdown("dim", "css", "mini", "3d-3d")


def test_rows_of_other_data_are_refused(root):
    record = keep(with_recalls("TIRG", 0, (75, 90, 99)))
    plain("Sum", (50, 60, 70), [1, 1, 2, 2], data=record.data | {"tables": "other"})
    with pytest.raises(InputError, match="one table would mix data tables: other, t"):
        tables.markdown("dim", "css", "mini", "3d-3d")


def test_features_that_somebody_recorded_are_no_such_row(root):
    record = keep(with_recalls("TIRG", 0, (75, 90, 99)))
    plain("Mine", (50, 60, 70), [1, 1, 2, 2], versions=versions.scored(configure()))
    assert untrained.records([record]) == []
