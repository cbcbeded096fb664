"""Alternative text of figures: what it says, and that a shell's pictures carry it."""

import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats

from cmir_repro.report import plots
from cmir_repro.report.plots import alt


@pytest.fixture
def figure():
    drawn, axis = plt.subplots()
    drawn.suptitle("Recall\nby method")
    axis.barh(["TIRG", "TIRG + DIM"], [1, 2], label="seed 0")
    axis.set_xlabel("R@1")
    axis.text(1, 1, "7.5")
    yield drawn
    plt.close(drawn)


def test_a_figure_without_a_caption_is_described_by_its_words_and_not_by_its_ticks(figure):
    assert plots.alt_text(figure) == "Recall by method. R@1; TIRG; TIRG + DIM; seed 0"


def test_a_saved_figure_is_described_by_its_caption(figure, monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_FIGURES", str(tmp_path))
    plots.save_figure(figure, "mine", caption="Look at the longer bar.")
    assert plots.alt_text(figure) == "Recall by method. Look at the longer bar."


def test_the_text_is_never_empty_and_never_long(figure):
    figure.suptitle("word " * 1000)
    assert len(plots.alt_text(figure)) <= alt.LONGEST
    figure.clear()
    figure.suptitle("")
    assert plots.alt_text(figure) == "A figure without a title"


@pytest.mark.parametrize("kind", ["png", "retina"])
def test_a_shell_shows_figures_with_their_text(figure, kind):
    shell = InteractiveShell()
    plots.describe_figures(shell)  # it shows no pictures: nothing to describe
    assert set(shell.display_formatter.format(figure)[0]) == {"text/plain"}
    select_figure_formats(shell, [kind])
    figure.suptitle('"a" < b')
    for _ in range(2):
        plots.describe_figures(shell)
        shown, _ = shell.display_formatter.format(figure)
        assert set(shown) == {"text/plain", "text/html"}
        assert shown["text/html"].startswith('<img alt="&quot;a&quot; &lt; b. R@1;')
        assert 'src="data:image/png;base64,iVBORw0KGgo' in shown["text/html"]
        assert (' width="' in shown["text/html"]) == (kind == "retina")
