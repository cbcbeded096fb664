"""An index on disk: what it finds, how it goes on, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
import tiny_features

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation import ranked_lists
from cmir_repro.evaluation.index import build, card, ivfpq, listing, search
from cmir_repro.evaluation.nearest import load_faiss, nearest

N, D, Q = 10_000, 16, 40
IDS = [f"picture {n}" for n in range(N)]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    faiss = load_faiss()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


@pytest.fixture(scope="module")
def gallery():
    """(N, D) float16 around 200 centres, and (Q, D) float32 near its first rows."""
    r = np.random.default_rng(0)
    centres = r.normal(size=(200, D))
    vectors = (centres[r.integers(200, size=N)] + 0.5 * r.normal(size=(N, D))).astype(np.float16)
    return vectors, (vectors[:Q] + 0.2 * r.normal(size=(Q, D))).astype(np.float32)


@pytest.fixture(scope="module")
def features(tmp_path_factory, gallery):
    return tiny_features.shards(tmp_path_factory.mktemp("features") / "all", IDS, gallery[0])


@pytest.fixture(scope="module")
def near(tmp_path_factory, features):
    """An IVF-PQ index in four parts."""
    folder = tmp_path_factory.mktemp("near") / "index"
    made(features, folder, kind="ivfpq", cells=50, code=8, part=3000)
    return folder


def made(features, folder, **options):
    return build.build(features, folder, progress=False, **options)


def few(folder, count=30, **kind):
    ids = [f"p{n}" for n in range(count)]
    return tiny_features.shards(folder, ids, tiny_features.made_up(count, 6), **kind)


def refused(call, *parts):
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# What is found


@pytest.mark.parametrize("part", [N, 3000], ids=["whole", "parts"])
def test_an_exact_index_gives_the_lists_of_nearest(tmp_path, features, gallery, part):
    kept = made(features, tmp_path / "index", part=part)
    assert (kept.kind, kept.count, kept.dimension) == ("exact", N, D)
    rows, scores = search.Index(tmp_path / "index").search(gallery[1], 20)
    wanted, cosines = nearest(gallery[1], gallery[0], 20)
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_allclose(scores, cosines, atol=1e-6)


def test_probing_every_cell_with_exact_scores_is_exact(near, features, gallery):
    rows, scores = search.Index(near, features).search(gallery[1], 10, probe=50)
    wanted, cosines = nearest(gallery[1], gallery[0], 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, wanted, strict=True)]) > 0.98
    same = rows == wanted
    np.testing.assert_allclose(scores[same], cosines[same], atol=1e-6)


def test_recall_grows_with_the_cells_that_are_looked_into(near, gallery):
    asked, wanted = search.Index(near), nearest(gallery[1], gallery[0], 10)[0]
    found = [
        np.mean([len(set(a) & set(b)) for a, b in zip(rows, wanted, strict=True)])
        for rows in (asked.search(gallery[1], 10, probe=p)[0] for p in (1, 4, 50))
    ]
    assert found[0] < found[1] <= found[2] + 0.5
    assert found[2] > 5


def test_codes_and_lists_are_those_of_faiss(near, features):
    """The lists on the disk are what faiss makes in memory of the same centroids and codebooks."""
    faiss, built = load_faiss(), ivfpq.trained(near)
    kept = card.read(near)
    for _, rows in listing.blocks(features):
        built.add(rows)
    opened = ivfpq.opened(near, kept)
    query = np.random.default_rng(1).normal(size=(5, D)).astype(np.float32)
    built.nprobe = opened.nprobe = 10
    (scores, rows), (again, there) = built.search(query, 30), opened.search(query, 30)
    np.testing.assert_allclose(scores, again, atol=1e-6)
    assert (rows == there).mean() > 0.95  # equal scores stand in any order
    assert faiss.extract_index_ivf(opened).invlists.compute_ntotal() == N


def test_lists_are_written_as_ranked_lists(tmp_path, features, gallery):
    made(features, tmp_path / "index")
    ids = [f"q{n}" for n in range(Q)]
    asked = tiny_features.save(tmp_path / "q.npz", ids, gallery[1])
    out = tmp_path / "lists.parquet"
    assert search.write_lists(tmp_path / "index", asked, out, 5, batch=7, progress=False) == Q
    lists = ranked_lists.read(out)
    assert list(lists) == ids
    wanted, _ = nearest(gallery[1], gallery[0], 5)
    for name, rows in zip(ids, wanted, strict=True):
        assert lists[name].items.tolist() == [IDS[row] for row in rows]
        assert (np.diff(lists[name].scores) <= 0).all()


def test_more_than_there_is_ends_in_gaps(tmp_path):
    made(few(tmp_path / "f"), tmp_path / "index")
    rows, scores = search.Index(tmp_path / "index").search(np.ones((2, 6)), 40)
    assert rows.shape == scores.shape == (2, 40)
    assert (rows[:, 30:] == -1).all()
    assert np.isneginf(scores[:, 30:]).all()


def test_ids_of_any_signs_come_back(tmp_path):
    ids = ["a b", "é/2", "x", "猫"]
    file = tiny_features.save(tmp_path / "f.npz", ids, tiny_features.made_up(4, 3))
    made(file, tmp_path / "index")
    found = search.Index(tmp_path / "index").ids(np.array([3, 0, 1]))
    assert found.tolist() == ["猫", "a b", "é/2"]


def test_the_bound_of_memory_chooses_the_kind(tmp_path, features):
    assert made(features, tmp_path / "large", memory=0.2).kind == "exact"
    small = N * D * 4 / 2**30 * 0.9
    refused(lambda: made(features, tmp_path / "no", memory=small), "is too small: ivfpq of 10,000")
    assert build.needed("ivfpq", N, D, 16, 50, 1000) < build.needed("ivfpq", N, D, 16, 50, 9000)


def test_building_takes_no_more_memory_at_four_times_the_items(tmp_path):
    """Rows that are held as float32 at once are those of a block or a part, not of the gallery."""
    kept = [build.needed("exact", n, 512, 0, 0) - 24 * n for n in (4_000_000, 16_000_000)]
    assert kept[0] == kept[1]
    sizes = [len(rows) for _, rows in listing.blocks(few(tmp_path / "f"), rows=4)]
    assert max(sizes) == 4
    assert sum(sizes) == 30


# Going on, and being alone


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_a_broken_off_index_goes_on_and_is_the_same(tmp_path, features, near, kind, monkeypatch):
    options = {"kind": kind, "part": 3000} | ({"cells": 50, "code": 8} if kind == "ivfpq" else {})
    real, calls = listing.blocks, []

    def broken(features, start=0, stop=None, rows=listing.BLOCK):
        calls.append(start)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(features, start, stop, rows)

    monkeypatch.setattr(listing, "blocks", broken)
    with pytest.raises(KeyboardInterrupt):
        made(features, tmp_path / "index", **options)
    refused(lambda: search.Index(tmp_path / "index"), "no finished index", "let the same cmir")
    assert made(features, tmp_path / "index", **options).kind == kind
    assert calls == [0, 3000, 6000, 6000, 9000]  # nothing that was whole is made again
    if kind == "ivfpq":
        names = ("centroids.npy", "codebooks.npy", "sizes.npy", "lists.bin", "ids.txt", "ids.npy")
        for name in names:
            assert (tmp_path / "index" / name).read_bytes() == (near / name).read_bytes(), name
    assert not (tmp_path / "index" / build.BUILDING).exists()


def test_a_refused_setting_leaves_what_was_begun(tmp_path, monkeypatch):
    features, folder = few(tmp_path / "f"), tmp_path / "index"
    with monkeypatch.context() as patch:
        patch.setattr(build, "_exact", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made(features, folder)
    refused(lambda: made(features, folder, memory=1e-6), "--memory 1e-06 is too small")
    monkeypatch.setattr(listing, "look", None)  # is not looked at again
    assert made(features, folder).count == 30


def test_one_that_was_killed_before_its_plan_was_whole_goes_on(tmp_path):
    (tmp_path / "index" / build.BUILDING / ".partial-1-elsewhere-x").mkdir(parents=True)
    assert made(few(tmp_path / "f"), tmp_path / "index").count == 30


def test_a_finished_index_is_found_and_not_built_again(tmp_path, monkeypatch):
    features = few(tmp_path / "f")
    first = made(features, tmp_path / "index")
    monkeypatch.setattr(listing, "look", None)
    assert made(features, tmp_path / "index") == first


def test_other_features_do_not_go_on_with_it(tmp_path):
    features = few(tmp_path / "f")
    made(features, tmp_path / "index")
    other = few(tmp_path / "g", 31)
    refused(lambda: made(other, tmp_path / "index"), "holds an index of other features")
    (tmp_path / "index" / card.NAME).unlink()
    refused(lambda: made(other, tmp_path / "index"), "is not empty and holds no index")


@pytest.mark.parametrize(
    "other", [{"cells": 51}, {"code": 4}, {"seed": 1}, {"kind": "exact"}], ids=lambda o: min(o)
)
def test_other_settings_are_another_index(near, features, other):
    same = {"kind": "ivfpq", "cells": 50, "code": 8, "part": 3000}
    assert made(features, near, **same).cells == 50
    refused(lambda: made(features, near, **same | other), "holds an index of other features or se")


def test_a_beginning_of_others_is_refused(tmp_path, monkeypatch):
    features, folder = few(tmp_path / "f"), tmp_path / "index"
    monkeypatch.setattr(listing, "look", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(features, folder)
    refused(lambda: made(features, folder, seed=1), "the beginning of an index of other features")


# What cannot be used


def test_a_missing_shard_is_named_and_nothing_is_built(tmp_path):
    features = few(tmp_path / "f")
    (features / "part-00001-of-00003.npy").unlink()
    refused(lambda: made(features, tmp_path / "index"), "lacks 1 of 3 shards, first part-00001")
    assert not (tmp_path / "index").exists()


def test_a_half_written_shard_is_named(tmp_path):
    features = few(tmp_path / "f")
    path = features / "part-00002-of-00003.npy"
    path.write_bytes(path.read_bytes()[:-7])
    refused(lambda: made(features, tmp_path / "index"), "part-00002-of-00003.npy is truncated")
    refused(lambda: search.Index(tmp_path / "index"), "no finished index")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.__setitem__((12, 1), np.nan), "row 2 (id 'p12') are NaN"),
        (lambda x: x.__setitem__(12, 0), "row 2 (id 'p12') are zero"),
    ],
    ids=["nan", "zero"],
)
def test_numbers_without_a_cosine_are_refused(tmp_path, change, message):
    vectors = tiny_features.made_up(30, 6)
    change(vectors)
    features = tiny_features.shards(tmp_path / "f", [f"p{n}" for n in range(30)], vectors)
    refused(lambda: made(features, tmp_path / "index"), "part-00001-of-00003.npy", message)
    assert not (tmp_path / "index").exists()


def test_ids_that_come_twice_and_rows_of_another_width_are_refused(tmp_path):
    tiny_features.save(tmp_path / "f" / "1.npz", "ab", tiny_features.made_up(2, 3))
    tiny_features.save(tmp_path / "f" / "2.npz", "cb", tiny_features.made_up(2, 3))
    refused(lambda: made(tmp_path / "f", tmp_path / "i"), "2.npz: id 'b' occurs twice", "1.npz")
    tiny_features.save(tmp_path / "f" / "2.npz", "cd", tiny_features.made_up(2, 4))
    refused(lambda: made(tmp_path / "f", tmp_path / "j"), "2.npz: rows have 4 dimensions", "3")
    sets = tiny_features.save(tmp_path / "s.npz", "ab", tiny_features.made_up(2, 3, 4))
    refused(lambda: made(sets, tmp_path / "k"), "s.npz: an index takes a vector a row")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "hnsw"}, "kind 'hnsw' is unknown; allowed: auto, exact, ivfpq"),
        ({"kind": "ivfpq"}, "ivfpq is for 9,984 and more; take --kind exact"),
        ({"kind": "exact", "memory": 1e-6}, "--memory 1e-06 is too small: exact of 30 vectors"),
        ({"seed": -1}, "seed -1"),
    ],
    ids=["kind", "few", "memory", "seed"],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, options, message):
    features = few(tmp_path / "f")
    refused(lambda: made(features, tmp_path / "index", **options), message)
    assert not (tmp_path / "index").exists()
    assert made(features, tmp_path / "index", kind="exact").count == 30  # as it advises


def test_cells_that_cannot_be_trained_are_refused(tmp_path, features):
    many = {"kind": "ivfpq", "cells": 300}
    refused(lambda: made(features, tmp_path / "i", **many), "--cells 300 must be from 1 to 256")


def test_queries_of_another_model_are_refused(tmp_path):
    features = few(tmp_path / "f")
    told = {"model": "CLIP", "weights": "a" * 64}
    (features / listing.TOLD).write_text(json.dumps(told))
    made(features, tmp_path / "index")
    wide = tiny_features.save(tmp_path / "q.npz", "ab", tiny_features.made_up(2, 7))
    ask = lambda q, out="l.trec": search.write_lists(  # noqa: E731
        tmp_path / "index", q, tmp_path / out, 3, progress=False
    )
    refused(lambda: ask(wide), "q.npz: queries have 7 dimensions", "was built from 6")
    queries = few(tmp_path / "q")
    (queries / listing.TOLD).write_text(json.dumps(told | {"weights": "b" * 64}))
    refused(lambda: ask(queries), "model 'CLIP'", "of other weights")
    (queries / listing.TOLD).unlink()
    refused(lambda: ask(queries, "lists.csv"), "must end in .parquet, .trec")
    assert ask(queries) == 30


def test_other_features_do_not_rerank(near, tmp_path):
    refused(lambda: search.Index(near, few(tmp_path / "f")), "is not what the index was built")


@pytest.mark.parametrize("name", ["lists.bin", "centroids.npy", "ids.txt", "sizes.npy"])
@pytest.mark.parametrize("how", ["cut", "changed", "gone"])
def test_a_damaged_index_is_refused(near, tmp_path, name, how):
    folder = tmp_path / "index"
    shutil.copytree(near, folder)
    data = bytearray((folder / name).read_bytes())
    if how == "gone":
        (folder / name).unlink()
    else:
        data[-1] ^= 1
        (folder / name).write_bytes(data[:-1] if how == "cut" else data)
    said = "is missing" if how == "gone" else "is damaged"
    refused(lambda: search.Index(folder), name, said)


def test_lists_beyond_their_file_are_refused_even_with_a_card_that_says_so(near, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(near, folder)
    sizes = np.load(folder / "sizes.npy")
    sizes[0], sizes[1] = sizes[0] + 2**40, sizes[1] - 2**40
    np.save(folder / "sizes.npy", sizes)
    facts = json.loads((folder / card.NAME).read_text())
    facts["files"]["sizes.npy"] = card.described(folder / "sizes.npy").model_dump()
    (folder / card.NAME).write_text(json.dumps(facts))
    refused(lambda: search.Index(folder), "the lists do not fit index.json")


def test_probes_and_depths_that_make_no_sense_are_refused(near, gallery):
    asked = search.Index(near)
    refused(lambda: asked.search(gallery[1], 5, probe=51), "probe 51 must be from 1 to the 50")
    refused(lambda: asked.search(gallery[1], 0), "depth must be at least 1")
