"""Sentences about CSS scenes, read back word by word: what they say is true of the scene."""

import re
import time
from itertools import pairwise

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import COLOR, COLORS, EMPTY, SHAPE, SHAPES, SHAPES_3D, SIZE
from cmir_repro.data.css.sentences import FEWEST_NAMED, PER_SCENE, describe

ROWS = {"top": 0, "upper": 0, "middle": 1, "bottom": 2, "lower": 2}
COLUMNS = {"left": 0, "center": 1, "right": 2}
BULK = {"small": 0, "tiny": 0, "little": 0, "large": 1, "big": 1}


@pytest.fixture(scope="module")
def scenes():
    return np.concatenate([world.generate(150, 150, s, 3).scenes for s in ("train", "test")])


@pytest.fixture(scope="module")
def told(scenes):
    return describe(world.labels(scenes), SHAPES, 0)


def read(sentence: str, shapes: tuple[str, ...]) -> list[dict]:
    """The objects a sentence names, each a dictionary of what is said of it."""
    objects = []
    for part in re.split(r",|;| and | with ", sentence):
        said = {}
        for word in re.findall(r"[a-z]+", part):
            for field, numbers in (("row", ROWS), ("column", COLUMNS), (SIZE, BULK)):
                if word in numbers:
                    said[field] = numbers[word]
            if word in COLORS:
                said[COLOR] = COLORS.index(word)
            if word in shapes:
                said[SHAPE] = shapes.index(word)
        objects.append(said)
    return [said for said in objects if said]


def fits(said: dict, scene: np.ndarray) -> np.ndarray:
    """(9,) bool: cells whose object is as said."""
    cells = scene[:, COLOR] != EMPTY
    for field in (COLOR, SHAPE, SIZE):
        if field in said:
            cells &= scene[:, field] == said[field]
    if "row" in said:
        cells &= np.arange(9) == 3 * said["row"] + said["column"]
    return cells


def test_what_a_sentence_says_is_true(scenes, told):
    for scene, five in zip(scenes, told, strict=True):
        for sentence in five:
            named = read(sentence, SHAPES)
            for said in named:
                assert {COLOR, SHAPE} <= set(said)
                assert fits(said, scene).any(), (sentence, said)
            # No object is named twice: as many different cells as objects can be found.
            cells = [set(np.flatnonzero(fits(said, scene))) for said in named]
            assert distinct(cells), sentence
            there = int((scene[:, COLOR] != EMPTY).sum())
            assert min(there, FEWEST_NAMED) <= len(named) <= there


def distinct(cells: list[set]) -> bool:
    """Whether each set can give an element of its own (augmenting paths)."""
    taken: dict[int, int] = {}

    def place(k: int, seen: set) -> bool:
        for cell in cells[k] - seen:
            seen.add(cell)
            if cell not in taken or place(taken[cell], seen):
                taken[cell] = k
                return True
        return False

    return all(place(k, set()) for k in range(len(cells)))


def test_how_often_things_are_named(scenes, told):
    objects = [said for five in told for sentence in five for said in read(sentence, SHAPES)]
    there = PER_SCENE * int((scenes[..., COLOR] != EMPTY).sum())
    assert len(objects) / there == pytest.approx(0.85, abs=0.03)
    assert np.mean([SIZE in said for said in objects]) == pytest.approx(0.8, abs=0.02)
    assert np.mean(["row" in said for said in objects]) == pytest.approx(0.9, abs=0.02)


def test_five_sentences_a_scene_that_differ(told):
    for five in told:
        assert len({re.sub("[^a-z ]", "", sentence) for sentence in five}) == PER_SCENE


def test_sentences_of_a_scene_do_not_all_say_the_same(scenes, told):
    many = (scenes[..., COLOR] != EMPTY).sum(1) >= 4
    counts = [{len(read(s, SHAPES)) for s in five} for five, m in zip(told, many, strict=True) if m]
    assert np.mean([len(c) > 1 for c in counts]) > 0.5


def test_orders_are_reading_shuffled_and_by_shape(scenes, told):
    in_order = np.zeros(PER_SCENE)
    in_groups = np.zeros(PER_SCENE)
    for five in told:
        for number, sentence in enumerate(five):
            named = read(sentence, SHAPES)
            cells = [3 * said["row"] + said["column"] for said in named if "row" in said]
            shapes = [said[SHAPE] for said in named]
            runs = 1 + sum(a != b for a, b in pairwise(shapes))
            in_order[number] += cells == sorted(cells)
            in_groups[number] += runs <= len(set(shapes)) or not shapes
    everywhere = len(told)
    assert (in_order[[0, 2]] == everywhere).all()
    assert in_groups[4] == everywhere
    assert (in_order[[1, 3, 4]] < 0.8 * everywhere).all()
    assert (in_groups[[1, 3]] < 0.9 * everywhere).all()


def test_the_vocabulary_is_small(told, scenes):
    in_3d = describe(world.labels(scenes), SHAPES_3D, 0)
    words = {w for five in told + in_3d for s in five for w in re.findall(r"[a-z]+", s)}
    assert len(words) == 41, sorted(words)
    assert len(words) < 60
    assert {"cube", "sphere", "cylinder"} & {w for s in told[0] for w in s.split()} == set()


def test_a_sentence_depends_on_label_and_seed_alone(scenes, told):
    labels = world.labels(scenes)
    order = np.random.default_rng(0).permutation(len(labels))
    again = describe([labels[i] for i in order], SHAPES, 0)
    assert again == [told[i] for i in order]
    assert describe(labels[:3], SHAPES, 1) != told[:3]
    # Words, order and all: a change here is a new VERSION.
    assert describe(["A...e...."], SHAPES_3D, 0) == GOLDEN


GOLDEN = [
    [
        "a small gray cube at the upper left and a little yellow sphere at the middle center",
        "there is a small yellow sphere in the middle center and a gray cube in the top left",
        "seen: upper left gray cube; middle center yellow sphere",
        "the picture shows middle center a little yellow sphere and top left a small gray cube",
        "we see yellow sphere (little) middle center with gray cube (little) upper left",
    ]
]


def test_a_picture_with_nothing_in_it():
    (five,) = describe(["." * 9], SHAPES, 0)
    assert five[0] == "nothing"
    assert len(set(five)) == PER_SCENE
    (one,) = describe(["....Q...."], SHAPES, 0)
    assert all(len(read(sentence, SHAPES)) == 1 for sentence in one)
    assert describe([], SHAPES, 0) == []


@pytest.mark.parametrize("label", ["red dress", "A........z", "A", "", "!........"])
def test_only_scenes_are_described(label):
    with pytest.raises(InputError, match="no key of a CSS scene"):
        describe(["." * 9, label], SHAPES, 0)


def test_full_size_takes_seconds():
    rng = np.random.default_rng(0)
    symbols = np.array([*"ABCDEFGHIJKLMNOPQRSTUVWX", *"." * 18])
    labels = ["".join(row) for row in symbols[rng.integers(0, len(symbols), (8000, 9))]]
    start = time.perf_counter()
    describe(labels, SHAPES, 0)
    assert time.perf_counter() - start < 3  # 0.3 s; a paper-size world has 38,000 scenes
