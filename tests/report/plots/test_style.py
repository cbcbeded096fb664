"""Figures are saved alike, and nobody's defaults are changed unasked."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots
from cmir_repro.report.plots import captions
from cmir_repro.report.plots.methods import looks
from cmir_repro.report.plots.style import COLORS, HIT, MARKERS, MISS, MUTED, look, wrap


def test_looks_stay_distinct_beyond_the_colours():
    assert len({look(i) for i in range(len(COLORS) * len(MARKERS))}) == 49


def test_save_figure_writes_the_same_bytes_and_the_data(tmp_path, monkeypatch, capsys):
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    monkeypatch.setenv("CMIR_FIGURES", str(tmp_path))
    data = pd.DataFrame({"mean": [1 / 3]}, index=pd.Index(["DIM"], name="method"))
    plots.save_figure(plots.image_grid(pictures), "grid_1", data)
    first, vector = ((tmp_path / f"grid_1.{kind}").read_bytes() for kind in ("png", "svg"))
    plots.save_figure(plots.image_grid(pictures), "grid_1", data)
    assert (tmp_path / "grid_1.png").read_bytes() == first
    assert (tmp_path / "grid_1.svg").read_bytes() == vector
    assert b"dc:date" not in vector
    assert b"matplotlib" not in first
    assert (tmp_path / "grid_1.csv").read_text() == "method,mean\nDIM,0.333333\n"
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".csv", ".png", ".svg"]
    assert capsys.readouterr().out == ""
    for name in ("../grid", "grid.png", ""):
        with pytest.raises(InputError, match="a figure's name"):
            plots.save_figure(plots.image_grid(pictures), name)


def test_style_sets_defaults_only_when_asked():
    with plt.rc_context():
        plots.style()
        assert plt.rcParams["axes.spines.top"] is False


def _luminance(color):
    """Relative luminance of WCAG 2.1."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_colours_of_text_stand_out_from_white_at_least_four_and_a_half_to_one():
    for color in (HIT, MISS, MUTED):
        assert 1.05 / (_luminance(color) + 0.05) >= 4.5, color


def test_a_method_has_one_look_and_lines_of_a_figure_differ():
    first = looks(["TIRG", "TIRG + DIM", "Image only"])
    assert looks(["mine", "Image only", "FiLM + DIM"])["Image only"] == first["Image only"]
    assert looks(["TIRG + DIM"])["TIRG + DIM"] == first["TIRG + DIM"]
    many = looks(["TIRG", "FiLM", "TIRG + DIM", "FiLM + DIM", "a", "b", "CRCGS", "Base"])
    assert len(set(many.values())) == 8
    assert len({marker for _, marker in first.values()}) == 3  # readable in grey


def test_titles_spell_codes_and_keep_percent_signs_with_their_numbers():
    figure = plots.image_grid(np.zeros((1, 8, 8, 3), np.uint8), title="Recall, 3d-3d, mini")
    assert figure.get_suptitle() == "Recall, 3D to 3D, mini"
    assert wrap("probe: text 100 %, fusion", 16).split("\n")[0] == "probe: text"


def _figures():
    rows = {"method": ["TIRG", "TIRG + DIM"], "mean": [1.0, 2], "low": [0.5, 1], "high": [2.0, 3]}
    table = pd.DataFrame(rows)
    one, many = np.zeros((1, 60, 90, 3), np.uint8), np.zeros((1, 5, 60, 90, 3), np.uint8)
    hits = np.eye(5)[:1] > 0
    yield plots.recall_intervals(table, 0.1, "Recall")
    yield plots.difference_intervals(table.assign(difference=1.0, group="x"), "Gains")
    yield plots.learning_curves({"TIRG": pd.DataFrame({"step": [1, 2], "loss": [2.0, 1]})})
    yield plots.bits_against_map(table.assign(bits=16, metric="MAP"), 50.0)
    yield plots.retrieval_rows(one, ["remove it"], many, hits, one, [1], "Answers")
    yield plots.shared_label_rows(["red cube"], many, [["red", "", "", "", "cube"]])
    yield plots.sentence_rows(one, [["a cube", "a ball"]], hits[:, :2], [1])
    yield plots.attention_rows(one, [["red"]], [np.ones((1, 2, 3))])
    yield plots.edit_rows(one, ["remove it"], one)
    yield plots.tagged(one, ["red"])


def test_text_is_8_points_at_7_inches_and_dark_enough():
    for figure in _figures():
        scale = 7.0 / max(7.0, figure.get_figwidth())
        for text in figure.findobj(plt.Text):
            if text.get_text().strip() and text.get_visible():
                assert text.get_fontsize() * scale >= 8, text
                assert 1.05 / (_luminance(text.get_color()) + 0.05) >= 4.5, text


def test_the_caption_is_in_the_picture_and_in_the_vector_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_FIGURES", str(tmp_path))
    grid = plots.image_grid(np.zeros((1, 8, 8, 3), np.uint8))
    plots.save_figure(grid, "successes-css-mini-3d-3d")
    plots.save_figure(grid, "mine", caption="Look at this.")
    said = captions.FIGURES["successes"].caption
    for name, caption in (("successes-css-mini-3d-3d", said), ("mine", "Look at this.")):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.text["Description"] == caption
        assert f"<dc:description>{caption}" in (tmp_path / f"{name}.svg").read_text()


def test_captions_are_one_sentence_each_and_the_longest_name_decides():
    for one in captions.FIGURES.values():
        assert one.caption.endswith(".")
        assert one.caption.count(". ") == 0
    assert captions.described("gap-statistics-css-mini-3d-3d") is captions.FIGURES["gap-statistics"]
    assert captions.described("gap-css-mini-3d-3d") is captions.FIGURES["gap"]
    assert captions.described("gapless") is None
