"""Composed data sets prepared from features of their images, in the place of pictures."""

import functools

import command_line
import numpy as np
import pytest
import tiny_fashion200k
import tiny_features
import tiny_releases

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data import training_pairs
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashioniq_cirr as annotations
from cmir_repro.evaluation import fashioniq_cirr, triplet_files
from cmir_repro.experiments import embed, training_free
from cmir_repro.experiments import run as experiments
from cmir_repro.experiments.dim import official_scores
from cmir_repro.experiments.presets.dim import configure
from data_scripts import cirr, fashion200k, fashioniq, mitstates

SCRIPTS = {"fashioniq": fashioniq, "cirr": cirr, "fashion200k": fashion200k, "mitstates": mitstates}
TRAINING = {"steps": 2, "batch": 4, "evaluate_every": 2, "log_every": 1}


def states() -> list[str]:
    """Two adjectives of two test nouns and of six others, two pictures each."""
    nouns = ("camera", "wheel", "door", "dog", "cat", "car", "box", "cup")
    return [f"{word} {noun}/{n}.jpg" for noun in nouns for word in ("old", "new") for n in (1, 2)]


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A raw release by its name: its annotations, and what it calls its pictures."""
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))

    def made(name: str):
        root = tmp_path / "raw"
        if name == "mitstates":
            return None, states()
        if name == "fashion200k":
            root = tiny_fashion200k.write_release(tmp_path, monkeypatch)
            for picture in root.glob("women/**/*.jpeg"):
                picture.unlink()
            return root, list(fashion200k.read_labels(root)["path"].unique())
        if name == "fashioniq":
            tiny_releases.fashioniq(root)
        else:
            tiny_releases.cirr(root, train_triplets=8)
        return root, list(getattr(annotations, name)(root).images["label"].unique())

    return made


def save(tmp_path, ids, *shape, name="clip.npz", seed=0):
    return tiny_features.save(
        tmp_path / name, ids, tiny_features.made_up(len(ids), *shape, seed=seed)
    )


def prepare(name: str, root, features, *more) -> Prepared:
    where = () if root is None else ("--root", root)
    partial = ("--partial",)
    words = (*where, "--image-features", features, *partial, *more)
    command_line.run(SCRIPTS[name].prepare, *map(str, words))
    return Prepared(paths.data() / name)


@pytest.fixture
def prepared(release, tmp_path):
    def made(name: str, *shape) -> Prepared:
        root, ids = release(name)
        return prepare(name, root, save(tmp_path, ids, *(shape or (12,))))

    return made


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_image_keeps_the_features_that_the_file_has_of_it(name, release, tmp_path):
    root, ids = release(name)
    path = save(tmp_path, ids[::-1], 12)
    data = prepare(name, root, path)
    found = data.gather(np.arange(len(data.images)), lambda part: data.ready("image", part))
    of = dict(zip(ids[::-1], np.load(path)["features"], strict=True))
    key = "label" if name in ("fashioniq", "cirr") else "image"
    np.testing.assert_array_equal(found, [of[name] for name in data.images[key]])
    assert data.views == []
    assert data.info["tasks"] == {"photo": ["photo", "photo"]}
    assert data.info["provenance"]["features"] == "(12,) float16"


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("shape", [(12,), (12, 3, 2)], ids=["vectors", "maps"])
def test_it_trains_and_is_scored_without_a_picture(name, shape, prepared):
    prepared(name, *shape)
    config = configure(name, method="TIRG + DIM", model={"embed_dim": 8}, training=TRAINING)
    assert config.model.image_encoder == "features"
    made = experiments.run(config, progress=False)
    assert made.record.result["queries"] > 0
    assert made.losses()["bound B"].notna().all()


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_trains_on_features_of_all_sentences_that_embed_finds(name, prepared, tmp_path):
    """Those of pairs that training draws are among them, and what lacks is said before a step."""
    data = prepared(name)
    texts = embed.texts_of(data.folder).ids
    path = save(tmp_path, texts, 12, name="texts.npz")
    settings = {"model": {"embed_dim": 8}, "text_features": path}
    config = configure(name, training={**TRAINING, "steps": 8, "evaluate_every": 8}, **settings)
    assert experiments.run(config, progress=False).record.result["queries"] > 0
    rule = data.info.get("training_pairs")
    if rule is None:
        return
    drawn = training_pairs.build(rule, data.images[data.images["split"] == "train"]).texts()
    kept = [text for text in texts if text != drawn[0]]
    few = save(tmp_path, kept, 12, name="few.npz")
    config = configure(name, training=TRAINING, **settings | {"text_features": few})
    with pytest.raises(InputError, match=f"few.npz lacks features of 1 of .* '{drawn[0]}'"):
        experiments.run(config, progress=False)


def test_other_features_make_other_data_and_another_run(release, tmp_path):
    root, ids = release("fashioniq")
    first = prepare("fashioniq", root, save(tmp_path, ids, 12)).manifest_hash
    with pytest.raises(InputError, match="was prepared with other features_sha256"):
        prepare("fashioniq", root, save(tmp_path, ids, 12, name="other.npz", seed=1))
    assert Prepared(paths.data() / "fashioniq").manifest_hash == first


@pytest.mark.parametrize("name", ["fashioniq", "cirr"])
def test_every_official_rule_scores_such_a_run(name, prepared):
    prepared(name)
    config = configure(name, method="TIRG", model={"embed_dim": 8}, training=TRAINING)
    found = official_scores(experiments.run(config, progress=False))
    assert found
    assert {rule.partition("/")[0] for rule in found} == {name}


def test_baselines_without_training_read_the_features_of_the_data(prepared, tmp_path):
    data = prepared("fashioniq")
    texts = save(tmp_path, sorted(set(data.queries["text"])), 12, name="texts.npz")
    rows = training_free.record("", texts, dataset="fashioniq", methods=["image", "slerp"])
    assert rows[0].method == "Image of texts, untrained"
    assert rows[0].files.keys() == {"text_features"}
    part = data.retrieval("test")
    images = data.gather(part.gallery, lambda one: data.ready("image", one)).astype(float)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    near = images[part.source] @ images.T
    near[np.arange(len(near)), part.source] = -9
    hits = near.argmax(1) == part.target
    assert rows[0].result["metrics"]["R@1"]["value"] == pytest.approx(100 * hits.mean())


def test_a_prepared_folder_serves_as_annotations(release, prepared, tmp_path):
    data = prepared("cirr")
    triplets = fashioniq_cirr.of_prepared(data)
    folder = tmp_path / "mine"
    save(folder, list(triplets.images), 6, name="images.npz")
    save(folder, [name.partition("/")[2] for name in triplets.ids], 6, name="queries-1.npz", seed=1)
    rule = preset("cirr/official")
    released = triplet_files.score_files(folder, tmp_path / "raw", rule)
    found = triplet_files.score_files(folder, data.folder, rule)
    assert found["metrics"] == released["metrics"]


def test_names_of_files_are_found_with_and_without_folder_and_ending(release, tmp_path):
    root, ids = release("fashion200k")
    of = dict(zip(ids, tiny_features.made_up(len(ids), 12), strict=True))
    bare = [name.removesuffix(".jpeg") for name in ids]
    for number, spelt in enumerate((bare, [name.rpartition("/")[2] for name in bare])):
        data = prepare("fashion200k", root, save(tmp_path, spelt, 12, name=f"{number}.npz"))
        found = data.gather(np.arange(len(data.images)), functools.partial(data.ready, "image"))
        np.testing.assert_array_equal(found, [of[name] for name in data.images["image"]])
        (data.folder / "dataset.json").unlink()


def refused(message: str, name: str, root, path, *more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        prepare(name, root, path, *more)
    assert "\n" not in str(caught.value)
    assert not (paths.data() / name / "dataset.json").exists()


def test_images_without_features_are_refused_counted_or_left_out(release, tmp_path):
    root, ids = release("fashioniq")
    lost = ids.index("B0VALDRESS1")
    path = save(tmp_path, ids[:lost] + ids[lost + 1 :], 12)
    message = (
        r"clip.npz has no features of 1 of \d+ images, first 'B0VALDRESS1' .*its ids are like "
        r"'B0TRAINDRESS0'\): test/dress 1 of 4 images, which 2 of its 2 queries need\. Compute .*"
        "--allow-missing"
    )
    refused(message, "fashioniq", root, path)
    data = prepare("fashioniq", root, path, "--allow-missing")
    assert "B0VALDRESS1" not in set(data.images["label"])
    assert "1 pictures missing" in data.info["protocol"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_ids_of_something_else_are_refused(name, release, tmp_path):
    root, ids = release(name)
    path = save(tmp_path, [f"row{n}" for n in range(len(ids))], 12)
    refused(
        r"clip.npz.*(no features of|no id is 'adjective noun/file').*like 'row0'", name, root, path
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_numbers_that_are_not_finite_are_refused(name, release, tmp_path):
    root, ids = release(name)
    features = tiny_features.made_up(len(ids), 12)
    features[3, 4] = np.nan
    path = tiny_features.save(tmp_path / "clip.npz", ids, features)
    refused(
        r"clip.npz: features of row 3 \(id '.*'\) are NaN or infinite; compute", name, root, path
    )


def test_shards_of_two_widths_are_refused(release, tmp_path):
    root, ids = release("cirr")
    for number, width in enumerate((12, 10)):
        save(tmp_path / "clip", ids[number::2], width, name=f"{number}.npy")
    refused(r"1.npy: features of one row are \(10,\), and in 0.npy \(12,\)", "cirr", root,
            tmp_path / "clip")  # fmt: skip


def test_texts_of_another_width_are_refused_by_the_baselines(prepared, tmp_path):
    data = prepared("cirr")
    texts = save(tmp_path, sorted(set(data.queries["text"])), 10, name="texts.npz")
    with pytest.raises(InputError, match=r"has 12 numbers .*texts.npz has 10 numbers"):
        training_free.record("", texts, dataset="cirr", methods=["sum"])


def test_what_needs_pictures_says_so(prepared):
    data = prepared("cirr")
    with pytest.raises(InputError, match="cirr was prepared without pictures; what shows or reads"):
        data.take("photo", np.arange(2))
    model = {"image_encoder": "convnet", "image_weights": "none", "embed_dim": 8}
    with pytest.raises(InputError, match="cirr was prepared without pictures"):
        experiments.run(configure("cirr", model=model, training=TRAINING), progress=False)


def test_pictures_and_features_are_not_both_taken(release, tmp_path):
    root, ids = release("cirr")
    path = save(tmp_path, ids, 12)
    refused("give one of --images, --image-features", "cirr", root, path, "--images", tmp_path)
    path = save(tmp_path, states(), 12, name="states.npz")
    refused("give one of --root, --archive, --image-features", "mitstates", tmp_path, path)


def test_features_without_captions_say_that_nothing_can_train(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = tiny_releases.cirr(tmp_path / "raw", train_captions=False)
    labels = annotations.cirr(root).images["label"].unique()
    prepare("cirr", root, save(tmp_path, list(labels), 12))
    assert "nothing can train on this: there are no captions of train" in capsys.readouterr().out


def test_an_index_of_a_file_by_released_names_serves_a_run_too(release, tmp_path):
    """`--image-features` of a run takes the release's names, as preparation does."""
    root, ids = release("cirr")
    prepare("cirr", root, save(tmp_path, ids, 12))
    other = save(tmp_path, ids, 10, name="other.npz", seed=1)
    config = configure(
        "cirr", method="TIRG", model={"embed_dim": 8}, training=TRAINING, image_features=other
    )
    made = experiments.run(config, progress=False)
    assert made.system.image.channels["block1"] == 10
    assert made.record.data["image_features"]
