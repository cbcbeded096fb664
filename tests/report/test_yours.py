"""The user's tables hold the user's rows beside the committed ones, and say whose is whose."""

import pytest
from made_up_records import keep, made_up

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.experiments import ledger, own
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.report import tables, yours

SETTING = ("dim", "css", "mini", "3d-3d")


@pytest.fixture
def ledgers(monkeypatch, tmp_path):
    """Two seeds of TIRG are committed; what is kept from then on is the user's."""
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "committed"))
    for seed in (0, 1):
        keep(made_up("TIRG", seed))
    monkeypatch.setenv("CMIR_COMMITTED", str(tmp_path / "committed"))
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "home" / "results"))


def rows():
    return yours.table(*SETTING).set_index("method")["seeds"].to_dict()


def test_committed_methods_come_first_and_the_users_are_marked(ledgers):
    assert rows() == {"TIRG": 2}
    keep(made_up("TIRG", 7))
    assert list(rows().items()) == [("TIRG", 2), ("TIRG (yours)", 1)]


def test_a_registered_method_and_recorded_features_are_rows(ledgers):
    own.register_method("dim", "Wide", {"compositor": "tirg", "embed_dim": 256})
    keep(made_up("Wide", 3, config=configure(method="Wide", seed=3).model_dump(mode="json")))
    keep(made_up("Features of mine", 0, config={}, kind="features", hardware={}))
    assert rows() == {"TIRG": 2, "Wide (yours)": 1, "Features of mine (yours)": 1}


def test_runs_with_settings_of_ones_own_are_rows_that_say_which(ledgers):
    short = {"steps": 4, "evaluate_every": 2}
    for seed in (0, 1):
        config = configure(seed=seed, method="TIRG", training=short).model_dump(mode="json")
        keep(made_up("TIRG", seed, run=f"short-{seed}", config=config))
    config = configure(method="Wide", model={"embed_dim": 256}).model_dump(mode="json")
    keep(made_up("Wide", 0, config=config))
    keep(made_up("TIRG", 7))
    assert rows() == {
        "TIRG": 2,
        "TIRG, train.evaluate_every=2, train.steps=4 (yours)": 2,
        "Wide (yours)": 1,
        "TIRG (yours)": 1,
    }


def test_cells_are_means_with_intervals_over_seeds(ledgers):
    (row,) = yours.table(*SETTING).to_dict("records")
    assert row["R@1"] == "50.0 [50.0, 50.0]"
    keep(made_up("TIRG", 7))
    assert yours.table(*SETTING)["R@1"].tolist()[1] == "50.0"


def test_another_protocol_is_refused(ledgers):
    other = {**made_up().result, "protocol": preset("own/target").as_dict()}
    keep(made_up("TIRG", 7, result=other))
    with pytest.raises(InputError, match="own/target"):
        yours.table(*SETTING)


def test_the_page_has_a_section_a_setting_and_says_whether_numbers_agree(ledgers):
    assert "Your ledger is empty" in yours.write().read_text()
    keep(made_up("TIRG", 7))
    other = configure(task="2d-3d", seed=7).model_dump(mode="json")
    keep(made_up("TIRG", 7, task="2d-3d", run="other", config=other))
    text = yours.write().read_text()
    assert yours.settings() == [("dim", "css", "mini", "2d-3d"), SETTING]
    assert "## dim: css, 3d-3d, scale mini" in text
    assert "| TIRG (yours)" in text
    assert "agrees" in text


def test_a_table_is_of_the_committed_ledger_and_of_the_users_where_that_has_nothing(ledgers):
    keep(made_up("TIRG", 0, finished="2026-02-02"))
    other = configure(task="2d-3d", seed=7).model_dump(mode="json")
    keep(made_up("TIRG", 7, task="2d-3d", run="other", config=other))
    shown = {
        task: tables.finished("dim", "css", "mini", task)["TIRG"] for task in ("3d-3d", "2d-3d")
    }
    assert [(r.seed, r.origin) for r in shown["3d-3d"]] == [(0, "committed"), (1, "committed")]
    assert [(r.seed, r.origin) for r in shown["2d-3d"]] == [(7, "own")]


def test_every_setting_of_the_committed_ledger_makes_a_table(monkeypatch, tmp_path):
    """Baselines of codes, say, name another protocol than the methods beside them."""
    monkeypatch.delenv("CMIR_COMMITTED", raising=False)  # the repository's own
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    found = ledger.records(ledger.COMMITTED)
    settings = {(r.system, r.dataset, r.scale, r.task) for r in found}
    assert {system for system, *_ in settings} == {"dim", "aai", "crcgs"}
    for setting in settings:
        rows = yours.table(*setting)
        named = {r.method for r in found if (r.system, r.dataset, r.scale, r.task) == setting}
        assert set(rows["method"]) <= named
        assert len(rows)
