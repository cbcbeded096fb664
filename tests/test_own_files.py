"""Mutants of the package's own files: a valid value, or one line that names the file.

tests/benchmarks/bench_fuzz.py does the same with a thousand mutants a reader.
"""

import numpy as np
import pytest
from own_files import readers

MUTANTS = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return readers(tmp_path_factory.mktemp("seeds"))


NAMES = (
    "record of the ledger",
    "table over a ledger",
    "queries of a run",
    "log of a run",
    "registered methods",
    "prepared triplets",
    "prepared labels and sentences",
    "mapped pixels",
    "checkpoint",
    "checkpoint, tensors changed and sealed again",
    "exported weights",
    "features, .npz",
    "features, .npy with ids",
    "features to train on",
    "coordinates",
    "backend of the grid",
)


def test_every_reader_is_tried(made):
    assert tuple(made) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_valid_files_are_read(made, name):
    reader = made[name]._replace(make=lambda seed, others, rng: seed)
    counts = reader.campaign(name, len(reader.seeds), np.random.default_rng(0))
    assert counts.read == counts.tried, counts.bad


@pytest.mark.parametrize("name", NAMES)
def test_a_mutant_is_read_or_refused_in_one_line(made, name):
    counts = made[name].campaign(name, MUTANTS, np.random.default_rng(len(name)))
    assert not counts.bad
    assert counts.refused
