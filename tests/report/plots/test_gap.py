"""Panels of the gap show every point; statistics a mark per set."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.analysis import modality_gap, projection
from cmir_repro.core.errors import InputError
from cmir_repro.report import plots
from cmir_repro.report.plots.gap import STATISTICS


@pytest.fixture
def features():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 5))
    return {"image": x, "text": x + 2, "fusion": x + 1}


def test_gap_panels_differ_in_colour_and_marker_and_carry_the_callers_titles(features):
    frame = projection.pca(features)
    frame = pd.concat(
        [
            frame.assign(model=m, method=p, seed=pd.array([s] * len(frame), dtype="Int64"))
            for m in ("TIRG", "DIM")
            for p, s in (("PCA", pd.NA), ("UMAP", 0), ("UMAP", 1))
        ]
    )
    figure = plots.gap_panels(frame, links=5)
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == [
        "TIRG: PCA",
        "TIRG: UMAP, seed 0",
        "TIRG: UMAP, seed 1",
    ]
    assert len(figure.axes) == 6
    handles = figure.legends[0].legend_handles
    assert [h.get_label() for h in handles] == ["image", "text", "fusion"]
    assert len({h.get_color() for h in handles}) == 3
    assert len({h.get_marker() for h in handles}) == 3
    drawn = np.concatenate([c.get_offsets() for c in figure.axes[0].collections])
    assert len(drawn) == 180
    np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(frame["x"][: 3 * 60].unique()))
    assert len(figure.axes[0].lines) == 5

    titles = ["the text lies apart from the pictures and the fused queries between"] * 6
    figure = plots.gap_panels(frame, titles=titles)
    assert figure.axes[0].get_title(loc="left").replace("\n", " ") == titles[0]
    figure.draw_without_rendering()
    titles = [axis._left_title.get_window_extent() for axis in figure.axes]
    assert all(box.y1 <= figure.bbox.y1 for box in titles)


def test_gap_statistics_draw_a_panel_per_statistic_and_a_mark_per_set(features):
    f = features
    sets = {"image - text": (f["image"], f["text"]), "fusion - text": (f["fusion"], f["text"])}
    table = modality_gap.table(sets, batch=32)
    both = pd.concat({"TIRG": table, "DIM": table}, names=["model"])
    figure = plots.gap_statistics(both)
    assert len(figure.axes) == len(STATISTICS)
    probe = figure.axes[2]
    assert probe.get_title(loc="left") == "Modality probe (%)"
    a, b, chance = probe.lines
    assert a.get_xdata().tolist() == [table["probe_accuracy"].iloc[0]] * 2
    assert (a.get_color(), a.get_marker()) != (b.get_color(), b.get_marker())
    assert chance.get_xdata()[0] == 50
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["TIRG", "DIM"]
    ceiling = figure.axes[list(STATISTICS).index("info_nce")].lines[-1]
    assert ceiling.get_xdata()[0] == table["info_nce_ceiling"].iloc[0]

    figure = plots.gap_statistics(table.drop(columns="alignment"))
    assert len(figure.axes) == len(STATISTICS) - 1
    assert not figure.legends


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="2 titles were given for 1 panels"):
        plots.gap_panels(projection.pca({"x": np.eye(4)}), titles=["a", "b"])
    with pytest.raises(InputError, match="none of the statistics"):
        plots.gap_statistics(pd.DataFrame({"loss": [1]}))
