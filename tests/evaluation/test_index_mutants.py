"""Mutants of an index' files, with and without a card that vouches for them."""

import json

import numpy as np
import pytest
import tiny_features
from fuzzing import campaign

from cmir_repro.evaluation.index import build, card, search
from cmir_repro.evaluation.nearest import load_faiss

MUTANTS, N, D = 120, 10_000, 4


@pytest.fixture(scope="module", params=card.KINDS)
def index(request, tmp_path_factory):
    """A folder and its small files; the lists are in it too, but too long to be mutated often."""
    folder = tmp_path_factory.mktemp(request.param)
    count, cells = (N, 3) if request.param == "ivfpq" else (30, 0)
    file = tiny_features.save(folder / "f.npz", range(count), tiny_features.made_up(count, D))
    options = {"kind": request.param, "cells": cells, "code": 2, "progress": False}
    build.build(file, folder / "index", **options)
    return folder / "index"


def opened(path):
    load_faiss().omp_set_num_threads(1)  # a fork lacks the other threads, and would wait for them
    rows, scores = search.Index(path.parent).search(np.eye(D, dtype=np.float32), 5)
    found = search.Index(path.parent).ids(rows[rows >= 0])
    assert rows.max() < N
    assert len(found) == (rows >= 0).sum()
    assert not np.isnan(scores).any()


def sealed(path):
    """Open a folder whose card says that the mutant is what was written."""
    facts = json.loads((path.parent / card.NAME).read_text())
    facts["files"][path.name] = card.described(path).model_dump()
    (path.parent / card.NAME).write_text(json.dumps(facts))
    opened(path)


@pytest.mark.parametrize("read", [opened, sealed], ids=["as-found", "sealed-again"])
def test_mutants_are_read_or_refused(index, read):
    names = [path.name for path in index.iterdir() if path.suffix in (".npy", ".txt", ".bin")]
    names += [card.NAME] if read is opened else []
    seeds = {name: (index / name).read_bytes() for name in sorted(names)}
    counts = campaign("index", seeds, read, MUTANTS, np.random.default_rng(0), beside=index)
    assert not counts.bad, counts.bad
    assert counts.tried == MUTANTS
    assert counts.refused > MUTANTS // 3
