"""The overview counts runs, and names the protocol of each column."""

from cmir_repro.core.protocol import preset
from cmir_repro.report import overview
from cmir_repro.report.columns.dim import CUTOFFS


def test_the_overview_counts_seeds_and_says_what_does_not_fit(three_seeds):
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in overview.markdown().splitlines())
    }
    titles = [cell.partition("<br>")[0] for cell in rows["method"]]
    tirg = dict(zip(titles, rows["TIRG"], strict=True))
    assert tirg["CSS 3D"] == "3 + 0"
    assert tirg["CSS 2D-3D"] == tirg["MIT-States"] == "trains"
    assert tirg["FashionIQ"] == tirg["CIRR"] == "trains"
    assert dict(zip(titles, rows["Image only"], strict=True))["CSS 3D"] == "1"
    operator = dict(zip(titles, rows["Attribute as operator"], strict=True))
    assert operator["MIT-States"] == "trains"
    assert operator["CSS 3D"] == operator["FashionIQ"] == "–"


def test_the_overview_names_the_protocol_that_runs_are_scored_by():
    """What evaluate implements: one gallery, one query each, nothing left unmeasured."""
    for column in overview.COLUMNS:
        protocol = preset(column.protocol)
        assert protocol.aggregate == "mean over queries"
        assert protocol.captions is protocol.subset_cutoffs is None
        assert set(CUTOFFS) <= set(protocol.cutoffs)
        assert column.task in ("photo", "3d-3d", "2d-3d")
