"""The grid runs what the ledger lacks, stops in time, and goes on where it stopped."""

import json
import shlex
import signal
from collections import Counter

import pytest

from cmir_repro import aai_methods, composed, crcgs_methods, grid, identity, ledger, paths, versions
from cmir_repro.errors import InputError
from cmir_repro.methods import ABLATION, METHODS, SCALES
from cmir_repro.tasks import QueryBatches

ONE = [
    "--datasets", "css", "--tasks", "3d-3d", "--methods", "Image only", "--seeds", "0",
    "--device", "cpu",
]  # fmt: skip
ABLATED = sum(map(len, ABLATION.values()))
FOR_SENTENCES = len(METHODS) - 2  # all but attribute as operator, with and without DIM


@pytest.fixture
def quick(tiny_css, monkeypatch):
    """mini with a tiny net and six steps; the alarm is put back afterwards."""
    train = {"steps": 6, "batch": 16, "log_every": 1, "evaluate_every": 3}
    model = {"image_encoder": "convnet", "embed_dim": 8}
    settings = {"model": model, "train": train}
    monkeypatch.setitem(SCALES, "mini", {"css": settings, "photos": settings})
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


def steps_done():
    return [json.loads(path.read_text())["step"] for path in paths.runs().glob("*/last.json")]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    return tmp_path


def test_cells_of_image_and_sentence_retrieval_have_names_of_their_own(folder):
    cells = grid.aai_cells("mini")
    assert (
        len({identity.name(cell) for cell in cells}) == len(cells) == 3 * len(aai_methods.METHODS)
    )
    assert [cell.train.seed for cell in cells[:2]] == [0, 0]  # all methods of a seed come first


def test_cells_of_label_based_retrieval_hold_its_neighbours_too(folder):
    cells = grid.crcgs_cells("mini", datasets=["css", "wikipedia"])
    methods = {*crcgs_methods.METHODS, *crcgs_methods.NEIGHBOURS}
    assert {cell.method for cell in cells} == methods
    assert len({identity.name(cell) for cell in cells}) == len(cells) == 2 * 3 * len(methods)
    with pytest.raises(InputError, match="method"):
        grid.crcgs_cells("mini", methods=["CRCG"])


def counts(cells):
    return Counter((cell.dataset, cell.task) for cell in cells)


@pytest.mark.parametrize("scale", SCALES)
def test_every_cell_has_its_own_name(folder, scale):
    (folder / "photos").mkdir()
    cells = grid.cells(scale)
    assert counts(cells) == {
        ("css", "3d-3d"): 3 * (FOR_SENTENCES + ABLATED),
        ("css", "2d-3d"): 3 * FOR_SENTENCES,
        ("photos", "photo"): 3 * FOR_SENTENCES,
    }
    assert len({identity.name(cell) for cell in cells}) == len(cells)
    assert {cell.scale for cell in cells} == {scale}


def test_photographs_are_in_the_grid_where_somebody_put_them(folder):
    assert {cell.dataset for cell in grid.cells("mini")} == {"css"}
    (folder / "photos").mkdir()
    assert {cell.dataset for cell in grid.cells("mini")} == {"css", "photos"}
    assert {cell.dataset for cell in grid.cells("mini", ["photos"])} == {"photos"}


def test_a_data_set_brings_its_methods_and_its_task(folder):
    of = {cell.method: cell.task for cell in grid.cells("mini", ["mitstates"])}
    assert of == dict.fromkeys(METHODS, "photo")  # texts of one attribute: all methods
    assert set(METHODS) - {cell.method for cell in grid.cells("mini", ["fashion200k"])} == {
        "Attribute as operator",
        "Attribute as operator + DIM",
    }


def test_all_methods_of_a_seed_come_before_the_next_seed(folder):
    methods = ["TIRG", "Text only", "TIRG + DIM, part A"]
    cells = grid.cells("paper", seeds=(4, 2), methods=methods)
    found = [(c.task, c.train.seed, c.method) for c in cells]
    assert found == [
        ("3d-3d", 4, "Text only"),
        ("3d-3d", 4, "TIRG"),
        ("3d-3d", 2, "Text only"),
        ("3d-3d", 2, "TIRG"),
        ("3d-3d", 4, "TIRG + DIM, part A"),  # the ablation last
        ("3d-3d", 2, "TIRG + DIM, part A"),
        ("2d-3d", 4, "Text only"),
        ("2d-3d", 4, "TIRG"),
        ("2d-3d", 2, "Text only"),
        ("2d-3d", 2, "TIRG"),
    ]
    assert grid.cells("paper", tasks=["2d-3d"], seeds=(4, 2), methods=methods) == cells[6:]


def test_a_grid_is_filled_once(quick, capsys, monkeypatch):
    assert grid.main(ONE) == 0
    assert capsys.readouterr().out.startswith("0 of 1 cells")
    (record,) = ledger.records()
    (cell,) = grid.cells("mini", ["css"], ["3d-3d"], ["Image only"], (0,))
    assert record.run == identity.name(cell)
    assert identity.current(cell)

    monkeypatch.setattr(composed, "run", None)  # calling it would fail
    assert grid.main(ONE) == 0
    assert capsys.readouterr().out.startswith("1 of 1 cells")
    monkeypatch.setitem(versions.VERSIONS, "dim", 2)
    assert not identity.current(cell)


@pytest.mark.parametrize(
    ("system", "task", "method"),
    [
        ("dim", "3d-3d", "TIRG + DIM"),
        ("dim", "3d-3d", "TIRG + DIM, weight 0.3"),
        ("aai", "3d", "AAI without IMS"),
        ("crcgs", "3d-colour-shape", "CCA, ITQ"),
    ],
)
def test_the_recorded_command_makes_the_same_cell(quick, capsys, system, task, method):
    (cell,) = grid.SYSTEMS[system][0]("mini", ["css"], [task], [method], (7,))
    words = shlex.split(f"python -m cmir_repro.grid {grid._cell(system, cell)}")
    assert words[:3] == ["python", "-m", "cmir_repro.grid"]
    assert grid.main([*words[3:], "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 of 1 cells are in the ledger",
        identity.name(cell),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "4d-4d"], "task of css '4d-4d' is unknown; allowed: 2d-2d, 2d-3d, 3d-3d"),
        (["--device", "tpu"], "device 'tpu' is unknown"),
        (["--datasets", "bags", "--tasks", "photo"], "data set 'bags' is not prepared yet"),
        (["--methods", "Nothing"], "method 'Nothing' is unknown"),
    ],
)
def test_unusable_arguments_end_in_one_line(quick, capsys, arguments, message):
    assert grid.main([*ONE, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("error: ") == 1
    assert not ledger.records()
