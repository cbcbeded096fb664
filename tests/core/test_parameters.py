"""Parameters of notebooks: misspelt names and values of another kind are refused in one line."""

import pytest

from cmir_repro.core import parameters
from cmir_repro.core.errors import InputError

CELL = (
    'dataset: str = "css"  # the data\nseed: int = 0  # of all\nweight: float = 0.1  # of A\n'
    "train: bool = False  # long\nseeds: list = [0, 1]  # one each"
)
SETUP = "import cmir\nsetting: str = cmir.start(dataset)"


def refused(**given):
    with pytest.raises(InputError) as caught:
        parameters.check(parameters.declared(CELL), given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def injected(*lines):
    return parameters.INJECTED + "\n".join(lines)


def test_a_cell_of_annotated_literals_declares_and_no_other_does():
    assert parameters.declared(CELL)["seeds"] == ("list", [0, 1])
    assert list(parameters.declared(CELL)) == ["dataset", "seed", "weight", "train", "seeds"]
    for other in ("", SETUP, "x = 1", "x: int", "x: dict = {}", "!ls", "x.y: int = 1"):
        assert parameters.declared(other) == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("sed", 1, "parameter 'sed' is unknown; allowed: dataset, seed, weight, train, seeds"),
        ("seeds", "[0]", "parameter seeds = '[0]' must be a list, as [0, 1]; with papermill, -y "),
        ("seeds", 0, "parameter seeds = 0 must be a list"),
        ("seeds", [], "must be a list of at least one, as [0, 1]"),
        ("seeds", ["a"], "must be a list, each of it a whole number, as [0, 1]"),
        ("seeds", [0, -1], "parameter seeds: seed -1 must be a whole number from 0 to"),
        ("seed", -1, "parameter seed: seed -1 must be"),
        ("seed", True, "parameter seed = True must be a whole number"),
        ("seed", 1.5, "parameter seed = 1.5 must be a whole number"),
        ("weight", "much", "parameter weight = 'much' must be a number"),
        ("weight", float("nan"), "parameter weight = nan must be a number"),
        ("train", 1, "parameter train = 1 must be True or False"),
        ("dataset", 25, "parameter dataset = 25 must be a text"),
        ("dataset", None, "parameter dataset = None must be a text"),
    ],
)
def test_what_does_not_fit_says_what_would(name, value, says):
    assert says in refused(**{name: value})


def test_all_faults_are_told_together_and_what_fits_passes():
    assert refused(sed=1, seed=2, train="yes").count("; ") >= 2
    fits = {"dataset": "photos", "seed": 3, "weight": 1, "train": True, "seeds": [7]}
    parameters.check(parameters.declared(CELL), fits)


def test_the_cells_of_a_running_notebook_are_checked():
    parameters.check_cells(["", CELL, injected("seeds = [4]", 'dataset = "photos"'), SETUP])
    parameters.check_cells(["", CELL, SETUP])
    parameters.check_cells(["", "import numpy", SETUP])  # a notebook without such a cell
    parameters.check_cells([])
    with pytest.raises(InputError, match="'anotations' is unknown"):
        parameters.check_cells(["", CELL, injected('anotations = "x"'), SETUP])
    with pytest.raises(InputError, match=r"weight = .*nan.* must be a number"):
        parameters.check_cells(["", CELL, injected("weight = float('nan')"), SETUP])
    with pytest.raises(InputError, match="must be a list"):  # edited by hand
        parameters.check_cells(["", CELL.replace("[0, 1]", '"[0]"'), SETUP])
    # Run again by hand after papermill: the last declaration counts.
    parameters.check_cells(["", CELL, injected("sed = 1"), CELL, SETUP])
