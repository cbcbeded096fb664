"""The campaign itself: what is bad is called bad."""

import os
import time
import warnings

import numpy as np
import pytest
from fuzzing import campaign, mutant

from cmir_repro.core.errors import InputError

SEEDS = {"a.json": b'{"x": 1, "y": [1, 2]}', "b.json": b'{"x": 2}'}


def run(read, mutants=6, **more):
    return campaign("made up", SEEDS, read, mutants, np.random.default_rng(0), **more)


def refuse(path):
    raise InputError(f"{path} is not readable")


def test_what_is_read_and_what_is_refused_is_counted():
    reads = run(lambda path: refuse(path) if path.name == "a.json" else path.read_bytes())
    assert (reads.tried, reads.read, reads.refused, reads.bad) == (6, 3, 3, [])


class Uncut(InputError):
    """A message as it is: `InputError` itself makes one line of it and cuts it."""

    def __str__(self):
        return self.whole

    def __init__(self, message):
        self.whole = message


def two_lines(path):
    raise Uncut(f"{path}\nis not readable")


def long(path):
    raise Uncut(f"{path} " + "x" * 500)


def names_nothing(path):
    raise InputError("something is not readable")


def warns(path):
    for _ in range(200):
        warnings.warn("another one of many", stacklevel=1)


def writes(path):
    (path.parent.parent / "elsewhere").write_text("x")


def takes(path):
    return len(np.ones(2**25)), time.sleep(0.5)  # 256 MB


def ends(path):
    os._exit(3)


BAD = {
    "TypeError": lambda path: None + 1,
    "message": two_lines,
    "characters": long,
    "names no file": names_nothing,
    "printed": warns,
    "left": writes,
    "MB": takes,
    "ended the interpreter (3)": ends,
    "more than 0.5 s": lambda path: time.sleep(30),
}


@pytest.mark.parametrize("what", BAD)
def test_what_breaks_the_contract_is_bad_and_the_campaign_goes_on(what, monkeypatch):
    if "0.5 s" in what:
        monkeypatch.setattr("fuzzing.SECONDS", 0.5)
    monkeypatch.setattr("fuzzing.MEGABYTES", 100)
    counts = run(BAD[what], 2)
    assert counts.tried == len(counts.bad) == 2
    assert all(what in bad for bad in counts.bad), counts.bad


def test_what_lies_beside_the_mutant_and_what_it_may_write(tmp_path):
    (tmp_path / "c.txt").write_text("c")

    def read(path):
        assert (path.parent / "c.txt").read_text() == "c"
        (path.parent / "out").mkdir()
        (path.parent / "out" / "d.txt").write_text("d")

    assert run(read, beside=tmp_path).read == 6


def test_a_mutant_is_made_again():
    every = [mutant(SEEDS, 7, number) for number in range(200)]
    assert every == [mutant(SEEDS, 7, number) for number in range(200)]
    assert len({content for _, content in every}) > 100
