"""A run's ranked lists, scored again, give the numbers of its record."""

import pytest
import tiny_runs

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.evaluation.judged_files import score_files
from cmir_repro.experiments.run_lists import write

RULE = preset("own/judged")


@pytest.mark.usefixtures("tiny_css")
@pytest.mark.parametrize("system", ["dim", "aai", "crcgs"])
def test_lists_score_as_the_run_does(system, tmp_path):
    run = tiny_runs.make(system)
    files = write(run.record.run, tmp_path / "run.parquet", depth=10_000)
    names = [f.name for f in files]
    if system == "dim":
        assert names == ["run.parquet", "run.parquet.qrels"]
    else:
        assert names == [
            f"run-{way}.parquet{end}" for way in ("i2t", "t2i") for end in ("", ".qrels")
        ]
    metrics = run.record.result["metrics"]
    for lists, answers in zip(files[::2], files[1::2], strict=True):
        found = score_files(lists, answers, RULE)
        way = "" if system == "dim" else f"{lists.stem.rpartition('-')[2]} "
        if system == "crcgs":
            wanted = metrics[f"{way}P@10"]["value"]
            rule = RULE.changed(measures=("P@10",))
            value = score_files(lists, answers, rule)["metrics"]["P@10"]["value"]
        else:
            value = found["metrics"]["R@5"]["value"]
            wanted = run.record.result.get("by_scoring", {"itc": metrics})["itc"][f"{way}R@5"][
                "value"
            ]
        assert value == pytest.approx(wanted, abs=0.5)  # sums in another order may tie otherwise


@pytest.mark.usefixtures("tiny_css")
def test_runs_that_cannot_rank(tmp_path):
    with pytest.raises(InputError, match="no run 'nothing'"):
        write("nothing", tmp_path / "a.trec")
    run = tiny_runs.make("dim").record.run
    with pytest.raises(InputError, match="depth must be at least 1"):
        write(run, tmp_path / "a.trec", depth=0)
