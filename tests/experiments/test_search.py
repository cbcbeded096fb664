"""A search trains and validates its candidates, resumes them, and never looks at the test data."""

import json

import pytest

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import grid, identity, ledger, merging
from cmir_repro.experiments.dim import ComposedExperiment
from cmir_repro.experiments.grid.cells import command
from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.experiments.presets.base import candidates
from cmir_repro.experiments.search import validation
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.training import loop

NAME = "TIRG + DIM, steps x2"
ONE = {"datasets": ["css"], "tasks": ["3d-3d"], "methods": [NAME], "seeds": [0]}


@pytest.fixture
def quick(tiny_css, monkeypatch):
    """mini with a tiny net and four steps."""
    train = {"steps": 4, "batch": 16, "log_every": 1, "evaluate_every": 2}
    settings = {"model": {"image_encoder": "convnet", "embed_dim": 8}, "train": train}
    monkeypatch.setitem(dim.SCALES, "mini", {"css": settings, "photos": settings})


def filled(**changes):
    return grid.fill(
        "dim", **{**ONE, "device": "cpu", "progress": False, "say": lambda _: None, **changes}
    )


@pytest.fixture
def blind(monkeypatch):
    """Whoever asks for a test picture or scores something fails."""
    embed = ComposedExperiment.embed

    def checked(self, system, split, texts=None):
        assert split == "val"
        return embed(self, system, split, texts)

    monkeypatch.setattr(ComposedExperiment, "embed", checked)
    monkeypatch.setattr(ComposedExperiment, "score", None)


def test_a_candidate_is_recorded_by_its_validation_figures_alone(quick, blind):
    (cell,) = grid.cells("dim", **ONE, search=True)
    assert (cell.train.steps, cell.train.evaluate_every) == (8, 4)
    assert filled(search=True).run == [identity.name(cell)]
    (record,) = ledger.records(kinds=("search",))
    assert ledger.records() == []  # no table sees it
    assert record.run == f"{identity.name(cell)}-search"
    assert record.method == NAME
    assert record.result.keys() == {"validation"}
    found = record.result["validation"]
    assert found["examples"] == len(SYSTEMS["dim"].experiment(cell).task.split("val").texts)
    assert (found["best"]["step"], found["last"]["step"]) in {(4, 8), (8, 8)}
    assert found["best"].keys() == {"step", "R@1", "R@5", "R@10", "selection"}
    assert record.validation["val selection"] == found["best"]["selection"]
    assert not (paths.results() / "queries").exists()
    assert record.command == command("dim", cell)
    assert record.command.endswith(" --search")


def test_a_search_is_done_once_goes_on_where_it_stopped_and_saves_the_run_its_training(
    quick, monkeypatch
):
    asked, train = [], loop.reseed

    def stopping(seed, updates, generator):
        asked.append(updates)
        if len(asked) == 5:
            raise KeyboardInterrupt
        train(seed, updates, generator)

    monkeypatch.setattr(loop, "reseed", stopping)
    assert len(filled(search=True).left) == 1
    assert ledger.records(kinds=("search",)) == []
    assert filled(search=True).left == []
    assert asked == [0, 1, 2, 3, 4, 4, 5, 6, 7]  # from the checkpoint of step 4
    assert len(filled(search=True).there) == 1
    # Named as a method, it is scored on test; its training is there.
    assert filled().run
    assert len(asked) == 9
    (record,) = ledger.records()
    assert record.method == NAME
    assert record.result["metrics"]["R@1"]["value"] >= 0
    # And the other way round: what was run needs no search.
    for path in (paths.results() / "records").glob("*-search.json"):
        path.unlink()
    assert len(filled(search=True).there) == 1


def test_ledgers_of_searches_are_merged(quick, tmp_path):
    filled(search=True)
    (record,) = ledger.records(kinds=("search",))
    into = tmp_path / "other"
    assert merging.merge(paths.results(), into) == [record.run]
    assert merging.merge(paths.results(), into) == []
    assert ledger.read_record(into / "records" / f"{record.run}.json") == record


def test_without_validation_there_is_nothing_to_choose_by(quick, monkeypatch):
    monkeypatch.setattr(ComposedExperiment, "examples", lambda self, split: 64 * (split != "val"))
    with pytest.raises(InputError, match="css has no validation data to choose a setting by"):
        filled(search=True)


def test_the_best_step_is_the_first_of_equals():
    log = [{"step": 1, "loss": 2.0}]
    log += [
        {"step": step, "val R@1": float(step), "val selection": value}
        for step, value in ((2, 3.0), (4, 7.0), (6, 7.0), (8, 5.0))
    ]
    found = validation(log)
    assert found["best"] == {"step": 4, "R@1": 4.0, "selection": 7.0}
    assert found["last"] == {"step": 8, "R@1": 8.0, "selection": 5.0}
    with pytest.raises(InputError, match="no validation figure"):
        validation(log[:1])


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("scale", ["mini", "full"])
def test_every_candidate_differs_from_every_other_and_from_the_tables(system, scale):
    presets = SYSTEMS[system].presets
    cells = grid.cells(system, scale, seeds=[0], search=True)
    assert {(cell.dataset, cell.task) for cell in cells} == {("css", presets.TASKS["css"][0])}
    chosen = {"mini": "CRCGS, contrast 0.1", "full": "CRCGS, contrast 0.3"}[scale]
    assert [cell.method for cell in cells] == [n for n in presets.SEARCH if n != chosen]
    settings = [json.dumps({**c.model_dump(mode="json"), "method": ""}) for c in cells]
    assert len(set(settings)) == len(settings)
    for name, candidate in presets.SEARCH.items():
        if name in presets.METHODS:  # a row of the tables stays what it is
            assert candidate == type(candidate)(name)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("scale", ["mini", "full"])
@pytest.mark.parametrize("dataset", ["css", "photos", "mine"])
def test_every_candidate_configures_on_every_kind_of_data(system, scale, dataset):
    presets = SYSTEMS[system].presets
    found = candidates(presets, dataset, presets.default_task(dataset), scale)
    assert found[0] == next(iter(presets.SEARCH))


def test_nothing_is_searched_with_the_nets_of_the_paper():
    with pytest.raises(InputError, match="scale of a search 'paper' is unknown; allowed: mini, f"):
        grid.cells("dim", "paper", search=True)


def test_a_search_begins_with_what_the_tables_have_now():
    first = [next(iter(presets.SEARCH)) for presets in (dim, aai, crcgs)]
    assert first == ["TIRG + DIM", aai.FULL, crcgs.FULL]
    assert "--search" not in command("dim", grid.cells("dim", seeds=[0])[0])
