"""A table for databases: what it holds, and that one of them finds in it what exact search does."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_features

from cmir_repro.core.errors import InputError
from cmir_repro.data import gallery_table
from cmir_repro.evaluation.nearest import nearest


@pytest.fixture
def features(tmp_path):
    vectors = tiny_features.made_up(300, 8)
    return tiny_features.shards(tmp_path / "all", [f"p{n}" for n in range(300)], vectors), vectors


def test_the_table_has_every_id_and_vectors_of_length_one(tmp_path, features, monkeypatch):
    monkeypatch.setattr(gallery_table, "ROWS", 64)
    assert gallery_table.write(features[0], tmp_path / "g.parquet") == 300
    file = pq.ParquetFile(tmp_path / "g.parquet")
    assert file.num_row_groups > 3
    table = file.read()
    assert table.column_names == ["id", "vector"]
    assert table["id"].to_pylist() == [f"p{n}" for n in range(300)]
    assert str(table.schema.field("vector").type).startswith("fixed_size_list<element: float")
    rows = np.array(table["vector"].to_pylist(), np.float32)
    wanted = features[1].astype(np.float32)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(rows, wanted, atol=1e-6)


def test_lancedb_finds_what_exact_search_does(tmp_path, features):
    """The three lines of docs/large_galleries.md."""
    lancedb = pytest.importorskip("lancedb")
    gallery_table.write(features[0], tmp_path / "g.parquet")
    batches = pq.ParquetFile(tmp_path / "g.parquet").read()
    table = lancedb.connect(str(tmp_path / "db")).create_table("gallery", batches)
    queries = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
    rows, cosines = nearest(queries, features[1].astype(np.float32), 10)
    for query, wanted, scores in zip(queries, rows, cosines, strict=True):
        found = table.search(query).distance_type("cosine").limit(10).to_list()
        assert [one["id"] for one in found] == [f"p{row}" for row in wanted]
        np.testing.assert_allclose([1 - one["_distance"] for one in found], scores, atol=1e-5)


def test_what_cannot_be_a_table_is_refused_and_nothing_is_left(tmp_path, features):
    def refused(place, name, message):
        with pytest.raises(InputError, match=message):
            gallery_table.write(place, tmp_path / name)
        assert not (tmp_path / name).exists()

    refused(features[0], "g.csv", "must end in .parquet")
    zero = tiny_features.save(tmp_path / "z.npz", "ab", np.zeros((2, 3), np.float16))
    refused(zero, "g.parquet", "z.npz: a row is zero")
    tiny_features.save(tmp_path / "w" / "1.npz", "ab", tiny_features.made_up(2, 3))
    tiny_features.save(tmp_path / "w" / "2.npz", "cd", tiny_features.made_up(2, 4))
    refused(tmp_path / "w", "g.parquet", "2.npz: rows must be vectors of 3")
    (features[0] / "part-00001-of-00003.npy").unlink()
    refused(features[0], "g.parquet", "lacks 1 of 3 shards")
