"""The committed ledger is only read, the user's own is written; one can be merged into another."""

import pytest
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Folder of the user's ledger; beside it a committed one with TIRG, seeds 0 and 1."""
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "committed"))
    for seed in (0, 1):
        keep(made_up(seed=seed, seconds=1.0), [1, 2])
    monkeypatch.setenv("CMIR_COMMITTED", str(tmp_path / "committed"))
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "own"))
    return tmp_path / "own"


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_reading_sees_both_and_says_where_a_record_is_from(own):
    keep(made_up(seed=2), [3, 4, 5])
    assert [(r.seed, r.origin) for r in ledger.records()] == [
        (0, "committed"), (1, "committed"), (2, "own"),
    ]  # fmt: skip
    assert [r.seed for r in ledger.records("own")] == [2]
    assert [r.seed for r in ledger.records("committed", method="TIRG")] == [0, 1]
    assert ledger.exists("tirg-0")
    assert not ledger.exists("tirg-0", "own")
    assert len(ledger.queries("tirg-0")) == 2
    assert len(ledger.queries("tirg-2")) == 3
    assert list(ledger.log("tirg-0")["step"]) == [1]
    assert "origin" not in (own / "records" / "tirg-2.json").read_text()


@pytest.mark.parametrize("look", [ledger.read, ledger.queries, ledger.log])
def test_a_run_that_is_not_there_names_those_that_are(own, look):
    keep(made_up(seed=2), [3])
    message = "^no run 'tirg-5' among the 3 in .*own/records and .*; the most similar: tirg-2, tirg"
    with pytest.raises(InputError, match=message):
        look("tirg-5")
    with pytest.raises(
        InputError, match=r"among the 1 in .*own/records; the most similar: tirg-2$"
    ):
        look("tirg-1", "own")


def test_where_there_is_no_run_at_all_the_way_to_one_is_told(own, monkeypatch):
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.delenv("CMIR_COMMITTED")
    with pytest.raises(
        InputError, match=r"no run 'a': there is none yet in .*; cmir run makes one"
    ):
        ledger.read("a")


def test_the_users_record_of_a_run_comes_first_and_the_committed_one_stays(own, tmp_path):
    before = files(tmp_path / "committed")
    keep(made_up(seed=0, seconds=9.0), [7])
    assert files(tmp_path / "committed") == before
    assert [(r.seed, r.seconds) for r in ledger.records()] == [(0, 9.0), (1, 1.0)]
    assert ledger.read("tirg-0").seconds == 9.0
    assert ledger.read("tirg-0", "committed").seconds == 1.0
    assert list(ledger.queries("tirg-0")["rank"]) == [7]
    assert list(ledger.queries("tirg-0", "committed")["rank"]) == [1, 2]


def test_without_a_repository_there_is_no_committed_ledger(own, monkeypatch):
    monkeypatch.delenv("CMIR_COMMITTED")
    assert paths.committed() == paths.checkout() / "results"
    monkeypatch.setattr(paths, "checkout", lambda: None)
    assert paths.committed() is None
    assert ledger.records() == ledger.records("committed") == []


def test_a_ledger_that_is_both_is_read_once(own, monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "committed"))
    assert [r.origin for r in ledger.records()] == ["committed"] * 2


def test_an_unknown_origin_is_one_line(own):
    with pytest.raises(InputError, match="origin 'mine' is unknown; allowed: own, committed"):
        ledger.records("mine")


def test_merging_copies_what_is_new_and_only_once(own, tmp_path):
    keep(made_up(seed=2), [3, 4, 5])
    into = tmp_path / "committed"
    assert ledger.merge(own, into) == ["tirg-2"]
    assert ledger.merge(own, into) == []
    assert [r.seed for r in ledger.records("committed")] == [0, 1, 2]
    assert list(ledger.queries("tirg-2", "committed")["rank"]) == [3, 4, 5]
    assert list(ledger.log("tirg-2", "committed")["step"]) == [1]


@pytest.mark.parametrize("other", [{"seconds": 9.0}, {"ranks": [2, 2]}])
def test_merging_refuses_another_record_of_a_run_and_copies_nothing(own, tmp_path, other):
    ranks = other.pop("ranks", [1, 2])
    keep(made_up(seed=2))
    keep(made_up(seed=1, **{"seconds": 1.0, **other}), ranks)
    before = files(tmp_path / "committed")
    with pytest.raises(InputError, match=r"own/records/tirg-1\.json and .*committed.*tirg-1\.json"):
        ledger.merge(own, tmp_path / "committed")
    assert files(tmp_path / "committed") == before


def test_what_a_killed_writer_left_is_no_record_and_a_copy_is_refused(own, tmp_path):
    keep(made_up(seed=2))
    record = own / "records" / "tirg-2.json"
    half = own / "records" / ".partial-1-elsewhere-x"
    half.mkdir()
    (half / "tirg-3.json").write_text("{")
    assert ledger.merge(own, tmp_path / "committed") == ["tirg-2"]
    record.with_name("copy of tirg-2.json").write_bytes(record.read_bytes())
    message = r"copy of tirg-2\.json is the record of tirg-2; call it that, or remove it"
    for use in (ledger.records, lambda: ledger.merge(own, tmp_path / "committed")):
        with pytest.raises(InputError, match=message):
            use()


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("queries/tirg-3.parquet", r"tirg-3\.parquet does not exist"),
        ("logs/tirg-3.jsonl", "has no log beside it"),
        ("records", "is no ledger"),
    ],
)
def test_merging_refuses_half_a_record(own, tmp_path, lost, message):
    keep(made_up(seed=2))
    keep(made_up(seed=3))
    before = files(tmp_path / "committed")
    gone = own / lost
    gone.unlink() if gone.is_file() else gone.rename(own / "elsewhere")
    with pytest.raises(InputError, match=message) as error:
        ledger.merge(own, tmp_path / "committed")
    assert "\n" not in str(error.value)
    assert files(tmp_path / "committed") == before
