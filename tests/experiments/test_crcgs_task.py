"""What a label-based data set gives the encoders, and the batches made of it."""

import numpy as np
import pytest
import tiny_labels
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import dataset as css
from cmir_repro.data.labelled import IMAGE, LABELS, TEXT
from cmir_repro.experiments.crcgs_task import CELLS, WEIGHTS, LabelledBatches, LabelledTask
from cmir_repro.training.loop import TrainConfig


@pytest.fixture
def root(monkeypatch, tmp_path):
    for name in ("DATA", "RUNS", "RESULTS", "WEIGHTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    return tmp_path / "data"


def opened(dataset="tiny-labels", task="labels", pixels=False):
    return LabelledTask(dataset, "mini", task, pixels, "cpu", False)


def batches(task, more=None, batch=16, **how):
    return LabelledBatches(task, TrainConfig.make(batch=batch, seed=3), more, **how)


# What the encoders read


def test_features_are_divided_by_the_size_of_the_training_ones(root):
    """Not of all of them: a validation or test image may be far larger and changes nothing."""
    arrays = tiny_labels.arrays()
    arrays[IMAGE][:24] *= 100
    tiny_labels.write(root, **arrays)
    found = opened()
    raw, train = arrays[IMAGE].astype(np.float64), found.labelled.train.tolist()
    squares = [x * x for row in train for x in raw[row]]
    np.testing.assert_allclose(
        found.features, raw / np.sqrt(sum(squares) / len(squares)), rtol=1e-5
    )
    assert found.features.dtype == np.float32
    assert found.shape() == (tiny_labels.F,)


def test_tags_stay_0_and_1_and_other_text_is_divided_too(root):
    tiny_labels.write(root)
    found = opened()
    assert found.tags
    np.testing.assert_array_equal(found.text, tiny_labels.arrays()[TEXT])
    np.testing.assert_array_equal(found.labels, tiny_labels.arrays()[LABELS])
    assert (found.text.dtype, found.labels.dtype) == (np.float32, np.float32)
    topics = np.random.default_rng(0).normal(3, 2, (tiny_labels.N, 5)).astype(np.float32)
    tiny_labels.write(root, info={"name": "topics"}, kind="features", **{TEXT: topics})
    other = opened("topics")
    assert not other.tags
    size = np.sqrt(np.mean(topics[other.labelled.train].astype(np.float64) ** 2))
    np.testing.assert_allclose(other.text, topics / size, rtol=1e-5)


def test_features_that_are_all_0_stay_so(root):
    tiny_labels.write(root, **{IMAGE: np.zeros((tiny_labels.N, 3), dtype=np.float32)})
    assert not opened().features.any()


def test_pictures_without_features_are_averaged_over_cells(tiny_css):
    """A cell whose borders fall between pixels takes in every pixel it touches."""
    task = opened("css", "3d-colour-shape")
    picture = tiny_css.take("3d", task.labelled.images[4:5])[0] / 255  # (30, 45, 3)
    rows, columns = CELLS
    height, width = picture.shape[:2]
    cells = np.zeros((3, rows, columns))
    for c in range(3):
        for y in range(rows):
            for x in range(columns):
                top, bottom = y * height // rows, -(-(y + 1) * height // rows)
                left, right = x * width // columns, -(-(x + 1) * width // columns)
                cells[c, y, x] = picture[top:bottom, left:right, c].mean()
    row = task.features[4]
    assert row.shape == (3 * rows * columns,)
    np.testing.assert_allclose(row / row[0], cells.ravel() / cells[0, 0, 0], rtol=1e-5)
    train = task.features[task.labelled.train]
    assert np.sqrt(np.mean(train.astype(np.float64) ** 2)) == pytest.approx(1, rel=1e-5)


def test_the_task_of_scenes_names_view_and_categories(tiny_css):
    flat, solid = opened("css", "2d-colour-position"), opened("css", "3d-shape")
    assert (flat.view, len(flat.labelled.categories)) == ("2d", 72)
    assert (solid.view, solid.labelled.categories) == ("3d", ["cube", "sphere", "cylinder"])
    assert flat.tags


def test_a_student_of_pictures_reads_those_of_its_view(tiny_css):
    task = opened("css", "3d-colour-shape", pixels=True)
    assert task.shape() == (css.SCALES["mini"].height, css.SCALES["mini"].width, 3)
    rows = np.array([5, 0, 9])
    assert task.images(rows).dtype == torch.uint8
    np.testing.assert_array_equal(
        task.images(rows), tiny_css.take("3d", task.labelled.images[rows])
    )


def test_the_protocol_of_scenes_is_of_the_whole_database(tiny_css):
    assert opened("css", "3d-colour").protocol("cosine").name == "map-all"
    assert opened("css", "3d-colour").protocol("hamming-16").name == "map-all/hamming"


def test_what_the_data_lack_stays_in_both_protocols(root):
    tiny_labels.write(root, info={"protocol": "map-all[gallery=all but 3]"})
    found = opened()
    assert found.protocol("cosine").name == "map-all[gallery=all but 3]"
    assert found.protocol("hamming-8").name == "map-all/hamming[gallery=all but 3]"


def test_unknown_names_are_refused(root):
    tiny_labels.write(root)
    with pytest.raises(InputError, match="task of tiny-labels"):
        opened(task="3d-colour")
    with pytest.raises(InputError, match="'wikipaedia' is not prepared yet"):
        opened("wikipaedia")


@pytest.mark.parametrize("task", ["3d-material", "4d-colour", "colour", "labels"])
def test_unknown_views_and_categories_of_scenes_are_refused(tiny_css, task):
    with pytest.raises(InputError, match=rf"task of css '{task}' is unknown; allowed: 2d-colour"):
        opened("css", task)


def test_data_without_features_need_pictures_and_those_a_frozen_net(root):
    tiny_labels.write(root, **{IMAGE: None})
    assert len(opened().text) == tiny_labels.N  # nobody has asked for features
    with pytest.raises(InputError, match="neither features nor pictures"):
        opened().features  # noqa: B018
    folder = root / "seen"
    folder.mkdir()
    np.save(folder / "pixels-photo-all.npy", np.zeros((tiny_labels.N, 8, 8, 3), np.uint8))
    tiny_labels.write(root, info={"name": "seen"}, **{IMAGE: None})
    with pytest.raises(InputError, match=WEIGHTS):
        opened("seen").features  # noqa: B018


# Batches


def test_an_epoch_shows_every_training_image_once_with_what_belongs_to_it(root):
    tiny_labels.write(root)
    task = opened()
    own = torch.arange(tiny_labels.N)[:, None].float()
    made = batches(task, {"own": own})
    seen = []
    for step in range(3):
        batch = made(step)
        rows = batch["own"][:, 0].long().numpy()
        seen += rows.tolist()
        np.testing.assert_array_equal(batch["image"], task.features[rows])
        np.testing.assert_array_equal(batch["features"], task.features[rows])
        np.testing.assert_array_equal(batch["text"], task.text[rows])
        np.testing.assert_array_equal(batch["labels"], task.labels[rows])
    assert sorted(seen) == task.labelled.train.tolist()
    assert made(3)["own"].flatten().tolist() != seen[:16]  # another order in the next epoch


def test_a_batch_is_a_function_of_step_and_seed(root):
    tiny_labels.write(root)
    made = batches(opened())
    again = batches(opened())
    for step in (5, 0):
        assert all(torch.equal(again(step)[key], value) for key, value in made(step).items())
    other = LabelledBatches(opened(), TrainConfig.make(batch=16, seed=4))
    assert not torch.equal(other(0)["features"], made(0)["features"])


def test_an_error_can_name_the_images_of_a_step(root):
    tiny_labels.write(root)
    made = batches(opened())
    rows = made(2)["features"][0]
    first = next(i for i, x in enumerate(made.task.features) if np.array_equal(x, rows))
    assert made.describe(2).startswith(f"of the images p{first:02d}, ")


def test_a_student_of_pictures_gets_features_too(tiny_css):
    """The teachers were trained on them; what the student reads is beside."""
    task = opened("css", "3d-colour-shape", pixels=True)
    batch = batches(task)(0)
    assert batch["image"].shape == (16, 30, 45, 3)
    assert batch["features"].shape == (16, task.features.shape[1])


def test_too_large_a_batch_is_refused_and_several_processes_share_one(root):
    tiny_labels.write(root)
    assert len(batches(opened(), batch=48)(0)["text"]) == 48
    with pytest.raises(InputError, match="batch 49 is larger than the 48 training images"):
        batches(opened(), batch=49)
    made = batches(opened())
    parts = [made(0, rank, 3) for rank in range(3)]
    assert [len(part["labels"]) for part in parts] == [6, 5, 5]
    for name, value in made(0).items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)
