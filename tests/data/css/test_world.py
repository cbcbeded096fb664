"""The generated world against its description, with an interpreter of its own for sentences."""

import hashlib
import re

import numpy as np
import pytest

from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import CELLS, COLORS, EMPTY, MATERIALS, SHAPES, SIZES

SPLITS = ("train", "test")
EDITS = {"train": 6004, "test": 6019}
CELL, SIZE, COLOR, SHAPE = (
    "|".join(names) for names in (CELLS, SIZES, COLORS, (*SHAPES, "object"))
)
GRAMMAR = {
    "make": rf"make (?:({CELL}) )?(?:({SIZE}) )?(?:({COLOR}) )?({SHAPE}) ({COLOR}|{SIZE})",
    "remove": rf"remove (?:({CELL}) )?(?:({SIZE}) )?(?:({COLOR}) )?({SHAPE})",
    "add": rf"add (?:({SIZE}) )?(?:({COLOR}) )?({'|'.join(SHAPES)})(?: to ({CELL}))?",
}
# Digest of labels and sentences at seed 0. When the generator changes on purpose, raise
# world.VERSION and put the new digest here: results of the old world cannot be compared.
GOLDEN = {
    "train": "9a1da2c6116326e4",
    "test": "0e3a7b4c952dba83",
}


@pytest.fixture(scope="module")
def parts():
    return {split: world.generate(1000, EDITS[split], split, seed=0) for split in SPLITS}


def read(scene: np.ndarray) -> dict[str, tuple[str, str, str, str]]:
    """cell -> (size, colour, shape, material), in words."""
    return {
        CELLS[cell]: (SIZES[s], COLORS[c], SHAPES[f], MATERIALS[m])
        for cell, (c, f, s, m) in enumerate(scene.tolist())
        if c != EMPTY
    }


def meant(cell, thing, named) -> bool:
    place, size, color, shape = named
    return (
        place in (None, cell)
        and size in (None, thing[0])
        and color in (None, thing[1])
        and shape in ("object", thing[2])
    )


def agrees(text: str, before: dict, after: dict) -> bool:
    """Whether `after` is what doing `text` to `before` gives."""
    form = text.split()[0]
    words = re.fullmatch(GRAMMAR[form], text).groups()
    if form == "remove":
        return after == {c: t for c, t in before.items() if not meant(c, t, words)}
    if form == "make":
        *named, new = words
        return after == {
            c: ((new, *t[1:]) if new in SIZES else (t[0], new, *t[2:])) if meant(c, t, named) else t
            for c, t in before.items()
        }
    size, color, shape, place = words
    (cell,) = after.keys() - before.keys()
    kept = {c: t for c, t in after.items() if c != cell}
    return kept == before and meant(cell, after[cell], (place, size, color, shape))


@pytest.mark.parametrize("split", SPLITS)
def test_counts_are_those_of_the_released_data(parts, split):
    part = parts[split]
    assert len(part.queries) == {"train": 18_012, "test": 18_057}[split]
    assert part.scenes.shape == ({"train": 19_012, "test": 19_057}[split], 9, 4)
    assert part.scenes.dtype == np.int8
    assert part.queries["edit"].nunique() == EDITS[split]
    assert (part.queries.groupby("edit")["text"].nunique() == 1).all()
    assert (part.queries.groupby("edit")["source"].nunique() == 3).all()


@pytest.mark.parametrize("split", SPLITS)
def test_every_edit_does_what_its_sentence_says(parts, split):
    scenes = [read(scene) for scene in parts[split].scenes]
    for row in parts[split].queries.itertuples():
        assert agrees(row.text, scenes[row.source], scenes[row.target]), row
        assert row.form == row.text.split()[0]


def test_the_interpreter_notices_a_wrong_target(parts):
    part = parts["train"]
    scenes = [read(scene) for scene in part.scenes]
    row = part.queries
    wrong = zip(row["text"], row["source"], np.roll(row["target"], 1), strict=True)
    outcomes = []
    for text, source, target in list(wrong)[:200]:
        try:
            outcomes.append(agrees(text, scenes[source], scenes[target]))
        except ValueError:  # not one object more
            outcomes.append(False)
    assert sum(outcomes) < 10


@pytest.mark.parametrize("split", SPLITS)
def test_make_and_remove_always_say_which_object(parts, split):
    for text in parts[split].queries["text"].unique():
        form = text.split()[0]
        if form != "add":
            named = re.fullmatch(GRAMMAR[form], text).groups()[:4]
            assert named != (None, None, None, "object"), text


@pytest.mark.parametrize("split", SPLITS)
def test_an_edit_always_changes_the_label(parts, split):
    labels, queries = np.array(world.labels(parts[split].scenes)), parts[split].queries
    assert (labels[queries["source"]] != labels[queries["target"]]).all()


@pytest.mark.parametrize("split", SPLITS)
def test_sources_are_base_scenes_and_every_other_scene_is_the_target_of_one_query(parts, split):
    part = parts[split]
    assert part.queries["source"].between(0, part.bases - 1).all()
    assert sorted(part.queries["target"]) == list(range(part.bases, len(part.scenes)))
    assert not part.queries.duplicated(["source", "text"]).any()


@pytest.mark.parametrize("split", SPLITS)
def test_base_scenes_hold_the_stated_number_of_objects(parts, split):
    count = (parts[split].scenes[: parts[split].bases, :, 0] != EMPTY).sum(1)
    assert set(count) == set(range(world.FEWEST_OBJECTS, world.MOST_OBJECTS + 1))


def test_some_colour_and_shape_pairs_are_new_in_the_test_split(parts):
    seen = {}
    for split, part in parts.items():
        things = part.scenes[part.scenes[..., 0] != EMPTY].tolist()
        seen[split] = {(COLORS[c], SHAPES[f]) for c, f, _, _ in things}
        assert {color for color, _ in seen[split]} == set(COLORS)
        assert {shape for _, shape in seen[split]} == set(SHAPES)
    assert seen["train"] - seen["test"] == set(world.ONLY_TRAIN)
    assert seen["test"] - seen["train"] == set(world.ONLY_TEST)


def test_forms_and_slots_are_as_frequent_as_stated(parts):
    for part in parts.values():
        sentences = part.queries.drop_duplicates("edit")
        for _, texts in sentences.groupby("form")["text"]:
            assert 0.25 < len(texts) / len(sentences) < 0.4
        adds = sentences.loc[sentences["form"] == "add", "text"]
        named = adds.str.extract(GRAMMAR["add"])[[0, 1, 3]].notna().mean()
        assert named.to_numpy() == pytest.approx(world.P_NAMED_IN_ADD, abs=0.02)


@pytest.mark.parametrize("split", SPLITS)
def test_labels_can_be_read_back_and_say_all_but_the_material(parts, split):
    scenes = parts[split].scenes
    labels = world.labels(scenes)
    back = np.stack([world.from_label(label) for label in labels])
    np.testing.assert_array_equal(back[..., :3], scenes[..., :3])
    np.testing.assert_array_equal(back[..., 3] == EMPTY, scenes[..., 3] == EMPTY)
    metal = np.where(scenes[..., 3:] == EMPTY, EMPTY, 1)
    assert world.labels(np.concatenate([scenes[..., :3], metal], axis=-1)) == labels
    assert len(set(labels)) == len({scene[:, :3].tobytes() for scene in scenes})


@pytest.mark.parametrize("split", SPLITS)
def test_the_world_of_seed_0_is_the_recorded_one(parts, split):
    said = [*world.labels(parts[split].scenes), *parts[split].queries["text"]]
    assert hashlib.sha256("\n".join(said).encode()).hexdigest()[:16] == GOLDEN[split]


def test_a_seed_gives_one_world_and_another_seed_another():
    one, again, other = (world.generate(60, 80, "train", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.scenes, again.scenes)
    assert one.queries.equals(again.queries)
    assert not np.array_equal(one.scenes[:60], other.scenes[:60])
    test = world.generate(60, 80, "test", 1)
    assert not np.array_equal(one.scenes[:60], test.scenes[:60])
