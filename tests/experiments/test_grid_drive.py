"""Which cells are given to workers when, and what becomes of those that end otherwise."""

import pytest

from cmir_repro.experiments import grid
from cmir_repro.experiments.grid import drive
from cmir_repro.experiments.grid.cell import DIED, DONE, ELSEWHERE, FAILED, STOPPED, Outcome

ROOM = 2


class Scripted:
    """A pool of two places; `script` says what becomes of a seed, try by try."""

    resumes = True

    def __init__(self, script):
        self.script, self.at_work = {seed: list(states) for seed, states in script.items()}, []
        self.begun, self.stopped, self.closed = [], 0, False

    def room(self):
        return len(self.at_work) < ROOM

    def submit(self, cell):
        self.at_work.append(cell)
        self.begun.append(cell.train.seed)

    def wait(self):
        cell = self.at_work.pop(0)
        return [Outcome(cell, self.script[cell.train.seed].pop(0))]

    def stop(self):
        self.stopped += 1

    def close(self):
        self.closed = True


def driven(script, asked=lambda pool: False, kind=Scripted):
    """The pool, what was told (seed, state, again) and the last state of each seed."""
    pool, told = kind(script), []
    cells = grid.cells("dim", tasks=["3d-3d"], methods=["TIRG"], seeds=list(script))

    def tell(outcome, seconds, again):
        assert seconds >= 0
        told.append((outcome.cell.train.seed, outcome.state, again))

    last = drive.drive(pool, cells, lambda: asked(pool), tell)
    assert pool.closed
    assert all(not rest for rest in pool.script.values()) or pool.stopped or not pool.resumes
    return pool, told, {outcome.cell.train.seed: outcome.state for outcome in last}


def test_a_cell_whose_process_dies_comes_again_once_and_next():
    pool, told, last = driven({0: [DIED, DONE], 1: [DIED, DIED], 2: [FAILED], 3: [DONE]})
    assert last == {0: DONE, 1: DIED, 2: FAILED, 3: DONE}
    assert pool.begun == [0, 1, 0, 1, 2, 3]
    assert [again for seed, _, again in told if seed == 1] == [True, False]


def test_what_others_are_at_is_asked_for_again_at_the_end():
    pool, _, last = driven({0: [ELSEWHERE, ELSEWHERE], 1: [ELSEWHERE, DONE], 2: [DONE]})
    assert last == {0: ELSEWHERE, 1: DONE, 2: DONE}
    assert pool.begun == [0, 1, 2, 0, 1]


def test_when_time_is_out_workers_are_asked_once_and_nothing_new_begins():
    script = {0: [DONE], 1: [STOPPED], 2: [DIED], 3: [DONE]}
    pool, told, last = driven(script, lambda pool: len(pool.begun) > ROOM)
    assert last == {0: DONE, 1: STOPPED, 2: STOPPED}  # a job that was cancelled tells nothing else
    assert pool.begun == [0, 1, 2]
    assert pool.stopped == 1
    assert not any(again for *_, again in told)


def test_a_worker_that_somebody_else_stops_goes_on_with_its_cell():
    pool, _, last = driven({0: [STOPPED] * 3 + [DONE]})
    assert (last, pool.begun) == ({0: DONE}, [0] * 4)
    _, _, last = driven({0: [STOPPED] * drive.PAUSES})  # but not for ever
    assert last == {0: STOPPED}


def test_ctrl_c_in_the_process_that_works_ends_the_grid():
    class Alone(Scripted):
        resumes = False

    pool, _, last = driven({0: [STOPPED], 1: [DONE], 2: [DONE]}, kind=Alone)
    assert pool.begun == [0, 1]  # what was at work is heard of
    assert last == {0: STOPPED, 1: DONE}


def test_the_pool_is_let_go_of_whatever_happens():
    class Broken(Scripted):
        def wait(self):
            raise RuntimeError("a mistake of ours")

    pool = Broken({0: [DONE]})
    cells = grid.cells("dim", tasks=["3d-3d"], methods=["TIRG"], seeds=[0])
    with pytest.raises(RuntimeError):
        drive.drive(pool, cells, lambda: False, lambda *_: None)
    assert pool.closed
