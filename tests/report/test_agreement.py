"""A user's numbers are judged by the spread of the committed seeds, and by nothing else."""

import math

import pytest
from made_up_records import keep, made_up

from cmir_repro.core.errors import InputError
from cmir_repro.report import agreement
from cmir_repro.report.agreement import AGREES, DIFFERS, UNKNOWN

SETTING = ("dim", "css", "mini", "3d-3d")


def put(monkeypatch, folder, values, **changes):
    """One record a value and seed, in a ledger of its own."""
    monkeypatch.setenv("CMIR_RESULTS", str(folder))
    for seed, value in enumerate(values):
        result = made_up().result
        recall = {"value": value, "low": 0.0, "high": 100.0, "chance": 0.5}
        keep(
            made_up(
                seed=seed,
                result={**result, "metrics": dict.fromkeys(("R@1", "R@5", "R@10"), recall)},
                **changes,
            )
        )


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """shown(committed values, own values) -> the table."""

    def table(committed, own, **changes):
        put(monkeypatch, tmp_path / "committed", committed)
        put(monkeypatch, tmp_path / "own", own, **changes)
        monkeypatch.setenv("CMIR_COMMITTED", str(tmp_path / "committed"))
        return agreement.agreement(*SETTING)

    return table


def test_the_interval_is_that_of_new_seeds_written_out(shown):
    (row,) = shown([50.0, 52.0, 54.0], [53.0]).to_dict("records")
    t = 4.302652729749464  # 97.5 % of Student's t with two degrees of freedom
    half = t * 2.0 * math.sqrt(1 / 3 + 1)
    assert (row["yours"], row["committed"], row["seeds"]) == (53.0, 52.0, 3)
    assert row["low"] == pytest.approx(52.0 - half)
    assert row["high"] == pytest.approx(52.0 + half)
    assert row["verdict"] == AGREES


def test_a_number_outside_the_spread_differs(shown):
    assert shown([50.0, 50.1, 49.9], [51.0])["verdict"].tolist() == [DIFFERS]


def test_several_seeds_of_the_user_are_expected_nearer(shown, monkeypatch, tmp_path):
    one = shown([50.0, 52.0, 54.0], [53.0]).iloc[0]
    put(monkeypatch, tmp_path / "own", [53.0, 53.0, 53.0])
    three = agreement.agreement(*SETTING).iloc[0]
    assert three["your seeds"] == 3
    assert three["high"] - three["low"] < one["high"] - one["low"]


def test_one_committed_seed_cannot_be_judged(shown):
    assert shown([50.0], [90.0])["verdict"].tolist() == [UNKNOWN]


def test_other_settings_are_not_compared(shown):
    other = made_up(seed=0).config
    other = {**other, "model": {**other["model"], "embed_dim": 7}}
    assert shown([50.0, 52.0], [51.0], config=other).empty


def test_an_unknown_system_is_refused():
    with pytest.raises(InputError, match="dim, aai, crcgs"):
        agreement.agreement("tirg", "css", "mini", "3d-3d")
