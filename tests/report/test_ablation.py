"""The table of the ablation: each change against TIRG and against TIRG + DIM, where both ran."""

from made_up_records import keep, with_recalls

from cmir_repro.report import tables
from cmir_repro.report.ablation import markdown

SETTING = ("css", "mini", "3d-3d")


def ran(method, ranks, *seeds):
    for seed in seeds:
        share = 100 * sum(rank == 1 for rank in ranks) / len(ranks)
        keep(with_recalls(method, seed, (share, share, share)), ranks)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_change_stands_against_both_methods(root):
    ran("TIRG", [1, 1, 3, 4], 0, 1)
    ran("TIRG + DIM", [1, 1, 1, 1], 0, 1)
    assert markdown(*SETTING) == tables.NO_RUN
    ran("TIRG + DIM, part A", [1, 1, 1, 9], 0)
    plain, default, changed = (cells(line) for line in markdown(*SETTING).splitlines()[2:])
    assert [row[0] for row in (plain, default, changed)] == [
        "TIRG", "TIRG + DIM", "TIRG + DIM, part A",
    ]  # fmt: skip
    assert plain[1:3] == ["2", "50.0 [50.0, 50.0]"]
    assert plain[3:] == ["", ""]
    assert default[3].startswith("+50.0 [")
    assert default[4] == ""
    assert changed[1:3] == ["1", "75.0"]
    assert changed[3].startswith("+25.0 [")
    assert changed[4].startswith("-25.0 [")
    assert all(cell.endswith("(1 seed: queries only)") for cell in changed[3:])


def test_a_change_that_shares_no_seed_has_no_difference(root):
    ran("TIRG", [1, 1, 3, 4], 0)
    ran("TIRG + DIM", [1, 1, 1, 1], 0)
    ran("TIRG + DIM, part A", [1, 1, 1, 9], 1)
    changed = cells(markdown(*SETTING).splitlines()[-1])
    assert changed[2:] == ["75.0", "", ""]
