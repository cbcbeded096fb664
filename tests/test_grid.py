"""The grid runs what the ledger lacks, stops in time, and goes on where it stopped."""

import json
import shlex
import signal

import pytest

from cmir_repro import composed, grid, ledger, paths
from cmir_repro.methods import METHODS, SCALES
from cmir_repro.tasks import QueryBatches

ONE = ["--methods", "Image only", "--seeds", "0", "--device", "cpu"]


@pytest.fixture
def quick(tiny_css, monkeypatch):
    """mini with a tiny net and six steps; the alarm is put back afterwards."""
    train = {"steps": 6, "batch": 16, "log_every": 1, "evaluate_every": 3}
    model = {"image_encoder": "convnet", "embed_dim": 8}
    monkeypatch.setitem(SCALES, "mini", {"css": {"model": model, "train": train}})
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


def steps_done():
    return [json.loads(path.read_text())["step"] for path in paths.runs().glob("*/last.json")]


def test_every_cell_has_its_own_name():
    cells = [cell for scale in grid.TASKS for cell in grid.cells(scale)]
    assert len(cells) == len(METHODS) * 3 * (1 + 2)
    assert len({composed.name(cell) for cell in cells}) == len(cells)


def test_all_methods_of_a_seed_come_before_the_next_seed():
    cells = grid.cells("paper", seeds=(4, 2), methods=["TIRG", "Text only"])
    found = [(c.task, c.train.seed, c.method) for c in cells[:5]]
    assert found == [
        ("3d-3d", 4, "TIRG"),
        ("3d-3d", 4, "Text only"),
        ("3d-3d", 2, "TIRG"),
        ("3d-3d", 2, "Text only"),
        ("2d-3d", 4, "TIRG"),
    ]


def test_a_grid_is_filled_once(quick, capsys, monkeypatch):
    assert grid.main(ONE) == 0
    assert capsys.readouterr().out.startswith("0 of 1 cells")
    (record,) = ledger.records()
    (cell,) = grid.cells("mini", (0,), ["Image only"])
    assert record.run == composed.name(cell)
    assert composed.current(cell)

    monkeypatch.setattr(composed, "run", None)  # calling it would fail
    assert grid.main(ONE) == 0
    assert capsys.readouterr().out.startswith("1 of 1 cells")
    monkeypatch.setattr(ledger, "code_hash", lambda *_: "changed")
    assert not composed.current(cell)


def test_the_recorded_command_makes_the_same_cell(quick, capsys):
    (cell,) = grid.cells("mini", ["css"], ["3d-3d"], ["TIRG + DIM"], (7,))
    words = shlex.split(f"python -m cmir_repro.grid {grid._cell(cell)}")
    assert words[:3] == ["python", "-m", "cmir_repro.grid"]
    assert grid.main([*words[3:], "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 of 1 cells are in the ledger",
        composed.name(cell),
    ]
    assert not ledger.records()


def test_time_running_out_stops_after_the_step_and_the_next_call_goes_on(
    quick, capsys, monkeypatch
):
    asked = []
    make = QueryBatches.__call__

    def watched(self, step, rank=0, processes=1):
        asked.append(step)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGALRM)
        return make(self, step, rank, processes)

    monkeypatch.setattr(QueryBatches, "__call__", watched)
    assert grid.main([*ONE, "--seconds", "500"]) == 3
    assert signal.alarm(0) == 0  # none is left behind
    assert capsys.readouterr().out.splitlines()[-1].endswith("1 cells are left")
    assert steps_done() == [2]
    assert not ledger.records()
    assert grid.main(ONE) == 0
    assert asked == [0, 1, 2, 3, 4, 5]
    assert [record.steps for record in ledger.records()] == [6]


def test_unusable_arguments_end_in_one_line(quick, capsys):
    assert grid.main([*ONE, "--tasks", "4d-4d"]) == 2
    assert capsys.readouterr().err.startswith("error: RunConfig: task = '4d-4d' is not allowed")
    assert grid.main([*ONE, "--device", "tpu"]) == 2
    assert "device 'tpu' is unknown" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        grid.main(["--methods", "Nothing"])
