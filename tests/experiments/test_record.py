"""The schema of a record: what a table would stumble over is refused when the file is read."""

import json

import pytest
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger


def changed(key, value=None):
    """An edit of a record's JSON: the value at a key with dots, or without it."""

    def edit(record):
        *path, last = key.split("/")
        for part in path:
            record = record[part]
        if value is None:
            del record[last]
        else:
            record[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (changed("result/metrics/R@5"), "result.metrics has no 'R@5'"),
        (changed("result/metrics/R@5/value"), "lacks result.metrics.R@5.value"),
        (changed("result/metrics/R@5/value", "12"), "result.metrics.R@5.value = '12'"),
        (changed("result/metrics/R@5/mean", 1.0), "unknown key 'result.metrics.R@5.mean'"),
        (changed("result/queries", -1), "result.queries = -1 is not allowed"),
        (changed("seed", True), "seed = True is not allowed"),
        (changed("seed", 0.0), "seed = 0.0 is not allowed"),
        (changed("hardware", {}), "hardware lacks one of cpu, cores, gpu"),
        (changed("data/tables"), "lacks data.tables"),
        (changed("versions", {"dim": "1"}), "versions.dim = '1' is not allowed"),
        (changed("more", 1), "unknown key 'more'; allowed: run, dataset"),
    ],
)
def test_a_record_that_does_not_fit_is_named_with_its_key(monkeypatch, tmp_path, edit, message):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    run = keep(made_up()).run
    path = paths.results() / "records" / f"{run}.json"
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError) as caught:
        ledger.read(run)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_the_committed_records_fit():
    folder = paths.checkout() / "results" / "records"
    for path in sorted(folder.glob("*.json"))[::10]:
        record = ledger.read_record(path)
        assert record.model_dump() == {**record.model_dump(), **json.loads(path.read_text())}
