"""Tags and categories of the scenes: true of the picture, by loops, and the same everywhere."""

import hashlib
import itertools

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import tags as scene_tags
from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import CELLS, COLOR, COLORS, SHAPE, SHAPE_NAMES, SIZE, SIZES
from cmir_repro.data.css.tags import FAMILIES, NOISE, categorise, of_scenes, tags, vocabulary
from cmir_repro.data.labelled import LABELS, TEXT, USED, labelled

SHAPES = SHAPE_NAMES["3d"]


@pytest.fixture(scope="module")
def scenes():
    """400 scenes (400, 9, 4) as they are read back from their keys."""
    made = world.generate(400, 1, "train", 7)
    return np.stack([world.from_label(key) for key in world.labels(made.scenes[:400])])


@pytest.fixture(scope="module")
def tagged(scenes):
    """Keys of these scenes and the words of each."""
    keys, words = world.labels(scenes), vocabulary(SHAPES)
    found = tags(keys, scenes, len(words), seed=0)
    return keys, [{words[i] for i in np.flatnonzero(row)} for row in found]


def objects(scene):
    """Of each object in a scene: cell name, colour, shape and size in words."""
    return [
        (CELLS[cell], COLORS[thing[COLOR]], SHAPES[thing[SHAPE]], SIZES[thing[SIZE]])
        for cell, thing in enumerate(scene)
        if thing[COLOR] >= 0
    ]


def test_the_vocabulary_has_every_word_once():
    words = vocabulary(SHAPES)
    assert len(words) == len(set(words)) == 8 + 3 + 8 * 3 + 9 + len(NOISE)
    assert {"red", "cube", "redcube", "topleft", "holiday"} <= set(words)


def test_a_tag_is_true_of_the_picture_or_fits_any(scenes, tagged):
    for scene, words in zip(scenes, tagged[1], strict=True):
        true = set(NOISE)
        for cell, color, shape, _ in objects(scene):
            true |= {color, shape, color + shape, cell.replace("-", "")}
        assert words <= true


def test_tags_are_the_draws_of_each_object_one_after_the_other(scenes, tagged):
    for key, scene, words in zip(tagged[0], scenes, tagged[1], strict=True):
        draws = scene_tags._draws(key, 0)
        wanted = {name for i, name in enumerate(NOISE) if draws[5, i] < NOISE[name]}
        for cell, color, shape, _ in objects(scene):
            seen, by_color, by_shape, by_both, by_place = draws[:5, CELLS.index(cell)]
            if seen < scene_tags.P_OBJECT:
                wanted |= {color} if by_color < scene_tags.P_WORD else set()
                wanted |= {shape} if by_shape < scene_tags.P_WORD else set()
                wanted |= {color + shape} if by_both < scene_tags.P_TOGETHER else set()
                wanted |= {cell.replace("-", "")} if by_place < scene_tags.P_POSITION else set()
        assert words == wanted


def test_chances_are_those_stated(scenes, tagged):
    """Within four standard deviations; positions are of one object each, so they can be counted."""
    told = [
        cell.replace("-", "") in words
        for scene, words in zip(scenes, tagged[1], strict=True)
        for cell, *_ in objects(scene)
    ]
    observed = {"position": (told, scene_tags.P_OBJECT * scene_tags.P_POSITION)}
    for word, chance in NOISE.items():
        observed[word] = ([word in words for words in tagged[1]], chance)
    for name, (hits, chance) in observed.items():
        spread = 4 * np.sqrt(chance * (1 - chance) / len(hits))
        assert np.mean(hits) == pytest.approx(chance, abs=spread), name


def test_tags_depend_on_scene_and_seed_only(scenes, tagged):
    keys, count = tagged[0], len(vocabulary(SHAPES))
    whole = tags(keys, scenes, count, seed=0)
    order = [7, 3, 100]
    some = tags([keys[i] for i in order], scenes[order], count, seed=0)
    assert np.array_equal(some, whole[order])
    assert (tags(keys, scenes, count, seed=1) != whole).any()
    assert whole.dtype == np.uint8
    assert set(np.unique(whole)) == {0, 1}


def test_tags_are_those_of_version_1(scenes):
    """Finished runs rest on them: whoever changes a tag must raise VERSION, and then this."""
    assert scene_tags.VERSION == 1
    keys = world.labels(scenes)
    found = tags(keys, scenes, len(vocabulary(SHAPES)), seed=0)
    digest = hashlib.sha256("".join(keys).encode() + found.tobytes()).hexdigest()
    assert digest[:16] == "df6a795a195385e4"


@pytest.mark.parametrize("family", FAMILIES)
def test_categories_by_loops(scenes, family):
    kinds = {
        "colour": lambda cell, color, shape, size: color,
        "shape": lambda cell, color, shape, size: shape,
        "size": lambda cell, color, shape, size: size,
        "position": lambda cell, color, shape, size: cell,
    }
    values = {"colour": COLORS, "shape": SHAPES, "size": SIZES, "position": CELLS}
    parts = family.split("-")
    labels, names = categorise(scenes, SHAPES, family)
    assert names == [" ".join(words) for words in itertools.product(*(values[p] for p in parts))]
    for scene, row in zip(scenes, labels, strict=True):
        there = {" ".join(kinds[p](*thing) for p in parts) for thing in objects(scene)}
        assert {names[i] for i in np.flatnonzero(row)} == there


def test_an_empty_scene_has_neither_tags_of_objects_nor_categories():
    empty = np.full((1, 9, 4), -1, dtype=np.int8)
    words = vocabulary(SHAPES)
    labels, _ = categorise(empty, SHAPES, "colour-shape")
    assert not labels.any()
    found = tags(["." * 9], empty, len(words), seed=0)[0]
    assert {words[i] for i in np.flatnonzero(found)} <= set(NOISE)


def test_scenes_occur_once_a_split_and_have_a_tag(tiny_css):
    found = labelled(tiny_css, "3d-colour-shape")
    images, seen, wanted = tiny_css.images, set(), []
    for row, (split, key) in enumerate(zip(images["split"], images["label"], strict=True)):
        scene = world.from_label(key)[None]
        if (split, key) not in seen and tags([key], scene, len(found.words), 0).any():
            wanted.append(row)
        seen.add((split, key))
    assert found.images.tolist() == wanted
    assert len(wanted) < len(images)
    split = images["split"].to_numpy()[found.images]
    for name, rows in (("train", found.train), ("val", found.val), ("test", found.query)):
        assert rows.tolist() == np.flatnonzero(split == name).tolist()
        assert len(rows)
    assert found.text.any(1).all()
    assert len(found.categories) == found.labels.shape[1] == 24
    scenes = np.stack([world.from_label(key) for key in images["label"].iloc[found.images]])
    assert np.array_equal(found.labels, categorise(scenes, SHAPES, "colour-shape")[0])


def test_a_scene_of_two_splits_stays_in_both(scenes):
    """A query may look like an image of the database; within a split it counts once."""
    keys = world.labels(scenes[:3])
    images = pd.DataFrame(
        {
            "image": list("abcdefg"),
            "split": ["train", "test", "train", "train", "val", "test", "test"],
            "label": [keys[i] for i in (0, 0, 0, 1, 0, 2, 0)],
        }
    )
    arrays, _ = of_scenes(images)
    assert images["image"][arrays[USED] == 1].tolist() == ["a", "b", "d", "e", "f"]
    assert np.array_equal(arrays[TEXT][0], arrays[TEXT][1])


def test_a_view_changes_what_shapes_are_called_and_nothing_else(tiny_css):
    flat, solid = (labelled(tiny_css, f"{view}-colour-shape") for view in ("2d", "3d"))
    assert np.array_equal(flat.text, solid.text)
    assert np.array_equal(flat.labels, solid.labels)
    assert (flat.view, solid.view) == ("2d", "3d")
    assert "red circle" in flat.categories
    assert "red sphere" in solid.categories
    assert "redsphere" in solid.words


def test_every_family_has_its_own_columns(scenes):
    keys = world.labels(scenes)
    arrays, tasks = of_scenes(pd.DataFrame({"split": "train", "label": keys}))
    assert len(tasks) == 2 * len(FAMILIES)
    for name, told in tasks.items():
        view, _, family = name.partition("-")
        labels, names = categorise(scenes, SHAPE_NAMES[view], family)
        assert told["categories"] == names
        assert np.array_equal(arrays[LABELS][:, slice(*told["columns"])], labels)
        assert told["names"] == vocabulary(SHAPE_NAMES[view])
    assert arrays[LABELS].shape[1] == max(told["columns"][1] for told in tasks.values())


@pytest.mark.parametrize("task", ["4d-colour", "3d-material"])
def test_unknown_names_are_refused(tiny_css, task):
    with pytest.raises(InputError, match=rf"task of css '{task}' is unknown; allowed: 2d-"):
        labelled(tiny_css, task)
