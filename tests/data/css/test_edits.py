"""Sentences of the grammar are read back, and lead where the data set says that they lead."""

import numpy as np
import pytest

from cmir_repro.data.css import world
from cmir_repro.data.css.edits import Edit, parse
from cmir_repro.data.css.scenes import COLOR, COLORS, EMPTY, SHAPE, SHAPES, SIZE


@pytest.fixture(scope="module")
def made():
    return world.generate(40, 150, "test", seed=3)


def test_every_sentence_of_the_world_is_read_back_and_its_target_is_an_answer(made):
    for row in made.queries.itertuples():
        edit = parse(row.text)
        assert edit is not None, row.text
        assert edit.verb == row.form
        assert edit.text == row.text
        answers = world.labels(np.stack(edit.answers(made.scenes[row.source])))
        assert world.labels(made.scenes[row.target][None])[0] in answers
        assert len(set(answers)) == len(answers)


def test_one_answer_unless_something_is_left_out(made):
    scene = made.scenes[0]
    free = int((scene[:, COLOR] == EMPTY).sum())
    assert len(parse("add small gray circle").answers(scene)) == free
    # Three pairs of colour and shape are never shown in the test split, one a shape.
    assert len(parse("add circle").answers(scene)) == free * 2 * 7
    changed = [edit.answers(scene) for edit in map(parse, made.queries["text"])
               if edit.verb != "add"]  # fmt: skip
    assert {len(answers) for answers in changed} == {0, 1}


def test_all_objects_that_a_description_fits_are_edited():
    scene = np.full((9, 4), EMPTY, dtype=np.int8)
    red, circle = COLORS.index("red"), SHAPES.index("circle")
    scene[:3] = red, circle, 0, 0
    (after,) = parse("make red object large").answers(scene)
    assert after[:3, SIZE].tolist() == [1, 1, 1]
    assert (after[3:] == scene[3:]).all()
    (after,) = parse("make top-left circle blue").answers(scene)
    assert after[:, COLOR].tolist() == [COLORS.index("blue"), red, red, *[EMPTY] * 6]
    assert after[0, SHAPE] == circle
    (after,) = parse("remove object").answers(scene)
    assert (after == EMPTY).all()


@pytest.mark.parametrize(
    "text", ["make red object red", "remove triangle", "add small red circle to top-left"]
)
def test_a_sentence_that_changes_nothing_has_no_answer(text):
    scene = np.full((9, 4), EMPTY, dtype=np.int8)
    scene[0] = COLORS.index("red"), SHAPES.index("circle"), 0, 0
    assert parse(text).answers(scene) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "turn the ball blue",
        "make",
        "make circle",
        "make red blue",
        "add object",
        "add top-left circle",
        "add circle to",
        "remove small",
        "remove large top-left circle",
        "remove circle blue",
    ],
)
def test_other_sentences_are_none_of_the_grammar(text):
    assert parse(text) is None


def test_case_and_blanks_do_not_matter():
    assert parse("  Make TOP-LEFT circle   Blue ") == Edit(
        "make", position="top-left", shape="circle", value="blue"
    )
