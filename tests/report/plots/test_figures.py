"""Figures are tested through what they draw: panels, words, marks, positions."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cmir_repro.analysis import modality_gap, projection
from cmir_repro.core.errors import InputError
from cmir_repro.report.plots import figures as plots


@pytest.fixture(autouse=True)
def nothing_stays_behind():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, size=(6, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def features():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 5))
    return {"image": x, "text": x + 2, "fusion": x + 1}


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
        assert to_hex(frame.get_edgecolor(), keep_alpha=False).upper() == (
            plots.HIT if hit else plots.MISS
        )
        assert (frame.get_linestyle() == "-") == bool(hit)


def test_learning_curves_share_colours_between_panels():
    steps = np.arange(20)
    losses = {
        n: pd.DataFrame({"step": steps, "loss": 1 / (steps + k)}) for n, k in (("A", 1), ("B", 2))
    }
    recalls = {"B": pd.DataFrame({"step": [0, 10], "recall": [1.0, 40.0]})}
    figure = plots.learning_curves(losses, recalls, chance=0.5, window=3)
    loss, recall = figure.axes
    colors = {line.get_label(): line.get_color() for line in loss.lines}
    drawn = {line.get_label(): line for line in recall.lines}
    assert drawn["B"].get_color() == colors["B"] != colors["A"]
    assert drawn["chance (0.5)"].get_ydata()[0] == 0.5
    assert drawn["B"].get_ydata().tolist() == [1, 40]
    smooth = next(line for line in loss.lines if line.get_label() == "A").get_ydata()
    assert smooth[5] == pytest.approx(losses["A"]["loss"][4:7].mean())
    assert "mean over 3 logged steps" in loss.get_title(loc="left")
    assert len(plots.learning_curves(losses).axes) == 1


def test_recall_intervals_put_dots_on_means_and_hollow_ones_without_interval():
    table = pd.DataFrame(
        {
            "method": ["TIRG", "DIM"] * 2,
            "metric": ["R@1", "R@1", "R@10", "R@10"],
            "mean": [50.0, 60.0, 70.0, 80.0],
            "low": [48.0, np.nan, 68.0, 79.0],
            "high": [52.0, np.nan, 72.0, 81.0],
        }
    )
    figure = plots.recall_intervals(table, chance={"R@1": 0.1})
    first, second = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["R@1", "R@10"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["TIRG", "DIM"]
    known, unknown, chance = first.lines
    assert (known.get_xdata().tolist(), known.get_ydata().tolist()) == ([50], [0])
    assert (unknown.get_xdata().tolist(), unknown.get_markerfacecolor()) == ([60], "white")
    assert chance.get_xdata()[0] == 0.1
    assert first.collections[0].get_segments()[0].tolist() == [[48, 0], [52, 0]]
    assert "hollow: no interval" in words(figure)
    assert first.get_xlabel() == "dotted: chance, 0.1"
    assert second.get_xlabel() == ""


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
    assert all(
        box.y1 <= figure.bbox.y1 for box in boxes(figure, [a._left_title for a in figure.axes])
    )


def test_gap_statistics_draw_a_panel_per_statistic_and_a_mark_per_set(features):
    f = features
    sets = {"image - text": (f["image"], f["text"]), "fusion - text": (f["fusion"], f["text"])}
    table = modality_gap.table(sets, batch=32)
    both = pd.concat({"TIRG": table, "DIM": table}, names=["model"])
    figure = plots.gap_statistics(both)
    assert len(figure.axes) == len(plots.STATISTICS)
    probe = figure.axes[2]
    assert probe.get_title(loc="left") == "Modality probe (%)"
    a, b, chance = probe.lines
    assert a.get_xdata().tolist() == [table["probe_accuracy"].iloc[0]] * 2
    assert (a.get_color(), a.get_marker()) != (b.get_color(), b.get_marker())
    assert chance.get_xdata()[0] == 50
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["TIRG", "DIM"]
    ceiling = figure.axes[-1].lines[-1]
    assert ceiling.get_xdata()[0] == table["info_nce_ceiling"].iloc[0]

    figure = plots.gap_statistics(table.drop(columns="alignment"))
    assert len(figure.axes) == len(plots.STATISTICS) - 1
    assert not figure.legends


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


def test_looks_stay_distinct_beyond_the_colours():
    assert len({plots.look(i) for i in range(len(plots.COLORS) * len(plots.MARKERS))}) == 49


def test_save_figure_writes_the_same_bytes_and_the_data(pictures, tmp_path, monkeypatch, capsys):
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


def test_bad_input_is_refused_and_leaves_no_figure(pictures):
    with pytest.raises(InputError, match=r"images must be .* uint8"):
        plots.image_grid(pictures / 255)
    with pytest.raises(InputError, match="'images': 6, 'titles': 1"):
        plots.image_grid(pictures, ["one"])
    with pytest.raises(InputError, match=r"hits \(Q, k\)"):
        plots.retrieval_rows(None, ["a"], pictures[None], np.ones((1, 5)), pictures[:1], [1])
    with pytest.raises(InputError, match="lacks the columns loss"):
        plots.learning_curves({"DIM": pd.DataFrame({"step": [1]})})
    with pytest.raises(InputError, match="no curve"):
        plots.learning_curves({})
    with pytest.raises(InputError, match="lacks the columns low, high"):
        plots.recall_intervals(pd.DataFrame({"method": ["DIM"], "mean": [1.0]}))
    frame = projection.pca({"x": np.eye(4)})
    with pytest.raises(InputError, match="2 titles were given for 1 panels"):
        plots.gap_panels(frame, titles=["a", "b"])
    with pytest.raises(InputError, match="none of the statistics"):
        plots.gap_statistics(pd.DataFrame({"loss": [1]}))
