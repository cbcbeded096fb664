"""Composed retrieval on features computed elsewhere, instead of pictures and sentences."""

import numpy as np
import pytest
import tiny_features
import tiny_photos

from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.experiments import export, identity, own, shared
from cmir_repro.experiments.dim import ComposedExperiment
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.experiments.run import run
from cmir_repro.report import yours

TRAINING = {"steps": 2, "batch": 16, "evaluate_every": 2, "log_every": 1}


def configured(files, method="TIRG + DIM", **more):
    images, texts = files
    return configure(
        method=method, training=TRAINING, **{"model": {"embed_dim": 16}} | more,
        image_features=images, text_features=texts,
    )  # fmt: skip


def go(files, method="TIRG + DIM"):
    return run(configured(files, method), progress=False)


@pytest.fixture
def files(tiny_css, tmp_path):
    return tiny_features.of(tiny_css, tmp_path / "files")


def test_a_run_on_vectors_is_trained_scored_and_names_its_files(files):
    made = go(files)
    record = made.record
    assert record.config["features"] == dict(zip(("images", "texts"), map(str, files), strict=True))
    assert record.data["image_features"] == FeatureStore(files[0]).digest
    assert record.data["text_features"] == FeatureStore(files[1]).digest
    assert record.result["metrics"].keys() >= {"R@1", "R@5", "R@10"}
    assert made.losses()["bound B"].notna().all()
    assert go(files).record == record


METHODS = ("TIRG last conv + DIM", "Show and Tell", "MRN", "FiLM", "Relationship", "ComposeAE")
SHAPES = {"vectors": ((12,), (10,)), "sets": ((5, 12), (4, 10)), "maps": ((12, 3, 2), (4, 10))}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_every_kind_of_fusion_reads_vectors_sets_and_maps(tiny_css, tmp_path, method, shapes):
    files = tiny_features.of(tiny_css, tmp_path, *shapes)
    assert go(files, method).record.result["queries"] > 0


def test_pictures_with_features_of_sentences_and_the_reverse(files):
    for chosen in ((files[0], ""), ("", files[1])):
        record = go(chosen, "TIRG").record
        assert ("image_features" in record.data, "text_features" in record.data) == (
            bool(chosen[0]),
            bool(chosen[1]),
        )


def test_what_the_features_say_decides_what_is_learnt(tiny_css, files, tmp_path):
    first = go(files).features
    other = tiny_features.of(tiny_css, tmp_path / "other")
    images = tiny_features.made_up(len(tiny_css.images), 12, seed=5)
    tiny_features.save(other[0], tiny_css.images["image"], images)
    assert not np.array_equal(first.gallery, go(other).features.gallery)


def test_a_file_that_changes_makes_the_run_anew(tiny_css, files, capsys):
    old = go(files).record.data["image_features"]
    images = tiny_features.made_up(len(tiny_css.images), 12, seed=5)
    tiny_features.save(files[0], tiny_css.images["image"], images)
    assert go(files).record.data["image_features"] != old
    assert "is made anew" in capsys.readouterr().out


def test_the_order_of_rows_in_a_file_does_not_matter(tiny_css, files, tmp_path):
    first = go(files).features
    store = FeatureStore(files[0])
    order = np.random.default_rng(0).permutation(len(store))
    ids = np.array(store.ids)[order]
    turned = tiny_features.save(tmp_path / "turned.npz", ids, store.take(order))
    np.testing.assert_array_equal(first.gallery, go((turned, files[1])).features.gallery)


def test_a_run_without_features_keeps_its_name():
    """The field is left out where it is empty, or every record of the ledger would be stale."""
    assert "features" not in configure().model_dump(mode="json")
    named = identity.name(configured(("a.npz", "b.npz")))
    assert named != identity.name(configured(("a.npz", "c.npz")))


def test_texts_may_be_named_by_their_queries(tiny_css, files, tmp_path):
    texts = FeatureStore(files[1])
    queries = tiny_css.queries
    named = texts.take(texts.rows_of(queries["text"], "sentences"))
    by_query = tiny_features.save(tmp_path / "named.npz", queries["query"], named)
    first = go(files).features.queries
    np.testing.assert_array_equal(first, go((files[0], by_query)).features.queries)


def test_queries_with_one_sentence_but_two_features_are_refused(tiny_css, files, tmp_path):
    queries = tiny_css.queries
    assert queries["text"].duplicated().any()
    odd = tiny_features.made_up(len(queries), 10)
    path = tiny_features.save(tmp_path / "odd.npz", queries["query"], odd)
    with pytest.raises(InputError, match=r"are the same sentence .* with different features"):
        go((files[0], path))


def test_sentences_that_are_drawn_are_found_by_their_words(tmp_path, monkeypatch, tiny_css):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    data = tiny_photos.write(tmp_path / "data" / "photos")
    files = tiny_features.of(data, tmp_path)
    sentences = [
        f"replace {a} with {b}"
        for words in (tiny_photos.COLOURS, tiny_photos.TYPES)
        for a in words
        for b in words
        if a != b
    ]
    features = tiny_features.made_up(len(sentences), 10)
    tiny_features.save(files[1], sentences, features)
    config = configure(
        "photos", method="TIRG", training=TRAINING | {"batch": 8}, model={"embed_dim": 8},
        image_features=files[0], text_features=files[1],
    )  # fmt: skip
    assert run(config, progress=False).record.result["queries"] > 0
    tiny_features.save(files[1], sentences[:3], features[:3])
    with pytest.raises(InputError, match=r"lacks features of \d+ of \d+ sentences, first 'replace"):
        run(config, progress=False)


def test_a_trained_model_is_exported_and_loaded_without_its_files(files, tmp_path):
    record = go(files).record
    export.export(record.run, tmp_path / "shared")
    for path in files:
        path.unlink()
    model = shared.load(tmp_path / "shared").model
    assert model.image.channels["block2"] == 12


def test_a_picture_that_is_asked_with_is_known_by_its_features(tiny_css, files):
    made = go(files, "TIRG")
    name = tiny_css.images["image"].iloc[3]
    found = made.task.picture(name)
    np.testing.assert_array_equal(found[0], FeatureStore(files[0]).take(np.array([3]))[0])
    with pytest.raises(InputError, match=r"'photo\.jpg' is no id of css, say"):
        made.task.picture("photo.jpg")


def test_missing_images_and_sentences_are_refused_in_one_line(tiny_css, files, tmp_path):
    images = tiny_css.images["image"].tolist()
    few = tiny_features.save(tmp_path / "few.npz", images[:3], tiny_features.made_up(3, 12))
    with pytest.raises(InputError, match=r"few.npz lacks \d+ of \d+ images of train"):
        go((few, files[1]))
    words = tiny_features.save(tmp_path / "words.npz", ["red"], tiny_features.made_up(1, 10))
    with pytest.raises(InputError, match=r"words.npz lacks features of \d+ of \d+ sentences"):
        go((files[0], words))
    maps = tiny_features.save(tmp_path / "m.npz", ["red"], tiny_features.made_up(1, 3, 2, 2))
    with pytest.raises(InputError, match=r"m.npz: features of one text are \(3, 2, 2\)"):
        go((files[0], maps))


def test_encoders_and_files_go_together(files):
    with pytest.raises(InputError, match="css has no features of its images, which the encoder"):
        ComposedExperiment(configure(model={"image_encoder": "features"})).sizes()
    with pytest.raises(InputError, match="features of images and the encoder 'features' go toget"):
        configured(files, model={"image_encoder": "convnet", "image_weights": "none"})
    with pytest.raises(InputError, match="features of texts and the encoder 'features' go togeth"):
        configure(model={"text_encoder": "features"})
    with pytest.raises(InputError, match="the encoder of texts is 'lstm'"):
        configured(files).make(
            **configured(("", "")).model_dump() | {"features": {"texts": "x.npz"}}
        )


def test_a_set_of_other_length_is_masked(tiny_css, tmp_path):
    """What stands behind a sentence's length never matters."""
    files = tiny_features.of(tiny_css, tmp_path, text_shape=(4, 10))
    store = FeatureStore(files[1])
    features, lengths = store.take(np.arange(len(store))), np.full(len(store), 2)
    images = files[0]
    short = tiny_features.save(tmp_path / "short.npz", store.ids, features, lengths)
    first = ComposedExperiment(configured((images, short)), progress=False)
    changed = features.copy()
    changed[:, 2:] = 7
    other = tiny_features.save(tmp_path / "other.npz", store.ids, changed, lengths)
    second = ComposedExperiment(configured((images, other)), progress=False)
    queries = [e.embed(e.untrained(), "test").queries for e in (first, second)]
    np.testing.assert_array_equal(*queries)


def test_a_run_on_features_is_a_row_of_its_own(files):
    record = go(files, "TIRG").record
    ((name, records),) = own.rows("dim", "css", "mini", "3d-3d").items()
    assert (name, records) == ("TIRG on images and texts", [record])
    (shown,) = yours.table("dim", "css", "mini", "3d-3d")["method"].tolist()[-1:]
    assert shown == "TIRG on images and texts (yours)"
