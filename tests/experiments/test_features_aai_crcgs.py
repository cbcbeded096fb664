"""Image <-> sentence and label-based retrieval on features computed elsewhere."""

import numpy as np
import pytest
import tiny_features
import tiny_runs

from cmir_repro.core.errors import InputError
from cmir_repro.data import sentences
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.run import run

SHAPES = {"vectors": ((12,), (10,)), "sets": ((5, 12), (4, 10)), "maps": ((12, 3, 2), (4, 10))}
SMALL = {"width": 16, "embed_dim": 8, "heads": 2, "fusion_layers": 1, "text_layers": 1}


def told(data, folder, image_shape=(12,), text_shape=(10,)):
    """Features of all images, and of all sentences by their ids."""
    table = sentences.sentences(data, "3d")
    texts = table.drop_duplicates("text")
    images = data.images["image"].tolist()
    return (
        tiny_features.save(folder / "i.npz", images,
                           tiny_features.made_up(len(images), *image_shape)),
        tiny_features.save(folder / "t.npz", texts["text"],
                           tiny_features.made_up(len(texts), *text_shape, seed=1)),
    )  # fmt: skip


def pairs_config(files, method="AAI", **model):
    return aai.configure(
        method=method, model=SMALL | model, training=tiny_runs.TRAINING,
        image_features=files[0], text_features=files[1],
    )  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_aai_reads_vectors_sets_and_maps(tiny_css, tmp_path, shapes):
    files = told(tiny_css, tmp_path, *shapes)
    record = run(pairs_config(files), progress=False).record
    assert record.data["image_features"] == FeatureStore(files[0]).digest
    assert record.data["text_features"] == FeatureStore(files[1]).digest
    assert record.result["metrics"]["RSUM"]["value"] > 0


def test_aai_reads_pictures_with_features_of_sentences_and_the_reverse(tiny_css, tmp_path):
    files = told(tiny_css, tmp_path)
    for chosen in ((files[0], ""), ("", files[1])):
        made = run(pairs_config(chosen, aai.REFERENCE), progress=False)
        assert made.record.result["metrics"]["RSUM"]["value"] > 0


def test_what_aai_cannot_do_with_ready_words_is_refused(tiny_css, tmp_path):
    files = told(tiny_css, tmp_path)
    with pytest.raises(InputError, match="no words to mask or drop"):
        pairs_config(files, mlm=1.0)
    with pytest.raises(InputError, match="are for the encoder 'regions', not for 'convnet'"):
        pairs_config(files, image_encoder="convnet")
    with pytest.raises(InputError, match="the encoder of texts is 'bigru'"):
        pairs_config(files, text_encoder="bigru")


def labelled_config(files):
    made = tiny_runs.config("crcgs")
    given = crcgs.configure(image_features=files[0], text_features=files[1])
    return made.model_copy(update={"features": given.features})


def of_images(data, folder, shape=(12,)):
    """Features of the pictures and of the text of each, by the ids of the images."""
    images = data.images["image"].tolist()
    return tuple(
        tiny_features.save(folder / f"{name}.npz", images,
                           tiny_features.made_up(len(images), *shape, seed=seed))
        for seed, name in enumerate(("i", "t"))
    )  # fmt: skip


def test_crcgs_reads_vectors_of_images_and_texts(tiny_css, tmp_path):
    files = of_images(tiny_css, tmp_path)
    made = run(labelled_config(files), progress=False)
    assert made.record.data["text_features"] == FeatureStore(files[1]).digest
    task = made.task
    assert (task.features.shape[1], task.text.shape[1]) == (12, 12)
    store = FeatureStore(files[1])
    expected = store.take(store.rows_of(task.labelled.ids, "images")).astype(float)
    scale = np.sqrt(np.mean(expected[task.labelled.train] ** 2))
    np.testing.assert_allclose(task.text, expected / scale, rtol=1e-5)


def test_crcgs_wants_vectors_of_every_image(tiny_css, tmp_path):
    with pytest.raises(InputError, match=r"t.npz: features of one row are \(3, 12\); this system"):
        run(labelled_config(of_images(tiny_css, tmp_path, (3, 12))), progress=False)
    files = of_images(tiny_css, tmp_path / "few")
    tiny_features.save(files[1], ["x"], tiny_features.made_up(1, 12))
    with pytest.raises(InputError, match=r"t.npz lacks \d+ of \d+ images"):
        run(labelled_config(files), progress=False)
    with pytest.raises(InputError, match="are for the encoder 'features', not for 'convnet'"):
        crcgs.configure(model={"image_encoder": "convnet"}, image_features=files[0])
