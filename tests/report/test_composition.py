"""The audit of a setting's runs pairs seeds, and its figure stands on its numbers."""

import pytest
from made_up_records import keep, with_recalls

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.audit import COMPOSED
from cmir_repro.report import plots, tables
from cmir_repro.report.composition import composition, markdown

SETTING = ("css", "mini", "3d-3d")
RANKS = {
    "Image only": [1, 20, 30, 12],
    "Text only": [50, 2, 60, 70],
    "TIRG": [1, 1, 3, 1],
    "TIRG + DIM": [1, 1, 1, 1],
}


def ran(method, *seeds):
    for seed in seeds:
        keep(with_recalls(method, seed, (1, 2, 3)), RANKS[method])


def test_models_are_compared_over_the_seeds_that_both_have(root):
    ran("Image only", 0)
    ran("Text only", 0, 1)
    ran("TIRG", 0, 1, 2)
    ran("TIRG + DIM", 1, 2)
    found = composition(*SETTING)
    assert found.seeds == 2
    parts = found.parts.set_index(["within", "queries", "metric"])
    row = parts.loc[10, COMPOSED, "R@1"]  # the last two queries
    assert (row["count"], row["recall"], row["other"], row["difference"]) == (2, 50, 100, 50)
    alone = composition(*SETTING, other=None)
    assert alone.seeds == 3
    assert "other" not in alone.parts


def test_what_was_not_run_is_named_with_what_to_type(root):
    ran("Image only", 0)
    ran("TIRG", 0)
    with pytest.raises(InputError, match=r"no run of Text only, TIRG \+ DIM; type: cmir grid dim"):
        composition(*SETTING)
    ran("Text only", 0)
    ran("TIRG + DIM", 1)
    with pytest.raises(InputError, match=r"TIRG and TIRG \+ DIM share no seed"):
        composition(*SETTING)


def test_dots_stand_on_recalls_in_a_panel_a_cutoff(root):
    for method in RANKS:
        ran(method, 0, 1)
    found = composition(*SETTING)
    figure = plots.composition_dots(found.parts, ("TIRG", "TIRG + DIM"), title="Needed?")
    assert [axis.get_title("left") for axis in figure.axes] == [
        "solved: within rank 1", "solved: within rank 10",
    ]  # fmt: skip
    for axis, within in zip(figure.axes, (1, 10), strict=True):
        rows = found.parts[(found.parts["within"] == within) & (found.parts["metric"] == "R@1")]
        first, second = axis.get_lines()
        assert list(first.get_xdata()) == list(rows["recall"])
        assert list(second.get_xdata()) == list(rows["other"])
    labels = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert labels[-1] == "need composition\n(2)"
    alone = plots.composition_dots(composition(*SETTING, other=None).parts)
    assert len(alone.axes[0].get_lines()) == 1
    with pytest.raises(InputError, match=r"the parts with R@5 has no rows"):
        plots.composition_dots(found.parts, metric="R@5")


def test_the_page_says_shares_recalls_and_the_verdict(root):
    for method in RANKS:
        assert markdown(*SETTING) == tables.NO_RUN
        ran(method, 0, 1)
    lines = markdown(*SETTING).splitlines()
    # Within 10 image only solves the first query and text only the second.
    assert "| neither: needs composition | 50.0 [0.0, 100.0] | 50.0 |" in "\n".join(lines)
    rows = [line for line in lines if line.startswith("| need composition | 2 |")]
    assert "| 50.0 [0.0, 100.0] | 100.0 [100.0, 100.0] | +50.0 [-48.0, +148.0] |" in rows[0]
    assert rows[0].endswith("| no detectable difference from TIRG |")
