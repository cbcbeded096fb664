"""Figures of pictures are tested through what they draw: panels, words, marks, positions."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots
from cmir_repro.report.plots.style import HIT, MISS


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, size=(6, 8, 8, 3), dtype=np.uint8)


def words(figure):
    return " | ".join(t.get_text() for t in figure.findobj(plt.Text) if t.get_text())


def boxes(figure, artists):
    figure.draw_without_rendering()
    return [artist.get_window_extent() for artist in artists]


def test_image_grid_shows_every_picture_under_its_title(pictures):
    figure = plots.image_grid(pictures, [f"scene {i}" for i in range(6)], columns=4, title="All")
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 6
    np.testing.assert_array_equal(shown[5].images[0].get_array(), pictures[5])
    assert shown[5].get_title() == "scene 5"
    assert figure.get_suptitle() == "All"


def test_edit_rows_wrap_the_sentence_between_the_pictures(pictures):
    text = "make the large yellow circle in the middle center small and then blue"
    figure = plots.edit_rows(pictures[:2], [text, "remove it"], pictures[2:4])
    assert len(figure.axes) == 6
    assert text in words(figure).replace("\n", " ")
    source, sentence, target = boxes(figure, [figure.axes[0], figure.axes[1].texts[0]]) + boxes(
        figure, [figure.axes[2]]
    )
    assert source.x1 < sentence.x0
    assert sentence.x1 < target.x0


@pytest.mark.parametrize("with_source", [True, False])
def test_retrieval_rows_mark_hits_by_frame_line_and_sign(pictures, with_source):
    results = np.stack([pictures[:3], pictures[3:]])
    hits = np.array([[True, False, False], [False, True, False]])
    sources = pictures[:2] if with_source else None
    figure = plots.retrieval_rows(
        sources, ["first", "second"], results, hits, pictures[:2], [1, 2048]
    )
    assert "rank 2,048" in words(figure)
    rows = np.array(figure.axes).reshape(2, -1)
    for axis, picture, hit in zip(
        rows[:, -3:].flat, results.reshape(6, 8, 8, 3), hits.flat, strict=True
    ):
        np.testing.assert_array_equal(axis.images[0].get_array(), picture)
        assert axis.get_xlabel() == ("✓" if hit else "✗")
        frame = axis.spines["left"]
        assert to_hex(frame.get_edgecolor(), keep_alpha=False).upper() == (HIT if hit else MISS)
        assert (frame.get_linestyle() == "-") == bool(hit)


@pytest.mark.parametrize("k", [3, 10])
@pytest.mark.parametrize("times", [1, 3])
def test_sentences_and_numbers_do_not_run_over_each_other(pictures, k, times):
    texts = ["make the middle-right large purple rectangle small " * times] * 2
    results = np.stack([np.repeat(pictures[:1], k, axis=0)] * 2)
    figure = plots.retrieval_rows(
        pictures[:2], texts, results, np.ones((2, k), bool), pictures[:2], [1, 2]
    )
    drawn = [t for t in figure.findobj(plt.Text) if t.get_text() and t.get_visible()]
    extents = boxes(figure, drawn)
    for i, one in enumerate(extents):
        for j, other in enumerate(extents[:i]):
            assert not one.overlaps(other), (drawn[i].get_text(), drawn[j].get_text())


def test_pictures_that_share_nothing_get_a_cross(pictures):
    figure = plots.shared_label_rows(["red, cube"], pictures[None, :2], [["red cube", ""]], "title")
    words, first, second = figure.axes
    assert words.texts[0].get_text() == "red, cube"
    assert [axis.get_xlabel() for axis in (first, second)] == ["red cube", "✗"]


def test_tags_stand_below_their_pictures(pictures):
    figure = plots.tagged(pictures[:2], ["red\n[red cube]", "blue"])
    assert [axis.get_xlabel() for axis in figure.axes] == ["red\n[red cube]", "blue"]


def test_sentences_are_marked_as_own_or_not(pictures):
    figure = plots.sentence_rows(
        pictures[:1], [["a red cube", "a blue ball"]], np.array([[True, False]]), [1.0]
    )
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == ["✓", "a red cube", "✗", "a blue ball"]


def test_sentences_that_nobody_searched_for_have_no_marks(pictures):
    figure = plots.sentence_rows(pictures[:1], [["a red cube"]])
    assert [text.get_text() for text in figure.axes[1].texts] == ["a red cube"]
    assert figure.axes[0].get_xlabel() == ""


def test_attention_is_in_shares_of_an_even_look_on_one_scale():
    weights = np.full((2, 2, 3), 0.1)
    weights[0, 0, 0] = 0.6
    white = np.full((1, 20, 30, 3), 255, dtype=np.uint8)
    figure = plots.attention_rows(white, [["red", "a"]], [weights])
    sharp, even = (figure.axes[n].images[1] for n in (1, 2))
    assert sharp.get_array().max() == pytest.approx(0.6 / (1.1 / 6))
    np.testing.assert_allclose(even.get_array(), np.ones((2, 3)))
    assert sharp.get_clim() == even.get_clim() == (0, pytest.approx(3.27, abs=0.01))
    assert figure.axes[1].get_title(loc="center") == "red"
    assert figure.axes[-1].get_xlabel().startswith("attention; 1: as if")


def test_pictures_of_a_grid_have_frames(pictures):
    axis = plots.image_grid(pictures).axes[0]
    assert axis.axison
    assert all(spine.get_visible() for spine in axis.spines.values())


def test_what_does_not_fit_is_refused(pictures):
    with pytest.raises(InputError, match=r"images must be .* uint8"):
        plots.image_grid(pictures / 255)
    with pytest.raises(InputError, match="'images': 6, 'titles': 1"):
        plots.image_grid(pictures, ["one"])
    with pytest.raises(InputError, match=r"hits \(Q, k\)"):
        plots.retrieval_rows(None, ["a"], pictures[None], np.ones((1, 5)), pictures[:1], [1])
    with pytest.raises(InputError, match="2 queries"):
        plots.shared_label_rows(["a", "b"], pictures[None, :2], [["x", "y"]])
    with pytest.raises(InputError, match="'pictures': 2, 'sentences': 1"):
        plots.sentence_rows(pictures[:2], [["one"]], np.array([[True]]), [1.0])
