"""Published values of codes: each has a source and a depth, and no depth passes for the other."""

import math

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.report import published_hashing as published

ROWS = [(dataset, row) for dataset, rows in published.PUBLISHED.items() for row in rows]


def test_every_row_says_where_it_is_from_and_is_possible():
    for dataset, row in ROWS:
        assert row.certainty in published.CERTAINTIES
        assert row.depth in published.DEPTHS
        assert row.source
        assert "|" not in row.method + row.source  # would break the table
        known = [value for value in (*row.i2t, *row.t2i) if value is not None]
        assert all(0.3 < value < 0.9 for value in known), (dataset, row.method)
        assert bool(known) == (row.certainty != "unknown")
    for dataset, rows in published.PUBLISHED.items():
        names = [row.method for row in rows]
        assert len(set(names)) == len(names), dataset


def test_the_depths_are_those_we_measure():
    assert {row.depth for _, row in ROWS} == {*preset("map-all").depths, "unknown"}


@pytest.mark.parametrize("dataset", published.PUBLISHED)
def test_the_article_has_no_number_and_the_release_has_its_own_depth(dataset):
    rows = published.table(dataset).set_index("method")
    article, released = rows.loc["CRCGS, article"], rows.loc["CRCGS, released results"]
    assert article[list(published.METRICS)].isna().all()
    assert (article["certainty"], article["depth"]) == ("unknown", "unknown")
    assert released["depth"] == "queries"
    assert "whether the article's table says the same is unknown" in released["source"]
    assert released[["i2t 16", "t2i 16"]].isna().all()
    # It alone was scored so.
    assert published.table(dataset, "queries")["method"].tolist() == ["CRCGS, released results"]
    assert "CRCGS" not in " ".join(published.table(dataset, "all")["method"])


# The repository's own averages of both directions, rounded to four places.
AVERAGES = {"mirflickr": (0.8613, 0.8715), "nuswide": (0.7655, 0.7834), "coco": (0.7370, 0.7670)}


@pytest.mark.parametrize("dataset", AVERAGES)
def test_the_released_averages_are_those_of_their_parts(dataset):
    row = next(r for r in published.PUBLISHED[dataset] if r.method == "CRCGS, released results")
    for i2t, t2i, average in zip(row.i2t[1:], row.t2i[1:], AVERAGES[dataset], strict=True):
        assert (i2t + t2i) / 2 == pytest.approx(average, abs=0.0001 + 1e-9)


def test_the_table_is_in_percent():
    rows = published.table("nuswide").set_index("method")
    ssah = rows.loc["SSAH, VGG19"]
    assert ssah[list(published.METRICS)].tolist() == [63.6, 63.6, 63.7, 65.3, 67.6, 68.3]
    assert ssah["certainty"] == "verified"
    assert rows.loc["DCMH, VGG19, by the authors of SSAH", "certainty"] == "secondary"
    assert math.isnan(rows.loc["CRCGS, released results", "i2t 16"])
    lines = published.markdown("coco").splitlines()
    assert len(lines) == 2 + len(published.PUBLISHED["coco"])
    assert len({line.count("|") for line in lines}) == 1
    assert "unknown | 73.13 | 76.12 | unknown | 74.28 | 77.28 | queries" in lines[-2]


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"dataset 'css' is unknown; allowed: mirflickr"):
        published.table("css")
    with pytest.raises(InputError, match="depth '50' is unknown"):
        published.table("coco", "50")
