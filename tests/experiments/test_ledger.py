"""Records come back as written, filtered and sorted; a damaged one is named in one line."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger, query_table


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    return tmp_path


def test_a_record_comes_back_with_ranks_and_log(root):
    record = keep(made_up(seed=3))
    assert ledger.exists(record.run)
    assert ledger.read(record.run) == record
    queries = ledger.queries(record.run)
    assert list(queries["query"]) == ["q0", "q1", "q2", "q3"]
    assert list(queries["rank"]) == [1.0, 2.0, 1.5, 7.0]
    assert ledger.log(record.run).to_dict("records") == [{"step": 1, "loss": 0.5}]
    assert not ledger.exists("another")


def test_records_are_filtered_and_sorted(root):
    for method, seed in (("TIRG", 10), ("TIRG", 2), ("Image only", 5)):
        keep(made_up(method, seed))
    keep(made_up("TIRG", 1, task="2d-3d", run="other"))
    found = [(r.task, r.method, r.seed) for r in ledger.records()]
    assert found == [
        ("2d-3d", "TIRG", 1), ("3d-3d", "Image only", 5),
        ("3d-3d", "TIRG", 2), ("3d-3d", "TIRG", 10),
    ]  # fmt: skip
    assert [r.seed for r in ledger.records(method="TIRG", task="3d-3d")] == [2, 10]
    assert ledger.records(seed=9) == []


def test_records_are_read_once_a_state_of_their_files(root, monkeypatch):
    for seed in range(2):
        keep(made_up(seed=seed))
    first, reads = ledger.records(), []
    read = ledger.read_record
    monkeypatch.setattr(ledger, "read_record", lambda *a: reads.append(a) or read(*a))
    assert ledger.records() == first
    assert not reads
    keep(made_up(seed=1, seconds=77.0))
    assert [r.seconds for r in ledger.records()] == [first[0].seconds, 77.0]
    assert len(reads) == 1
    (root / "records" / f"{first[0].run}.json").unlink()
    assert len(ledger.records()) == 1


def test_a_record_without_its_queries_is_never_written(root, monkeypatch):
    def crash(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(query_table.pq, "write_table", crash)
    with pytest.raises(InputError, match="disk full"):
        keep(made_up())
    assert ledger.records() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], "not readable JSON"),
        (lambda text: text.replace('"seed": 0', '"seed": "no"'), "no ledger record: see seed"),
        (lambda text: text.replace('"steps"', '"step"'), "no ledger record: see"),
        (lambda text: "[]", "holds list"),
    ],
)
def test_a_damaged_record_is_named(root, change, message):
    record = keep(made_up())
    path = paths.results() / "records" / f"{record.run}.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=rf"tirg-0\.json.*{message}") as error:
        ledger.records()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"no parquet at all",
        lambda data: data[:40] + bytes(20) + data[60:],
        None,
    ],
)
def test_damaged_or_missing_queries_are_named(root, damage):
    run = keep(made_up()).run
    path = root / "queries" / f"{run}.parquet"
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    else:
        path.unlink()
    message = r"tirg-0\.parquet is missing or damaged; run tirg-0 again"
    with pytest.raises(InputError, match=message):
        ledger.queries(run)


def test_values_are_kept_to_a_thousandth_and_ids_as_they_are(root):
    table = pd.DataFrame(
        {"scoring": ["a", "b"], "query": ["7", "é"], "ap": [100 / 3, np.nan]}, index=[5, 2]
    )
    ledger.save(made_up(), table, [])
    found = ledger.queries("tirg-0")
    assert found[["scoring", "query"]].to_numpy().tolist() == [["a", "7"], ["b", "é"]]
    assert found["ap"][0] == np.float32(33.333)
    assert np.isnan(found["ap"][1])


def test_a_missing_or_damaged_log_is_named(root):
    run = keep(made_up()).run
    file = root / "logs" / f"{run}.jsonl"
    for spoil in (lambda: file.write_text('{"step": 1\n'), file.unlink):
        spoil()
        with pytest.raises(InputError, match=f"{run}.jsonl is missing or damaged"):
            ledger.log(run)


def test_names_of_runs_are_file_names_and_tell_configurations_apart():
    def name(method, config):
        return ledger.run_name("css", "3d-3d", "mini", method, 3, config)

    assert name("TIRG + DIM", {"a": 1, "b": 2}) == name("TIRG + DIM", {"b": 2, "a": 1})
    assert name("TIRG", {"a": 1}) != name("TIRG", {"a": 2})
    words, _, digest = name("../TIRG + DIM", {}).rpartition("-")
    assert words == "css-3d-3d-mini-tirg-dim-s3"
    assert len(digest) == 6


def test_the_digest_of_a_class_is_that_of_what_it_does():
    text = 'class A:\n    """One."""\n\n    def f(self, x):  # adds\n        return x + 1\n'
    plain = ledger.code_hash([text])
    assert len(plain) == 16
    reworded = text.replace("One", "Another").replace("  # adds", "").replace("x + 1", "(x +\n 1)")
    assert ledger.code_hash([reworded]) == plain
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    assert ledger.code_hash([indented]) == plain
    others = [text.replace("+ 1", "+ 2")], [text, text]
    assert len({plain, *map(ledger.code_hash, others)}) == 3
    alone = 'class A:\n    """Nothing else."""\n'
    assert ledger.code_hash([alone]) == ledger.code_hash([alone.replace("Nothing", "No")])


def test_the_digest_of_the_package_follows_every_file_and_its_place(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()
    digests = []
    for place, text in (("a.py", "x = 1"), ("a.py", "x = 2"), ("models/a.py", "x = 1")):
        (tmp_path / place).write_text(text)
        digests.append(ledger.package_hash())
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("said", "commit", "dirty"),
    [
        ({"rev-parse": "abc", "status": ""}, "abc", False),
        ({"rev-parse": "abc", "status": " M cmir_repro/train.py"}, "abc", True),
        ({"rev-parse": "abc", "status": " M data_scripts/css.py"}, "abc", True),
        ({"rev-parse": "abc", "status": " M results/records/a.json"}, "abc", False),
        ({"rev-parse": "", "status": ""}, "unknown", "unknown"),  # no git here
    ],
)
def test_code_of_a_changed_tree_says_so(monkeypatch, said, commit, dirty):
    def git(command, *arguments):
        here = command != "status" or any(word in said["status"] for word in arguments)
        return said[command] if here else ""

    monkeypatch.setattr(ledger, "_git", git)
    found = ledger.code()
    assert (found["commit"], found["dirty"]) == (commit, dirty)


def test_machine_and_code_are_described():
    assert json.loads(json.dumps(ledger.hardware("cpu")))["cores"] >= 1
    assert ledger.code().keys() == {"version", "commit", "dirty", "sources", "lock"}
    assert ledger.code("0123")["own"] == "0123"
    assert 0.01 < ledger.peak_memory_gb("cpu") < 100
