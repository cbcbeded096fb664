"""The table of widths and steps: what DIM adds at each, and what each adds to TIRG + DIM."""

from made_up_records import keep, with_recalls

from cmir_repro.report import tables
from cmir_repro.report.reach import markdown

SETTING = ("css", "mini", "3d-3d")


# Twenty logged steps, of which the last two are the last tenth.
LOG = [{"step": step, "metric": step / 8} for step in range(1, 21)] + [{"step": 20, "val": 1.0}]


def ran(method, ranks, validation, *seeds):
    for seed in seeds:
        share = 100 * sum(rank == 1 for rank in ranks) / len(ranks)
        chosen_by = {"validation": {"val selection": validation}}
        keep(with_recalls(method, seed, (share, share, share), **chosen_by), ranks, LOG)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_size_stands_against_the_same_without_dim_and_against_the_default(root):
    ran("TIRG + DIM", [1, 1, 3, 4], 60.0, 0, 1)
    assert markdown(*SETTING) == tables.NO_RUN
    ran("TIRG", [1, 2, 3, 4], 50.0, 0, 1)
    ran("TIRG + DIM, steps x2", [1, 1, 1, 4], 62.0, 0)
    ran("TIRG, steps x2", [1, 1, 3, 9], 61.0, 0)
    *table, _, told = markdown(*SETTING).splitlines()
    rows = {row[0]: row for row in map(cells, table[2:])}
    assert list(rows) == ["TIRG", "TIRG + DIM", "TIRG, steps x2", "TIRG + DIM, steps x2"]
    assert rows["TIRG"][4] == "2.4375"  # (19 + 20) / 2 / 8
    assert rows["TIRG"][7] == ""
    assert rows["TIRG"][8].startswith("-25.0 [")
    assert rows["TIRG + DIM"][7].startswith("+25.0 [")
    assert rows["TIRG + DIM"][8] == ""
    assert rows["TIRG, steps x2"][7] == ""
    assert rows["TIRG, steps x2"][8].startswith("+0.0 [")
    longer = rows["TIRG + DIM, steps x2"]
    assert (longer[1], longer[5], longer[6]) == ("1", "62.00", "75.0")
    assert all(cell.startswith("+25.0 [") for cell in longer[7:])
    assert told == "Best on validation data: TIRG + DIM, steps x2, with an R@1 of 75.0 on test."


def test_the_best_is_chosen_by_validation_and_not_by_test(root):
    ran("TIRG + DIM", [1, 1, 1, 1], 60.0, 0)
    ran("TIRG + DIM, width x2", [1, 2, 3, 4], 61.0, 0)
    assert markdown(*SETTING).endswith("TIRG + DIM, width x2, with an R@1 of 25.0 on test.")


def test_runs_without_validation_data_choose_nothing(root):
    keep(with_recalls("TIRG + DIM", 0, (50.0, 60.0, 70.0)))
    keep(with_recalls("TIRG + DIM, width x2", 0, (55.0, 60.0, 70.0)))
    last = cells(markdown(*SETTING).splitlines()[-1])
    assert (last[0], last[4:7]) == ("TIRG + DIM, width x2", ["", "", "55.0"])
