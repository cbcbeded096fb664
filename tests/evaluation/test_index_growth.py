"""Galleries that grow: what is made up, what is measured, and what a model of cost predicts."""

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.index import growth
from cmir_repro.report import plots


def test_neighbours_vary_in_the_directions_of_the_real_ones():
    r = np.random.default_rng(0)
    real = np.zeros((50, 8))
    real[:, :3] = r.normal(size=(50, 3))  # the other five directions are never used
    made = growth.neighbours(real, 400, np.random.default_rng(1))
    assert made.shape == (400, 8)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    assert np.abs(made[:, 3:]).max() < 1e-6
    again = growth.neighbours(real, 400, np.random.default_rng(1))
    np.testing.assert_array_equal(made, again)


def test_overlap_is_the_share_of_the_wanted_that_is_found():
    found, wanted = np.array([[1, 2, -1], [7, 8, 9]]), np.array([[2, 1, 5], [1, 2, 3]])
    assert growth.overlap(found, wanted) == pytest.approx(100 * 2 / 6)


def made_up_table(costs):
    """What `measure` would give where a unit of work costs exactly so much."""
    rows, D, M = [], 64, 16
    for N, C in ((10_000, 256), (40_000, 800), (160_000, 1600)):
        built = costs["start"] + costs["assign"] * C * D * (N + growth.HOLD * C)
        facts = {"items": N, "dimension": D, "bytes": 24.0, "recall": 90.0}
        exact = costs["exact"] * N * D
        rows.append(facts | {"way": "exact", "code": 0, "cells": 0, "probe": 0, "rerank": False,
                             "seconds": exact, "build": 0.1})  # fmt: skip
        for probe in (1, 16, 64):
            for rerank in (False, True):
                seconds = costs["query"] + costs["coarse"] * C * D
                seconds += costs["scan"] * N * probe / C * M + rerank * costs["scores"]
                way = "IVF-PQ, exact scores" if rerank else "IVF-PQ"
                more = {"probe": probe, "rerank": rerank, "seconds": seconds, "build": built}
                rows.append(facts | {"way": way, "code": M, "cells": C} | more)
    table = pd.DataFrame(rows)
    return table.assign(**{"queries a second": 1 / table["seconds"]})


COSTS = {
    "exact": 1e-10, "query": 5e-6, "coarse": 4e-11, "scan": 9e-10, "scores": 1e-4, "start": 0.4,
    "assign": 3e-11,
}  # fmt: skip


def test_the_model_finds_the_costs_that_made_the_table():
    assert growth.model(made_up_table(COSTS)) == pytest.approx(COSTS, rel=1e-3)


def test_one_size_predicts_nothing():
    table = made_up_table(COSTS)
    with pytest.raises(InputError, match="from two sizes"):
        growth.model(table[table["items"] == 10_000])


def test_a_prediction_is_work_times_cost_on_as_many_machines_as_it_takes():
    table = growth.predicted(COSTS, 100_000_000, 64, 16, 64, memory=64, cores=16, load=1000)
    exact, near = table.iloc[0], table.iloc[1]
    assert exact["ms a query"] == pytest.approx(1000 * 1e-10 * 1e8 * 64)
    assert exact["machines"] == 40  # 0.64 s a query, a thousand a second, 16 cores
    assert exact["GiB"] == pytest.approx((4 * 64 + 16) * 1e8 / 2**30)
    seconds = 5e-6 + 4e-11 * 40_000 * 64 + 9e-10 * 1e8 * 64 / 40_000 * 16 + 1e-4
    assert near["ms a query"] == pytest.approx(1000 * seconds)
    held = growth.predicted(COSTS, 10**10, 64, 16, 64, memory=64, cores=10**6, load=1)
    assert held["machines"].tolist() == [int(np.ceil(gib / 64)) for gib in held["GiB"]]


def test_measuring_counts_every_way_and_exact_is_all_right(tmp_path):
    r = np.random.default_rng(0)
    real = r.normal(size=(60, 8))
    gallery = growth.write_gallery(real, 10_000, tmp_path / "g", r)
    asked = growth.neighbours(real, 20, r)
    table = growth.measure(gallery, asked, tmp_path / "i", [2], [1, 64, 10_000])
    assert table["way"].tolist() == ["exact"] + 2 * ["IVF-PQ"] + 2 * ["IVF-PQ, exact scores"]
    assert table["recall"][0] == 100
    assert table["recall"][4] > table["recall"][3]
    assert table["recall"][4] > table["recall"][2]
    assert (table["seconds"] > 0).all()


def test_the_figure_has_a_line_a_way_in_three_panels():
    figure = plots.index_curves(made_up_table(COSTS), "galleries")
    assert [len(axis.lines) for axis in figure.axes] == [3, 3, 3]
    growth_panel = figure.axes[2].lines[0]
    assert list(growth_panel.get_xdata()) == [10_000, 40_000, 160_000]
