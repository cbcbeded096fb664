"""Mutants of raw files are read, or refused in one line: the short campaign.

The long one is tests/benchmarks/bench_fuzz_raw.py.
"""

import shutil

import numpy as np
import pytest
from forked_child import forked
from fuzzing import FOLDER, campaign
from raw_files import READERS
from raw_scripts import SCRIPTS

MUTANTS = 40


@pytest.mark.parametrize("name", READERS)
def test_a_mutant_is_read_or_refused(name, monkeypatch):
    forked(monkeypatch)
    reader = READERS[name]
    counts = campaign(name, reader.seeds, reader.read, MUTANTS, np.random.default_rng(0))
    assert not counts.bad, "\n".join(counts.bad)
    assert counts.refused


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_themselves_are_read(name, tmp_path):
    for file, content in READERS[name].seeds.items():
        (tmp_path / file).write_bytes(content)
        READERS[name].read(tmp_path / file)
        if (tmp_path / "out").exists():
            (tmp_path / "out").rename(tmp_path / f"out of {file}")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_over_a_mutant_prepares_or_refuses(name, monkeypatch, tmp_path):
    forked(monkeypatch)
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))  # each mutant has a folder of its own
    (tmp_path / FOLDER).mkdir()
    seeds = SCRIPTS[name].seeds(tmp_path / FOLDER)
    SCRIPTS[name].read(tmp_path / FOLDER / next(iter(seeds)))
    shutil.rmtree(tmp_path / FOLDER / "out")
    counts = campaign(
        name, seeds, SCRIPTS[name].read, 12, np.random.default_rng(0), beside=tmp_path / FOLDER
    )
    assert not counts.bad, "\n".join(counts.bad)
