"""Recalls of the relatives: their sums add up, each has a source, and AAI has no number."""

import math

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.report import published_image_sentence as published

ROWS = [(protocol, row) for protocol, rows in published.PUBLISHED.items() for row in rows]


def test_a_published_sum_is_that_of_its_parts():
    checked = 0
    for _, row in ROWS:
        parts = (*row.i2t, *row.t2i)
        if row.rsum is not None:
            # Each of the six is rounded to 0.1, and so is the sum: at most 7 times 0.05 apart.
            assert sum(parts) == pytest.approx(row.rsum, abs=0.35 + 1e-9)
            checked += 1
        elif None not in parts:
            assert published.rsum(row) == pytest.approx(sum(parts))
        else:
            assert published.rsum(row) is None
    assert checked == 28


@pytest.mark.parametrize("protocol", published.PUBLISHED)
def test_aai_has_no_number(protocol):
    rows = published.table(protocol)
    aai = rows[rows["method"].str.contains("AAI")]
    assert len(aai) == 1
    assert aai[[*published.METRICS, "RSUM"]].isna().all(axis=None)
    assert aai["certainty"].item() == "unknown"
    line = next(x for x in published.markdown(protocol).splitlines() if x.startswith("| AAI "))
    assert not any(letter.isdigit() for letter in line)


def test_what_is_known_from_memory_only_is_not_shown():
    found = [row for _, row in ROWS if row.certainty == "from memory, not shown"]
    assert [row.method for row in found] == ["TCL, 4M, tuned"]
    for row in found:
        assert set((*row.i2t, *row.t2i, row.rsum)) == {None}
    assert "| TCL, 4M, tuned | not shown |" in published.markdown("flickr30k-1k")
    # One number of it was seen, on COCO.
    row = published.table("coco-5k").set_index("method").loc["TCL, 4M, tuned"]
    assert row["t2i R@1"] == 59
    assert row[["i2t R@1", "RSUM"]].isna().all()


def test_every_row_says_where_it_is_from_and_is_possible():
    for protocol, row in ROWS:
        assert preset(protocol).direction == "both"
        assert row.certainty in published.CERTAINTIES
        assert row.source
        assert "|" not in row.method + row.source  # would break the table
        for recalls in (row.i2t, row.t2i):
            known = [value for value in recalls if value is not None]
            assert known == sorted(known)
            assert all(0 < value <= 100 for value in known)
    for protocol, rows in published.PUBLISHED.items():
        names = [row.method for row in rows]
        assert len(set(names)) == len(names), protocol


def test_the_table_holds_the_numbers_as_published():
    row = published.table("coco-1k-5fold").set_index("method").loc["VSE-infinity, regions + BERT"]
    assert row[list(published.METRICS)].tolist() == [79.7, 96.4, 98.9, 64.8, 91.4, 96.3]
    assert (row["RSUM"], row["certainty"]) == (527.5, "verified")
    assert not math.isnan(published.table("flickr30k-1k")["RSUM"].max())
    albef = published.table("coco-5k").set_index("method").loc["ALBEF, 4M, tuned"]
    assert albef["RSUM"] == 488.0  # our sum
    lines = published.markdown("coco-5k").splitlines()
    assert len(lines) == 2 + len(published.PUBLISHED["coco-5k"])
    assert len({line.count("|") for line in lines}) == 1


def test_a_protocol_without_published_numbers_is_refused():
    with pytest.raises(InputError, match=r"coco-1k-first-fold.*flickr30k-1k"):
        published.table("coco-1k-first-fold")
