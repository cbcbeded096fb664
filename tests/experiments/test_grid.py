"""In one process the grid runs what the ledger lacks, stops in time, goes on where it stopped."""

import json
import signal
from collections import Counter

import pytest

from cmir_repro import cli
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import grid, identity, ledger, versions
from cmir_repro.experiments.dim_task import QueryBatches
from cmir_repro.experiments.grid import cell as one_cell
from cmir_repro.experiments.grid.cells import WAVES
from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.presets.dim import ABLATION, METHODS, SCALES
from cmir_repro.experiments.systems import SYSTEMS

ONE = {"datasets": ["css"], "tasks": ["3d-3d"], "methods": ["Image only"], "seeds": [0]}
ABLATED = sum(map(len, ABLATION.values()))
FOR_SENTENCES = len(METHODS) - 2  # all but attribute as operator, with and without DIM


@pytest.fixture
def quick(tiny_css, monkeypatch):
    """mini with a tiny net and six steps; the alarm is put back afterwards."""
    train = {"steps": 6, "batch": 16, "log_every": 1, "evaluate_every": 3}
    model = {"image_encoder": "convnet", "embed_dim": 8}
    settings = {"model": model, "train": train}
    monkeypatch.setitem(SCALES, "mini", {"css": settings, "photos": settings})


def filled(**changes):
    said = []
    found = grid.fill(
        "dim", **{**ONE, "device": "cpu", "progress": False, "say": said.append, **changes}
    )
    return found, said


def steps_done():
    return [json.loads(path.read_text())["step"] for path in paths.runs().glob("*/last.json")]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    return tmp_path


def test_cells_of_image_and_sentence_retrieval_have_names_of_their_own(folder):
    cells = grid.cells("aai")
    assert len({identity.name(cell) for cell in cells}) == len(cells) == 3 * len(aai.METHODS)
    assert [cell.train.seed for cell in cells[:2]] == [0, 0]  # all methods of a seed come first


def test_cells_of_label_based_retrieval_hold_the_baselines_too(folder):
    cells = grid.cells("crcgs", datasets=["css", "wikipedia"])
    methods = {*crcgs.METHODS, *crcgs.BASELINES}
    assert {cell.method for cell in cells} == methods
    assert len({identity.name(cell) for cell in cells}) == len(cells) == 2 * 3 * len(methods)
    with pytest.raises(InputError, match="method"):
        grid.cells("crcgs", methods=["CRCG"])


def counts(cells):
    return Counter((cell.dataset, cell.task) for cell in cells)


@pytest.mark.parametrize("scale", SCALES)
def test_every_cell_has_its_own_name(folder, scale):
    (folder / "photos").mkdir()
    cells = grid.cells("dim", scale)
    assert counts(cells) == {
        ("css", "3d-3d"): 3 * (FOR_SENTENCES + ABLATED),
        ("css", "2d-3d"): 3 * FOR_SENTENCES,
        ("photos", "photo"): 3 * FOR_SENTENCES,
    }
    assert len({identity.name(cell) for cell in cells}) == len(cells)
    assert {cell.scale for cell in cells} == {scale}


def test_photographs_are_in_the_grid_where_somebody_put_them(folder):
    assert {cell.dataset for cell in grid.cells("dim", "mini")} == {"css"}
    (folder / "photos").mkdir()
    assert {cell.dataset for cell in grid.cells("dim", "mini")} == {"css", "photos"}
    assert {cell.dataset for cell in grid.cells("dim", "mini", ["photos"])} == {"photos"}


def test_a_data_set_brings_its_methods_and_its_task(folder):
    of = {cell.method: cell.task for cell in grid.cells("dim", "mini", ["mitstates"])}
    assert of == dict.fromkeys(METHODS, "photo")  # texts of one attribute: all methods
    assert set(METHODS) - {cell.method for cell in grid.cells("dim", "mini", ["fashion200k"])} == {
        "Attribute as operator",
        "Attribute as operator + DIM",
    }


def test_the_most_wanted_come_first_and_all_methods_of_a_seed_before_the_next_seed(folder):
    methods = ["MRN", "TIRG", "Text only", "TIRG + DIM, part A"]
    cells = grid.cells("dim", "paper", seeds=(1, 0), methods=methods)
    assert [(c.task, c.method, c.train.seed) for c in cells] == [
        ("3d-3d", "Text only", 1), ("3d-3d", "TIRG", 1),
        ("3d-3d", "Text only", 0), ("3d-3d", "TIRG", 0),
        ("3d-3d", "TIRG + DIM, part A", 1), ("3d-3d", "TIRG + DIM, part A", 0),
        ("3d-3d", "MRN", 1), ("3d-3d", "MRN", 0),
        ("2d-3d", "Text only", 1), ("2d-3d", "TIRG", 1),
        ("2d-3d", "Text only", 0), ("2d-3d", "TIRG", 0),
        ("2d-3d", "MRN", 1), ("2d-3d", "MRN", 0),
    ]  # fmt: skip
    alone = grid.cells("dim", "paper", tasks=["2d-3d"], seeds=(1, 0), methods=methods)
    assert alone == cells[8:]


def test_all_systems_go_together_in_the_order_of_what_is_wanted(folder):
    cells = grid.cells()
    assert len(cells) == sum(len(grid.cells(system)) for system in SYSTEMS)
    waves = [(c.system, c.task) for c in cells]
    assert list(dict.fromkeys(waves)) == [
        ("dim", "3d-3d"), ("aai", "3d"), ("crcgs", "3d-colour-shape"), ("dim", "2d-3d"),
    ]  # fmt: skip
    aai_seeds = [c.train.seed for c in cells if (c.system, c.method) == ("aai", aai.FULL)]
    assert aai_seeds == [0, 1, 2]
    assert [c.method for c in cells if (c.system, c.train.seed) == ("aai", 1)][-1] != aai.FULL
    for wave in WAVES:
        assert set(wave.methods) <= SYSTEMS[wave.system].presets.known().keys()
    assert {c.system for c in grid.cells(methods=["TIRG", "AAI"], tasks=["3d-3d"])} == {"dim"}
    for wrong in ({"datasets": ["wikipedia"]}, {"tasks": ["2d-2d"]}):
        with pytest.raises(InputError, match="cmir grid dim or aai or crcgs"):
            grid.cells(**wrong)


def test_a_grid_is_filled_once(quick, monkeypatch):
    (cell,) = grid.cells("dim", **ONE)
    name = identity.name(cell)
    found, said = filled()
    assert (found.there, found.run, found.left) == ([], [name], [])
    assert said[0] == "0 of 1 cells are in the ledger"
    assert said[1].startswith(f"done {name} in ")
    assert said[1].endswith("none is left")
    (record,) = ledger.records()
    assert record.run == name
    assert record.command == grid.command("dim", cell)
    assert identity.current(cell)

    monkeypatch.setattr(one_cell, "run", None)  # calling it would fail
    found, said = filled()
    assert (found.there, found.run, found.left) == ([name], [], [])
    assert said == ["1 of 1 cells are in the ledger"]
    monkeypatch.setitem(versions.VERSIONS, "dim", 2)
    assert not identity.current(cell)


def test_a_cell_of_the_committed_ledger_is_done(quick, monkeypatch, tmp_path):
    filled()
    monkeypatch.setenv("CMIR_COMMITTED", str(paths.results()))
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "own"))
    found, _ = filled()
    assert (len(found.there), found.run, found.left) == (1, [], [])
    assert not ledger.records("own")
    # A record of the user's own that is out of date does not hide it.
    (record,) = ledger.records()
    older = record.model_copy(update={"versions": {"data": 0}, "origin": "own"})
    ledger.save(older, ledger.queries(record.run), [])
    assert ledger.read(record.run) == older
    assert len(filled()[0].there) == 1


def test_listing_runs_nothing(quick, monkeypatch):
    monkeypatch.setattr(one_cell, "run", None)
    found, _ = filled(list_only=True)
    assert (found.there, found.run, len(found.left)) == ([], [], 1)


def test_the_command_of_a_cell_names_it():
    (cell,) = grid.cells("aai", methods=["AAI without IMS"], seeds=[7])
    assert grid.command("aai", cell) == (
        "cmir grid aai --scale mini --dataset css --task 3d --method 'AAI without IMS' --seed 7"
    )


def test_time_running_out_stops_after_the_step_and_the_next_call_goes_on(quick, monkeypatch):
    asked = []
    make = QueryBatches.__call__

    def watched(self, step, rank=0, processes=1):
        asked.append(step)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGALRM)
        return make(self, step, rank, processes)

    monkeypatch.setattr(QueryBatches, "__call__", watched)
    before = signal.getsignal(signal.SIGALRM)
    found, said = filled(seconds=500)
    assert signal.alarm(0) == 0  # none is left behind
    assert signal.getsignal(signal.SIGALRM) is before
    assert (found.run, len(found.left)) == ([], 1)
    assert said[-1].startswith("stopped after ")
    assert said[-1].endswith("1 cells are left: unknown")
    assert steps_done() == [2]
    assert not ledger.records()
    assert filled()[0].left == []
    assert asked == [0, 1, 2, 3, 4, 5]
    assert [record.steps for record in ledger.records()] == [6]


def test_hours_are_seconds_and_only_one_of_them_is_given(monkeypatch):
    budgets = []

    def fill(*_, seconds, **__):
        budgets.append(seconds)
        return grid.Filled([], [], [], [], {}, [])

    monkeypatch.setattr(grid, "fill", fill)
    for given in ({"hours": 0.5}, {"seconds": 9}, {}):
        cli.grid(**given)
    assert budgets == [1800, 9, None]
    for hours in (0.0, 1e300, float("nan")):
        with pytest.raises(InputError, match="must be a second at least and a year at most"):
            cli.grid(hours=hours)
    with pytest.raises(InputError, match="give one of them"):
        cli.grid(hours=1.0, seconds=9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["4d-4d"]}, "task of css '4d-4d' is unknown; allowed: 2d-2d, 2d-3d, 3d-3d"),
        ({"device": "tpu"}, "device 'tpu' is unknown"),
        ({"datasets": ["bags"], "tasks": ["photo"]}, "data set 'bags' is not prepared yet"),
        ({"methods": ["Nothing"]}, "method 'Nothing' is unknown"),
    ],
)
def test_unusable_arguments_end_in_one_line(quick, changes, message):
    with pytest.raises(InputError, match=message) as error:
        filled(**changes)
    assert "\n" not in str(error.value)
    assert not ledger.records()


def test_an_unknown_system_lists_those_there_are():
    with pytest.raises(InputError, match="system 'dum' is unknown; allowed: dim, aai, crcgs, all"):
        grid.fill("dum")
