"""Whatever reads a file or folder takes its path as a string, too."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.analysis import projection
from cmir_repro.core import files, paths, weights
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data import labelled, prepared
from cmir_repro.data.readers import benchmarks, captions, fashion200k, fashioniq_cirr, tags
from cmir_repro.data.readers import files as readers
from cmir_repro.data.readers.matlab import MatFile
from cmir_repro.data.readers.npy_pickle import load_npy
from cmir_repro.evaluation import (
    audit,
    features,
    judged_files,
    leaderboard,
    ranked_lists,
    server_files,
    triplet_files,
)
from cmir_repro.experiments import ledger, merging, query_table, shared
from cmir_repro.experiments.grid import settings
from cmir_repro.training import checkpoint

NO_LINES = pd.DataFrame({"split": [], "path": []})
READERS = {
    "checkpoint.load": lambda path: checkpoint.load(path, "last"),
    "shared.load": shared.load,
    "weights.read_weights": weights.read_weights,
    "Prepared": prepared.Prepared,
    "read_json": files.read_json,
    "ledger.read_record": ledger.read_record,
    "merging.merge": lambda path: merging.merge(path, path),
    "query_table.read": query_table.read,
    "grid settings": settings.read,
    "load_coordinates": projection.load_coordinates,
    "audit.read_ranks": audit.read_ranks,
    "load_features": lambda path: features.load_features(path + ".npz"),
    "load_features with ids": lambda path: features.load_features(path + ".npy", path),
    "readers.read_csv": readers.read_csv,
    "readers.lines": readers.lines,
    "readers.read_json": lambda path: readers.read_json(path, dict),
    "MatFile": MatFile,
    "load_npy": load_npy,
    "karpathy": captions.karpathy,
    "albef": lambda path: captions.albef(path, path, path),
    "coco": captions.coco,
    "multi30k": captions.multi30k,
    "csv_column": lambda path: captions.csv_column(path, "id", "text"),
    "fashioniq": fashioniq_cirr.fashioniq,
    "cirr": fashioniq_cirr.cirr,
    "fashion200k labels": fashion200k.read_labels,
    "fashion200k queries": lambda path: fashion200k.read_queries(path, NO_LINES),
    "tags.names": tags.names,
    "tags.members": tags.members,
    "tags.column": tags.column,
    "tags.zeros_and_ones": lambda path: list(tags.zeros_and_ones(path, 2)),
    "ranked lists": lambda path: ranked_lists.read(path + ".trec"),
    "judgements": ranked_lists.read_judgements,
    "leaderboard.read": leaderboard.read,
    "circo": benchmarks.circo,
    "genecis": benchmarks.genecis,
    "icir": benchmarks.icir,
    "lasco": benchmarks.lasco,
    "shoes": benchmarks.shoes,
    "score-judged": lambda path: judged_files.score_files(path, path, preset("circo/official")),
    "server-file": lambda path: server_files.check(path, "circo/official", path),
    "score-triplets": lambda path: triplet_files.score_files(path, path, preset("cirr/official")),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_missing_is_one_line(name, tmp_path):
    with pytest.raises(InputError) as caught:
        READERS[name](str(tmp_path / "missing"))
    assert "missing" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_back(tmp_path):
    folder = str(tmp_path / "new")
    tensors = {"model.x": weights_of()}
    checkpoint.save(folder, "last", tensors, {"step": 1, "config": {}})
    assert checkpoint.load(folder, "last")[0].keys() == tensors.keys()
    files.write_json(folder + "/a.json", {"a": 1})
    assert files.read_json(folder + "/a.json") == {"a": 1}
    labelled.save_array(folder, "text", np.eye(2))
    assert np.load(labelled.array_file(folder, "text")).shape == (2, 2)
    assert paths.shown(folder)


def weights_of():
    import torch

    return torch.ones(2)
