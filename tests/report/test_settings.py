"""The table of a search says what the logs say, best first, and nothing of test data."""

import pytest
from made_up_records import keep, made_up, with_recalls

from cmir_repro.core.errors import InputError
from cmir_repro.experiments import identity, ledger, versions
from cmir_repro.experiments.presets.dim import SEARCH, configure
from cmir_repro.report import settings

HERE = ("dim", "css", "mini", "3d-3d")


def log(*figures):
    """Rows of a log: a validation every ten steps, of which R@1 is ten less than the figure."""
    rows = [{"step": 10, "loss": 1.0}]
    return rows + [
        {"step": 10 * n, "val R@1": x - 10, "val selection": x} for n, x in enumerate(figures, 1)
    ]


def facts(method, seed, **changes):
    config = configure(method=method, seed=seed)
    return {
        "run": identity.name(config),
        "config": config.model_dump(mode="json"),
        "versions": versions.used(config),
        **changes,
    }


def tried(method, seed, figures, **changes):
    """A candidate that was searched."""
    found = facts(method, seed, kind="search", result={"validation": {}}, **changes)
    record = made_up(method, seed, **{**found, "run": identity.searched(found["run"])})
    ledger.save(record, None, log(*figures))


def test_candidates_stand_best_first_with_means_over_their_seeds(root):
    for seed in (0, 1):  # the tables' own: a run, not searched
        record = with_recalls("TIRG + DIM", seed, (1, 2, 3), **facts("TIRG + DIM", seed))
        keep(record, log=log(60.0 + seed, 70.0 + seed, 69.0))
    tried("TIRG + DIM, steps x2", 0, [50.0, 80.0, 90.0], cpu_seconds=7200.0)
    tried("TIRG + DIM, rate 4e-3", 1, [72.0, 10.0])
    found = settings.table("dim", scale="mini")
    assert found["setting"].tolist() == [
        "TIRG + DIM, steps x2", "TIRG + DIM, rate 4e-3", "TIRG + DIM",
    ]  # fmt: skip
    assert found["seeds"].tolist() == ["0", "1", "0, 1"]
    assert found["best"].tolist() == [90, 72, 70.5]
    assert found["step"].tolist() == [30, 10, 20]
    assert found["last"].tolist() == [90, 10, 69]
    assert found["R@1"].tolist() == [80, 62, 60.5]
    assert found["difference"].tolist()[:2] == [20, 1]  # of the seed that both have
    assert found["hours"].tolist()[0] == 2
    assert found["hours"].isna().tolist() == [False, True, True]
    left = settings.untried("dim", scale="mini")
    assert left[0] == "TIRG + DIM, width x2, steps x2"
    assert len(left) == len(SEARCH) - 3


def test_the_page_has_the_same_and_names_what_is_left(root):
    assert settings.markdown(*HERE) == (
        "Nothing was tried yet; type: cmir grid dim --search --scale mini"
    )
    tried("TIRG + DIM, steps x2", 0, [50.0, 90.0], cpu_seconds=7200.0)
    text = settings.markdown(*HERE)
    assert "| TIRG + DIM, steps x2 | 0 | 90.00 | 20 | 90.00 |  | 80.00 | 2.00 |" in text
    assert "Not tried yet: TIRG + DIM; TIRG + DIM, width x2, steps x2; " in text
    assert "on validation data" in text


def test_curves_are_the_validations_of_the_settings_that_were_tried(root):
    names = ["TIRG + DIM, steps x2", "TIRG + DIM, width x2", "TIRG"]
    assert settings.curves(names, "R@1", scale="mini").empty
    tried("TIRG", 1, [50.0, 60.0])
    tried("TIRG + DIM, steps x2", 0, [50.0, 90.0])
    found = settings.curves(names, "R@1", scale="mini")
    assert found.to_dict("list") == {
        "setting": ["TIRG + DIM, steps x2"] * 2 + ["TIRG"] * 2,
        "seed": [0, 0, 1, 1],
        "step": [10, 20, 10, 20],
        "value": [40, 80, 40, 50],
    }


def test_another_version_is_not_tried(root):
    tried("TIRG + DIM, steps x2", 0, [50.0], versions={"data": 0})
    assert settings.table("dim", scale="mini").empty


def test_whether_validation_predicts_test_is_a_rank_correlation(root):
    for seed in range(4):
        for n, method in enumerate(("TIRG", "FiLM")):
            r1 = 10.0 * seed + n
            validation = {"val selection": r1 + (20 if r1 == 0 else 0)}  # one out of order
            keep(with_recalls(method, seed, (r1, 90, 99), **facts(method, seed),
                              validation=validation))  # fmt: skip
    said = settings.predicts(*HERE)
    assert "`mini`, R@1 on test against the validation figure" in said
    assert " over 8 runs of the tables; 4 runs that a search tries say nothing yet." in said
    rho = float(said.partition("(Spearman): ")[2].split()[0])
    assert 0.5 < rho < 1


def test_an_unknown_system_is_one_line(root):
    with pytest.raises(InputError, match="system 'dum' is unknown"):
        settings.table("dum")
