"""Files of features: every kind reads the same, and what would spoil a training is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from tiny_features import made_up, save, shards

from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_rows import FeatureRows
from cmir_repro.data.feature_store import FeatureStore, open_store
from cmir_repro.data.readers.feature_arrays import KINDS

IDS = ["a", "b", "c", "d", "e"]
SHAPES = {"vectors": (3,), "sets": (2, 3), "maps": (3, 2, 2)}


def refused(path, *parts):
    with pytest.raises(InputError) as caught:
        FeatureStore(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_kind_gives_the_rows_that_were_saved(tmp_path, suffix, shape):
    features = made_up(5, *shape, dtype="float32")
    store = FeatureStore(save(tmp_path / f"x{suffix}", IDS, features))
    assert (store.ids, store.shape, len(store)) == (IDS, shape, 5)
    rows = store.rows_of(["d", "a", "d"], "images")
    np.testing.assert_array_equal(store.take(rows), features[[3, 0, 3]])


@pytest.mark.parametrize("suffix", KINDS)
def test_a_folder_of_shards_is_one_store(tmp_path, suffix):
    features = made_up(5, 3)
    store = FeatureStore(shards(tmp_path / "all", IDS, features, suffix=suffix))
    assert store.ids == IDS
    rows = np.array([4, 0, 2, 2, 3, 1])
    found = FeatureRows(store, rows, "cpu").take(np.array([0, 5, 2]))
    np.testing.assert_array_equal(found.numpy(), features[[4, 1, 2]])


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_float16_shards_are_mapped_and_not_read(tmp_path, suffix):
    store = FeatureStore(shards(tmp_path / "all", IDS, made_up(5, 3), suffix=suffix))
    arrays = [shard.features for shard in store._shards]
    assert all(isinstance(array, np.memmap) for array in arrays)
    assert {array.dtype for array in arrays} == {np.dtype("float16")}


def test_the_digest_follows_the_content_and_the_ids(tmp_path):
    features = made_up(5, 3)
    first = FeatureStore(save(tmp_path / "a" / "x.npy", IDS, features)).digest
    assert FeatureStore(save(tmp_path / "b" / "x.npy", IDS, features)).digest == first
    assert FeatureStore(save(tmp_path / "c" / "x.npy", IDS[::-1], features)).digest != first
    assert FeatureStore(save(tmp_path / "d" / "x.npy", IDS, features * 2)).digest != first


def test_a_store_is_opened_anew_when_its_file_changes(tmp_path):
    path = save(tmp_path / "x.npz", IDS, made_up(5, 3))
    assert open_store(path) is open_store(path)
    save(path, [*IDS, "f"], made_up(6, 3))
    assert len(open_store(path)) == 6


def test_one_file_may_hold_several_views_of_an_image(tmp_path):
    ids = [f"{view}/{name}" for view in ("2d", "3d") for name in "ab"]
    store = FeatureStore(save(tmp_path / "x.npz", ids, made_up(4, 3)))
    assert store.rows_of(["b", "a"], "images", "3d").tolist() == [3, 2]
    with pytest.raises(InputError, match=r"lacks 1 of 1 images, first id 'b'.*like '2d/a'"):
        store.rows_of(["b"], "images", "4d")


def test_lengths_say_how_much_of_a_set_is_real(tmp_path):
    store = FeatureStore(save(tmp_path / "x.npz", "ab", made_up(2, 3, 4), np.array([3, 1])))
    assert store.lengths.tolist() == [3, 1]
    refused(save(tmp_path / "y.npz", "ab", made_up(2, 3, 4), np.array([3, 4])), "y.npz: lengths")


def test_a_missing_shard_is_named(tmp_path):
    folder = shards(tmp_path / "all", IDS, made_up(5, 3))
    (folder / "part-00001-of-00003.npy").unlink()
    refused(folder, "all lacks 1 of 3 shards, first part-00001-of-00003.npy", "cmir embed")


def test_shards_of_two_sets_are_refused(tmp_path):
    folder = shards(tmp_path / "all", IDS, made_up(5, 3))
    save(folder / "other.npy", ["f"], made_up(1, 3))
    refused(folder, "several sets of shards", "keep one")


def test_shards_of_another_shape_are_refused(tmp_path):
    save(tmp_path / "all" / "1.npz", "ab", made_up(2, 3))
    save(tmp_path / "all" / "2.npz", "cd", made_up(2, 4))
    refused(tmp_path / "all", "2.npz: features of one row are (4,), and in 1.npz (3,)")


def test_an_id_that_comes_twice_is_refused_across_shards(tmp_path):
    save(tmp_path / "all" / "1.npz", "ab", made_up(2, 3))
    save(tmp_path / "all" / "2.npz", "cb", made_up(2, 3))
    refused(tmp_path / "all", "2.npz: id 'b' occurs twice (first in 1.npz)", "leave one out")


@pytest.mark.parametrize("suffix", KINDS)
def test_a_number_that_is_not_finite_is_refused_with_its_id(tmp_path, suffix):
    features = made_up(5, 3)
    features[2, 1] = np.nan
    refused(save(tmp_path / f"x{suffix}", IDS, features), "features of row 2 (id 'c') are NaN")


def test_float16_that_overflowed_is_told_what_to_store(tmp_path):
    features = made_up(5, 3)
    features[2, 1] = np.inf
    refused(save(tmp_path / "x.npz", IDS, features), "float16 ends at 65504, store float32")


def test_a_number_that_float32_cannot_hold_is_refused_with_its_id(tmp_path):
    features = made_up(5, 3, dtype="float64")
    features[3, 2] = 1e300
    path = save(tmp_path / "x.npz", IDS, features)
    refused(path, "x.npz: features of row 3 (id 'd')", "read as float32, which ends at 3.4e38")


def test_ids_that_do_not_match_are_told_with_those_there_are(tmp_path):
    store = FeatureStore(save(tmp_path / "x.npz", IDS, made_up(5, 3)))
    with pytest.raises(InputError, match=r"lacks 2 of 3 images of test, first id 'y'.*like 'a'"):
        store.rows_of(["a", "y", "z"], "images of test")


BAD = {
    "no numbers": (np.array([["x"], ["y"]]), "must be float (N, D)"),
    "whole numbers": (np.ones((2, 3), int), "must be float (N, D)"),
    "one axis": (np.ones(2), "must be float (N, D)"),
    "five axes": (np.ones((2, 1, 1, 1, 1)), "must be float (N, D)"),
    "no width": (np.ones((2, 0)), "features are empty"),
    "other count": (np.ones((3, 2)), "3 features but 2 ids"),
}


@pytest.mark.parametrize(("features", "message"), BAD.values(), ids=BAD)
def test_arrays_of_another_kind_are_refused(tmp_path, features, message):
    refused(save(tmp_path / "x.npz", "ab", features), "x.npz", message)


def test_files_that_are_none_are_refused(tmp_path):
    refused(tmp_path / "none.npz", "does not exist", "cmir embed")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has no features")
    (tmp_path / "x.pt").write_bytes(b"1")
    refused(tmp_path / "x.pt", "must end in .npz, .npy, .safetensors, .parquet")
    np.save(tmp_path / "alone.npy", made_up(2, 3))
    refused(tmp_path / "alone.npy", "has no ids", "alone.txt")
    np.savez(tmp_path / "keys.npz", features=made_up(2, 3))
    refused(tmp_path / "keys.npz", "has no ids (it has features)")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "objects.txt").write_text("a\n")
    refused(tmp_path / "objects.npy", "Python objects, which can run code")


@pytest.mark.parametrize("suffix", KINDS)
def test_a_file_that_is_cut_off_is_refused(tmp_path, suffix):
    path = save(tmp_path / f"x{suffix}", IDS, made_up(5, 300))
    path.write_bytes(path.read_bytes()[:-50])
    refused(path, f"x{suffix} is truncated" if suffix == ".npy" else f"x{suffix} cannot be read")


def test_safetensors_need_ids_and_a_type_that_numpy_knows(tmp_path):
    save_file({"features": torch.zeros(2, 3)}, tmp_path / "x.safetensors")
    refused(tmp_path / "x.safetensors", "metadata lack ids")
    told = {"ids": json.dumps(["a", "b"])}
    halves = torch.zeros(2, 3, dtype=torch.bfloat16)
    save_file({"features": halves}, tmp_path / "y.safetensors", told)
    refused(tmp_path / "y.safetensors", "features are BF16; save float16 or float32")


def test_rows_of_unequal_length_in_parquet_are_refused(tmp_path):
    table = pa.table({"id": ["a", "b"], "features": [[1.0], [1.0, 2.0]]})
    pq.write_table(table, tmp_path / "x.parquet")
    refused(tmp_path / "x.parquet", "lists of 1 to 2 numbers")
