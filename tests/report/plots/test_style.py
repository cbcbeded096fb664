"""Figures are saved alike, and nobody's defaults are changed unasked."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.report import plots
from cmir_repro.report.plots.style import COLORS, MARKERS, look


def test_looks_stay_distinct_beyond_the_colours():
    assert len({look(i) for i in range(len(COLORS) * len(MARKERS))}) == 49


def test_save_figure_writes_the_same_bytes_and_the_data(tmp_path, monkeypatch, capsys):
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    monkeypatch.setenv("CMIR_FIGURES", str(tmp_path))
    data = pd.DataFrame({"mean": [1 / 3]}, index=pd.Index(["DIM"], name="method"))
    plots.save_figure(plots.image_grid(pictures), "grid_1", data)
    first = (tmp_path / "grid_1.png").read_bytes()
    plots.save_figure(plots.image_grid(pictures), "grid_1", data)
    assert (tmp_path / "grid_1.png").read_bytes() == first
    assert b"matplotlib" not in first
    assert (tmp_path / "grid_1.csv").read_text() == "method,mean\nDIM,0.333333\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grid_1.csv", "grid_1.png"]
    assert capsys.readouterr().out == ""
    for name in ("../grid", "grid.png", ""):
        with pytest.raises(InputError, match="a figure's name"):
            plots.save_figure(plots.image_grid(pictures), name)


def test_style_sets_defaults_only_when_asked():
    with plt.rc_context():
        plots.style()
        assert plt.rcParams["axes.spines.top"] is False
