"""Records come back as written, filtered and sorted; a damaged one is named in one line."""

import json

import numpy as np
import pytest

from cmir_repro import ledger, paths, versions
from cmir_repro.errors import InputError
from cmir_repro.methods import configure
from cmir_repro.protocol import preset


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    return tmp_path


def made_up(method="TIRG", seed=0, **changes):
    """A record nobody ran, and its ranks of four queries."""
    config = configure(method=method, seed=seed)
    recall = {"value": 50.0, "low": 10.0, "high": 90.0, "chance": 0.5}
    values = {
        "run": f"{method.lower().replace(' ', '-')}-{seed}",
        "dataset": "css", "scale": "mini", "task": "3d-3d", "method": method, "seed": seed,
        "config": config.model_dump(mode="json"),
        "versions": versions.used(config),
        "selection": "last step",
        "data": {"manifest": "m", "tables": "t", "kind": "rendered"},
        "code": {"sources": "0123456789abcdef", "dirty": False},
        "hardware": {"cpu": "a chip", "cores": 2, "gpu": None},
        "software": {},
        "parameters": 10, "steps": 5, "seconds": 12.0, "peak_memory_gb": 0.5,
        "result": {
            "protocol": preset("tirg/css").as_dict(), "queries": 4, "gallery": 9,
            "metrics": {f"R@{k}": recall for k in (1, 5, 10)},
        },
        "validation": {}, "checkpoint_sha256": "0", "command": "none", "finished": "2026-01-01",
    }  # fmt: skip
    return ledger.Record.make(**values | changes)


def made_up_run(config, result):
    """A record nobody ran, of a configuration of any system."""
    seed = config.train.seed
    facts = {key: getattr(config, key) for key in ("dataset", "scale", "task", "method")}
    facts["run"] = f"{config.method.lower().replace(' ', '-').replace(',', '')}-{seed}"
    facts["config"] = config.model_dump(mode="json")
    facts["versions"] = versions.used(config)
    return made_up(seed=seed, result=result).model_copy(update=facts)


def keep(record, ranks=(1.0, 2.0, 1.5, 7.0), log=({"step": 1, "loss": 0.5},)):
    ledger.save(record, np.array([f"q{i}" for i in range(len(ranks))]), np.array(ranks), list(log))
    return record


def test_a_record_comes_back_with_ranks_and_log(root):
    record = keep(made_up(seed=3))
    assert ledger.exists(record.run)
    assert ledger.read(record.run) == record
    ids, ranks = ledger.ranks(record.run)
    assert list(ids) == ["q0", "q1", "q2", "q3"]
    assert list(ranks) == [1.0, 2.0, 1.5, 7.0]
    assert ledger.log(record.run).to_dict("records") == [{"step": 1, "loss": 0.5}]
    assert not ledger.exists("another")


def test_records_are_filtered_and_sorted(root, tmp_path):
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
    assert ledger.records(tmp_path / "nowhere") == []


def test_a_record_without_its_ranks_is_never_written(root, monkeypatch):
    def crash(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", crash)
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
        lambda data: data.replace(b"ranks.npy", b"other.npy"),
        lambda data: b"no zip at all",
        lambda data: data[:60] + bytes([data[60] ^ 255]) + data[61:],
        None,
    ],
)
def test_damaged_or_missing_ranks_are_named(root, damage):
    run = keep(made_up()).run
    path = root / "ranks" / f"{run}.npz"
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"tirg-0\.npz is missing or damaged; run tirg-0 again"):
        ledger.ranks(run)


def test_pickled_ranks_are_not_opened(root):
    run = keep(made_up()).run
    np.savez(root / "ranks" / f"{run}.npz", ids=np.array([{}]), ranks=np.array([1.0]))
    with pytest.raises(InputError, match="damaged"):
        ledger.ranks(run)


def test_a_missing_or_damaged_log_is_named(root):
    run = keep(made_up()).run
    (root / "logs" / f"{run}.jsonl").write_text('{"step": 1\n')
    for name in (run, "nobody"):
        with pytest.raises(InputError, match=f"{name}.jsonl is missing or damaged"):
            ledger.log(name)


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
    monkeypatch.setattr(ledger, "__file__", str(tmp_path / "ledger.py"))
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
        ({"rev-parse": "", "status": ""}, "unknown", "unknown"),  # no git here
    ],
)
def test_code_of_a_changed_tree_says_so(monkeypatch, said, commit, dirty):
    monkeypatch.setattr(ledger, "_git", lambda command, *_: said[command])
    found = ledger.code()
    assert (found["commit"], found["dirty"]) == (commit, dirty)


def test_machine_and_code_are_described():
    assert json.loads(json.dumps(ledger.hardware("cpu")))["cores"] >= 1
    assert ledger.code().keys() == {"version", "commit", "dirty", "sources", "lock"}
    assert ledger.code("0123")["own"] == "0123"
    assert 0.01 < ledger.peak_memory_gb("cpu") < 100
