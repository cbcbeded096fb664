"""A panel's answers are those of the API; ranks, ties with nothing right, and pictures put in."""

import numpy as np
import pytest
import tiny_runs

from cmir_repro.play import answers, questions
from cmir_repro.play.composed_panel import ComposedPanel
from cmir_repro.play.questions import Scenes


@pytest.fixture
def done(tiny_css):
    return tiny_runs.make("dim")


def model_of(run):
    return answers.Composed("TIRG", run.system, run.experiment)


def test_first_answers_and_ranks_of_rows_written_by_hand():
    gallery = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], dtype=np.float32)
    right = np.array([False, False, True, False])
    found = answers.first("m", gallery, lambda: np.array([[2.0, 0]]), right, left_out=0)
    assert found.rows.tolist() == [1, 2, 3]
    assert found.right.tolist() == [False, True, False]
    assert found.rank == 2
    none = answers.first("m", gallery, lambda: np.array([[2.0, 0]]), right & False)
    assert none.rank is None
    assert none.rows.tolist() == [0, 1, 2, 3]
    unknown = answers.first("m", gallery, lambda: np.array([[2.0, 0]]), None)
    assert unknown.right is None


def test_answers_are_those_of_the_experiment_and_ranks_those_of_its_record(done, tiny_css):
    model, part = model_of(done), done.task.split("test")
    asked = questions.of(tiny_css, "3d-3d")
    for q in (0, 7, 20):
        source, text = str(part.gallery_ids[part.source[q]]), part.texts[q]
        truth = asked.truth(source, text)
        found = model.answer(source, text, truth.right)
        vector, left_out = done.experiment.ask(done.system, source, text)
        scores = model.vectors @ vector[0]
        scores[part.gallery_ids == left_out] = -np.inf
        assert found.rows.tolist() == np.argsort(-scores, kind="stable")[:8].tolist()
        # Whatever the sentence leaves open is right here, and one draw of it in the data.
        assert truth.right[part.target[q]]
        if truth.right.sum() == (part.gallery_labels == part.query_labels[q]).sum():
            assert found.rank == pytest.approx(done.queries["rank"][q], abs=0.5)


def test_a_target_that_no_picture_shows_is_drawn_and_can_be_found(done, tiny_css):
    model, asked = model_of(done), questions.of(tiny_css, "3d-3d")
    assert isinstance(asked, Scenes)
    source, edits = asked.sources[0], ("make object purple", "remove object", "make object small")
    drawn = [truth for text in edits if (truth := asked.truth(source, text)).added]
    assert drawn
    for truth in drawn:
        assert truth.picture.shape == asked.picture(0).shape
        assert not truth.right.any()
        found = model.answer(
            source, "make object purple", truth.right, (truth.added, truth.picture)
        )
        assert 1 <= found.rank <= len(asked.ids)
        if found.rank <= answers.TOP:
            assert found.rows[found.rank - 1] == len(asked.ids)
    again = asked.truth(source, "remove object")
    assert (
        again.picture is None
        or (again.picture == asked.truth(source, "remove object").picture).all()
    )


def test_what_is_not_of_the_grammar_or_changes_nothing_is_said(done, tiny_css):
    asked = questions.of(tiny_css, "3d-3d")
    source = asked.sources[0]
    assert asked.truth(source, "turn the ball blue").right is None
    scene = asked.describe(asked.row(source))
    absent = next(c for c in ("purple", "cyan", "gray", "red") if c not in scene)
    truth = asked.truth(source, f"remove {absent} object")
    assert "changes nothing" in truth.said
    assert not truth.right.any()


def test_the_panel_answers_at_once_and_strikes_out_what_no_model_knows(done, tiny_css):
    panel = ComposedPanel([model_of(done)], questions.of(tiny_css, "3d-3d"))
    assert "rank" in panel.found.value
    assert panel.text.value == panel.words
    panel.text.value = "turn the ball blue"
    assert panel.query.value.count("<s ") == 3
    assert "cmir-right" not in panel.found.value
    panel.menus.parts["verb"].value = "remove"
    assert panel.words.startswith("remove")
    assert panel.text.value == panel.words
    before = panel.source
    panel.strip.buttons[3].click()
    assert panel.source != before
    assert "cmir-chosen" in panel.strip.buttons[3]._dom_classes
    panel.text.value = " "
    assert "Type" in panel.query.value


def test_without_a_kernel_question_and_answers_are_seen(done, tiny_css):
    panel = ComposedPanel([model_of(done)], questions.of(tiny_css, "3d-3d"))
    seen = panel._repr_mimebundle_()["text/html"]
    assert seen.count("<img") == 2 + answers.TOP
    assert seen.count("<img") == seen.count(" alt=")
    assert panel.words in seen
