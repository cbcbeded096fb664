"""Figures of image <-> sentence retrieval show what they are given."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from cmir_repro.core.errors import InputError
from cmir_repro.report.plots import aai as aai_plots


def pictures(n=2):
    return np.random.default_rng(0).integers(0, 256, (n, 20, 30, 3), dtype=np.uint8)


def test_pooling_curves_are_the_coefficients():
    weights = np.array([0.7, 0.2, 0.1])
    figure = aai_plots.pooling_curves({"image": {"GPO": weights}, "text": {"GPO": weights}})
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), weights)
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["image", "text"]
    assert not plt.get_fignums()


def test_no_coefficients_are_refused():
    with pytest.raises(InputError, match="no coefficients"):
        aai_plots.pooling_curves({"image": {}})


def test_sentences_are_marked_as_own_or_not():
    figure = aai_plots.sentence_rows(
        pictures(1), [["a red cube", "a blue ball"]], np.array([[True, False]]), [1.0]
    )
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == ["✓", "a red cube", "✗", "a blue ball"]


def test_sentences_that_nobody_searched_for_have_no_marks():
    figure = aai_plots.sentence_rows(pictures(1), [["a red cube"]])
    assert [text.get_text() for text in figure.axes[1].texts] == ["a red cube"]
    assert figure.axes[0].get_xlabel() == ""


def test_sentences_and_pictures_must_fit():
    with pytest.raises(InputError):
        aai_plots.sentence_rows(pictures(2), [["one"]], np.array([[True]]), [1.0])


def test_attention_is_bright_where_the_weight_is():
    weight = np.zeros((1, 2, 3))
    weight[0, 0, 0] = 1.0
    white = np.full((1, 20, 30, 3), 255, dtype=np.uint8)
    figure = aai_plots.attention_rows(white, [["red"]], [weight])
    shown = figure.axes[1].images[0].get_array()
    assert shown[0, 0].min() > 240
    assert shown[-1, -1].max() < 50
    assert figure.axes[1].get_title(loc="center") == "red"
