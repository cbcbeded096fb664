"""`cmir index` and `cmir search`, from what is typed to what is written."""

import numpy as np
from command_line import cmir, said

from cmir_repro.evaluation.features import save_features


def test_a_gallery_is_indexed_and_searched(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    save_features(tmp_path / "g.npz", np.array([f"g{n}" for n in range(20)]), vectors)
    save_features(tmp_path / "q.npz", np.array(["a", "b"]), vectors[:2])
    text = said("index", tmp_path / "g.npz", "-o", tmp_path / "index")
    assert "index: exact index of 20 vectors, " in text
    lists = tmp_path / "lists.trec"
    assert "2 queries" in said("search", tmp_path / "index", tmp_path / "q.npz", "-o", lists)
    assert lists.read_text().splitlines()[0].startswith("a Q0 g0 1 ")
    save_features(tmp_path / "w.npz", np.array(["a"]), np.ones((1, 5)))
    result = cmir("search", tmp_path / "index", tmp_path / "w.npz", "-o", lists)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "queries have 5 dimensions" in result.stderr


def test_an_index_is_verified_whole(tmp_path):
    """A sample of a large file may miss one changed byte, a digest of it does not."""
    vectors = np.random.default_rng(0).normal(size=(2_000, 64))
    save_features(tmp_path / "g.npz", np.array([f"g{n}" for n in range(2_000)]), vectors)
    said("index", tmp_path / "g.npz", "-o", tmp_path / "index")
    assert "every file is as it was written" in said("verify", tmp_path / "index")
    path = tmp_path / "index" / "vectors-00000.npy"
    data = bytearray(path.read_bytes())
    data[6_000] ^= 1  # between two pieces of the sample
    path.write_bytes(data)
    assert "2,000 vectors" in said("index", tmp_path / "g.npz", "-o", tmp_path / "index")
    result = cmir("verify", tmp_path / "index")
    assert result.exit_code == 2
    assert "vectors-00000.npy is damaged" in result.stderr
