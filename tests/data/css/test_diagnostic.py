"""CSS-X: each answer is what its sentence says, each negative is wrong in the way its name says."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import diagnostic, world
from cmir_repro.data.css.scenes import CELLS, COLOR, COLORS, EMPTY, SHAPE, SHAPES, SIZE, SIZES

SCENES, GROUPS = diagnostic.groups(25, seed=3)
FIELDS = (COLOR, SHAPE, SIZE)


def fits(scene, words):
    """Which of the nine objects the words describe: read from the sentence, not from the edit."""
    match = scene[:, COLOR] != EMPTY
    for word in words:
        if word in CELLS:
            match = match & (np.array(CELLS) == word)
        for names, field in ((COLORS, COLOR), (SHAPES, SHAPE), (SIZES, SIZE)):
            if word in names:
                match = match & (scene[:, field] == names.index(word))
    return match


def obeyed(scene, text):
    """The scene after a sentence of one edit, as the grammar of the world means it."""
    verb, *words = text.split()
    after = scene.copy()
    if verb == "remove":
        after[fits(scene, words)] = EMPTY
    else:
        field, names = (COLOR, COLORS) if words[-1] in COLORS else (SIZE, SIZES)
        after[fits(scene, words[:-1]), field] = names.index(words[-1])
    return after


def keys(group, kind):
    return [world.labels(scene[None])[0] for what, scene in group.candidates if what == kind]


def of_form(*forms):
    found = [group for group in GROUPS if group.form in forms]
    assert len(found) > 5
    return found


def test_the_same_seed_makes_the_same_groups_and_no_scene_twice_in_one():
    again = diagnostic.groups(25, seed=3)[1]
    assert [g.texts for g in again] == [g.texts for g in GROUPS]
    assert {g.form for g in GROUPS} == set(diagnostic.FORMS)
    for group in GROUPS:
        every = [world.labels(scene[None])[0] for _, scene in group.candidates]
        assert len(set(every)) == len(every)
        assert group.candidates[0][0] == diagnostic.ANSWER
        assert {kind for kind, _ in group.candidates} <= set(diagnostic.KINDS)


def test_every_paraphrase_of_an_edit_leads_to_its_one_answer():
    for group in of_form("make colour", "make size", "remove"):
        assert len(set(group.texts)) == len(group.texts) <= diagnostic.PARAPHRASES
        after = {world.labels(obeyed(SCENES[group.source], text)[None])[0] for text in group.texts}
        assert after == set(keys(group, diagnostic.ANSWER))


def test_two_edits_are_the_first_and_then_the_second():
    for group in of_form("two edits"):
        first, second = group.texts[0].split(" remove ")
        after = obeyed(SCENES[group.source], first)
        assert world.labels(after[None]) == keys(group, diagnostic.HALVES[0])
        assert world.labels(obeyed(after, f"remove {second}")[None]) == keys(group, "answer")
        only = obeyed(SCENES[group.source], f"remove {second}")
        assert world.labels(only[None]) == keys(group, diagnostic.HALVES[1])


def test_what_an_added_object_leaves_unsaid_may_be_anything():
    several = 0
    for group in of_form("add", "add, one thing unsaid"):
        words = group.texts[0].split()
        answers = [scene for kind, scene in group.candidates if kind == diagnostic.ANSWER]
        for answer in answers:
            new = np.flatnonzero((answer != SCENES[group.source]).any(axis=1))
            assert len(new) == 1
            assert fits(answer, words)[new].all()
        if group.form == "add":
            assert len(answers) == 1
        else:
            said_place = any(word in CELLS for word in words)
            said_size = any(word in SIZES for word in words)
            free = (SCENES[group.source][:, COLOR] == EMPTY).sum()
            shape = next(i for i, name in enumerate(SHAPES) if name in words)
            shades = world.allowed_pairs("test")[:, shape].sum()
            assert len(answers) == (free if not said_place else 2 if not said_size else shades)
            several += len(answers) > 2
    assert several


def test_a_wrong_value_differs_from_an_answer_in_that_alone_and_is_not_the_old_one():
    for name, field in (("colour", COLOR), ("shape", SHAPE), ("size", SIZE)):
        tried = 0
        for group in GROUPS:
            answers = [s for kind, s in group.candidates if kind == diagnostic.ANSWER]
            for kind, scene in group.candidates:
                if kind != diagnostic.WRONG[name]:
                    continue
                tried += 1
                least = min(answers, key=lambda one: (one != scene).sum())
                (cell,) = np.flatnonzero((least != scene).any(axis=1))
                assert [f for f in FIELDS if least[cell, f] != scene[cell, f]] == [field]
                assert scene[cell, field] != SCENES[group.source][cell, field]
        assert tried > 5


def test_a_wrong_place_is_the_edit_on_another_object_and_elsewhere_another_source():
    for group in of_form("make colour", "make size", "remove"):
        source = SCENES[group.source]
        (answer,) = [s for kind, s in group.candidates if kind == diagnostic.ANSWER]
        edited = np.flatnonzero((answer != source).any(axis=1))
        for kind, scene in group.candidates:
            if kind == diagnostic.WRONG["place"]:
                moved = np.flatnonzero((scene != source).any(axis=1))
                assert len(moved) == 1
                assert moved[0] != edited[0]
            if kind == diagnostic.ELSEWHERE:
                others = [other for n, other in enumerate(SCENES) if n != group.source]
                after = np.stack([obeyed(other, group.texts[0]) for other in others])
                assert world.labels(scene[None])[0] in world.labels(after)
    assert all(keys(g, diagnostic.UNEDITED) == world.labels(SCENES[[g.source]]) for g in GROUPS)


def test_roles_say_what_each_picture_is_to_each_query():
    queries = pd.DataFrame({"edit": [7, 7, 9], "source": ["a", "a", "b"], "form": ["x", "x", "y"]})
    table = pd.DataFrame(
        [(7, "t", "answer"), (7, "a", "unedited source"), (7, "c", "same edit, other source"),
         (9, "c", "answer"), (9, "b", "unedited source")],
        columns=["group", "image", "kind"],
    )  # fmt: skip
    roles = diagnostic.roles(queries, ["a", "b", "c", "t"], table)
    answer, unedited, other = (
        diagnostic.KINDS.index(kind)
        for kind in ("answer", "unedited source", "same edit, other source")
    )
    assert roles.kind.tolist() == [
        [unedited, -1, other, answer], [unedited, -1, other, answer], [-1, unedited, answer, -1],
    ]  # fmt: skip
    assert roles.same_source.tolist() == [
        [True, False, False, True], [True, False, False, True], [False, True, True, False],
    ]  # fmt: skip
    assert roles.group.tolist() == [0, 0, 1]
    with pytest.raises(InputError, match="'t', which is no picture of the gallery"):
        diagnostic.roles(queries, ["a", "b", "c"], table)
    with pytest.raises(InputError, match="kind 'wrong'"):
        diagnostic.roles(queries, ["a", "b", "c", "t"], table.assign(kind="wrong"))
