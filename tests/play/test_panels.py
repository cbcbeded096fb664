"""Panels of sentences, of tags and of photographs answer what is typed and clicked."""

import numpy as np
import pytest
import tiny_photos
import tiny_runs

from cmir_repro.core.files import write_json
from cmir_repro.play import html, photographs, questions
from cmir_repro.play.composed_panel import ComposedPanel
from cmir_repro.play.sentence_panel import SentencePanel
from cmir_repro.play.tag_panel import TagPanel


@pytest.fixture
def sentences(tiny_css):
    run = tiny_runs.make("aai")
    return SentencePanel(run.system, run.experiment, "AAI")


@pytest.fixture
def tags(tiny_css):
    run = tiny_runs.make("crcgs")
    return TagPanel(run.system, run.experiment, "CRCGS")


def test_a_sentence_of_the_data_has_its_picture_right_and_others_nothing(sentences):
    text = sentences.pairs.texts[12]
    sentences.text.value = text
    assert "target at rank" in sentences.pictures.value
    sentences.text.value = "a blue zeppelin"
    assert "nobody has said" in sentences.pictures.value
    assert "<s " in sentences.pictures.value
    assert "rank" not in sentences.pictures.value
    sentences.text.value = "  "
    assert "Type a sentence" in sentences.pictures.value


def test_a_picture_has_sentences_of_which_its_own_are_right(sentences):
    sentences.strip.buttons[2].click()
    row = sentences.choice[2]
    scores = sentences.sentences @ sentences.images[row]
    best = np.argsort(-scores, kind="stable")
    rank = 1 + int(np.argmax(sentences.pairs.image_of[best] == row))
    assert f"rank <b>{rank}</b>" in sentences.texts.value
    for at in best[:8]:
        assert sentences.pairs.texts[at] in sentences.texts.value


def test_tags_name_categories(tags):
    for text in ("red cube", "redcube", "RED cube"):
        tags.text.value = text
        found = tags.right(text.lower().split())
        at = tags.found.categories.index("red cube")
        assert (found == tags.found.labels[tags.found.database, at]).all()
    tags.text.value = "holiday"
    assert "name no category" in tags.pictures.value
    tags.text.value = "zeppelin"
    assert "Type tags that the model knows" in tags.pictures.value


def test_a_tag_is_right_where_it_fits_the_picture(tags):
    tags.strip.buttons[1].click()
    row = int(tags.choice[1])
    fits = set(np.array(tags.found.words)[tags.true(row)])
    own = set(np.array(tags.found.words)[tags.found.text[row] > 0])
    assert own <= fits
    for category in np.array(tags.found.categories)[tags.found.labels[row]]:
        assert set(category.split()) <= fits
    assert ("✓" in tags.texts.value) or ("✗" in tags.texts.value)


def test_an_attribute_of_a_photograph_is_replaced_by_a_menu(tmp_path):
    asked = questions.of(tiny_photos.write(tmp_path / "mine"), "photo")
    panel = ComposedPanel([], asked)
    own = asked.of_source(panel.source)
    shown = {name: menu.value for name, menu in panel.menus.parts.items()}
    assert shown == own | {"colour": shown["colour"]}  # its query asks for another colour
    assert asked.edit(panel.source, panel.words) == ("colour", shown["colour"])
    panel.menus.parts["type"].value = "shoe"
    assert panel.words == f"replace {own['type']} with shoe"
    assert panel.menus.parts["colour"].value == own["colour"]
    right = asked.truth(panel.source, panel.words).right
    wanted = f"colour: {own['colour']}, type: shoe"
    assert [asked.describe(row) for row in np.flatnonzero(right)] == [wanted] * right.sum()
    assert asked.truth(panel.source, "something warmer").right is None


def test_data_sets_of_photographs_are_listed_where_there_are_some(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    assert photographs.names() == []
    assert "No photographs" in photographs.panel().still()
    for name, kind, queries in (
        ("mine", "released", 3),
        ("x", "rendered", 3),
        ("y", "released", 0),
    ):
        told = {"provenance": {"kind": kind}, "counts": {"test": {"queries": queries}}}
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "dataset.json", told)
    assert photographs.names() == ["mine"]
    panel = photographs.panel()
    panel.load()  # these files are no data set: that is said in a line
    assert panel.below.children[0].value.count("<p") == 1
    assert not panel.button.disabled


def test_what_is_typed_cannot_become_html():
    assert "<b>" not in html.words("<b>bold</b>", lambda word: False)
    assert 'alt="a &quot;b&quot;"' in html.image("x", 'a "b"')
