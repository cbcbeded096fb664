"""Published recalls of image <-> sentence retrieval to set beside ours, each with its source.

Percent, on the test sets of Flickr30K and COCO under the presets of `protocol`. What no source
shows is None: numbers known from memory only are not given, and of AAI itself none was found.
"""

from typing import NamedTuple

import pandas as pd

from cmir_repro.core.errors import one_of

Recalls = tuple[float | None, float | None, float | None]  # R@1, R@5, R@10 in percent
CERTAINTIES = ("verified", "secondary", "from memory, not shown", "unknown")
METRICS = tuple(f"{side} R@{k}" for side in ("i2t", "t2i") for k in (1, 5, 10))


class Published(NamedTuple):
    """One method's recalls; `certainty` is one of CERTAINTIES.

    "verified": read in what its authors published. "secondary": read where others quote it.
    """

    method: str
    i2t: Recalls
    t2i: Recalls
    rsum: float | None  # as published; None: the source gives none
    source: str
    certainty: str


_NONE: Recalls = (None, None, None)
_VSE = "paper and supplement of Chen et al. 2021 (VSE-infinity)"
_QUOTED = f"as quoted in {_VSE}"
_SURVEY = "performance table of Paranioar/Awesome_Matching_Pretraining_Transfering"
_T2T = "as quoted in the Tag2Text paper"
_LAVIS = "model card of salesforce/LAVIS"
_AAI = Published("AAI", _NONE, _NONE, None, "the article's tables could not be obtained", "unknown")


def _own(method: str, i2t: Recalls, t2i: Recalls, rsum: float) -> Published:
    return Published(method, i2t, t2i, rsum, _VSE, "verified")


def _others(
    method: str, i2t: Recalls, t2i: Recalls, rsum: float | None, source: str = _QUOTED
) -> Published:
    return Published(method, i2t, t2i, rsum, source, "secondary")


# fmt: off
PUBLISHED: dict[str, list[Published]] = {
    "flickr30k-1k": [
        _others("VSE++, ResNet-152", (52.9, 80.5, 87.2), (39.6, 70.1, 79.5), 409.8,
                f"{_QUOTED}; {_SURVEY}"),
        _others("SCAN, t2i average", (61.8, 87.5, 93.7), (45.8, 74.4, 83.0), None, _SURVEY),
        _others("SCAN, i2t average", (67.9, 89.0, 94.4), (43.9, 74.2, 82.8), None, _SURVEY),
        _others("SCAN, ensemble", (67.4, 90.3, 95.8), (48.6, 77.7, 85.2), 465.0,
                f"{_QUOTED}; {_SURVEY}"),
        _others("VSRN, ensemble", (71.3, 90.6, 96.0), (54.7, 81.8, 88.2), 482.6,
                f"{_QUOTED}; {_SURVEY}"),
        _own("VSE++ by the authors of VSE-infinity, regions + BERT",
             (63.4, 87.2, 92.7), (45.6, 76.4, 84.4), 449.7),
        _own("VSE-infinity, regions + BiGRU", (76.5, 94.2, 97.7), (56.4, 83.4, 89.9), 498.1),
        _own("VSE-infinity, regions + BERT", (81.7, 95.4, 97.6), (61.4, 85.9, 91.5), 513.5),
        _own("VSE-infinity, grid + BERT", (81.5, 97.1, 98.5), (63.7, 88.3, 93.2), 522.3),
        _own("VSE-infinity, regions and grid + BERT",
             (85.3, 97.2, 98.9), (66.7, 89.9, 94.0), 532.0),
        _own("VSE-infinity, WSL grid + BERT", (88.4, 98.3, 99.5), (74.2, 93.7, 96.8), 550.9),
        _own("VSE-infinity, WSL grid + BERT, ensemble",
             (88.7, 98.9, 99.8), (76.1, 94.5, 97.1), 555.1),
        _others("ALBEF, 4M, zero-shot (tuned on COCO)",
                (90.5, 98.8, 99.7), (76.8, 93.7, 96.7), None,
                "the paper's numbers as quoted in issue 74 of salesforce/ALBEF"),
        _others("ALBEF, 4M, tuned", (94.3, 99.4, 99.8), (82.8, 96.7, 98.4), None, _T2T),
        _others("ALBEF, 14M, tuned", (95.9, 99.8, 100.0), (85.6, 97.5, 98.9), None, _LAVIS),
        Published("TCL, 4M, tuned", _NONE, _NONE, None, "no source was read",
                  "from memory, not shown"),
        _AAI,
    ],
    "coco-1k-5fold": [
        _others("VSE++, ResNet-152", (64.6, 90.0, 95.7), (52.0, 84.3, 92.0), 478.6),
        _others("SCAN, ensemble", (72.7, 94.8, 98.4), (58.8, 88.4, 94.8), 507.9),
        _others("VSRN, ensemble", (76.2, 94.8, 98.2), (62.8, 89.7, 95.1), 516.8),
        _own("VSE-infinity, regions + BiGRU", (78.5, 96.0, 98.7), (61.7, 90.3, 95.6), 520.8),
        _own("VSE-infinity, regions + BERT", (79.7, 96.4, 98.9), (64.8, 91.4, 96.3), 527.5),
        _own("VSE-infinity, grid + BERT", (80.4, 96.8, 99.1), (66.4, 92.1, 96.7), 531.6),
        _own("VSE-infinity, regions and grid + BERT",
             (82.2, 97.5, 99.5), (68.1, 92.9, 97.2), 537.4),
        _own("VSE-infinity, WSL grid + BERT", (84.5, 98.1, 99.4), (72.0, 93.9, 97.5), 545.4),
        _own("VSE-infinity, WSL grid + BERT, ensemble",
             (85.6, 98.0, 99.4), (73.1, 94.3, 97.7), 548.1),
        Published("ALBEF", _NONE, _NONE, None, "its code scores COCO 5K only", "unknown"),
        Published("TCL", _NONE, _NONE, None, "its code scores COCO 5K only", "unknown"),
        _AAI,
    ],
    "coco-5k": [
        _others("VSE++, ResNet-152", (41.3, 71.1, 81.2), (30.3, 59.4, 72.4), 355.7),
        _others("SCAN, ensemble", (50.4, 82.2, 90.0), (38.6, 69.3, 80.4), 410.9),
        _others("VSRN, ensemble", (53.0, 81.1, 89.4), (40.5, 70.6, 81.1), 415.7),
        _own("VSE-infinity, regions + BiGRU", (56.6, 83.6, 91.4), (39.3, 69.9, 81.1), 421.9),
        _own("VSE-infinity, regions + BERT", (58.3, 85.3, 92.3), (42.4, 72.7, 83.2), 434.3),
        _own("VSE-infinity, grid + BERT", (59.1, 85.9, 92.8), (44.1, 74.1, 84.0), 440.0),
        _own("VSE-infinity, regions and grid + BERT",
             (62.5, 87.8, 94.0), (46.0, 75.8, 85.7), 451.8),
        _own("VSE-infinity, WSL grid + BERT", (66.4, 89.3, 94.6), (51.6, 79.3, 87.6), 468.9),
        _own("VSE-infinity, WSL grid + BERT, ensemble",
             (68.1, 90.2, 95.2), (52.7, 80.2, 88.3), 474.8),
        _others("ALBEF, 4M, tuned", (73.1, 91.4, 96.0), (56.8, 81.5, 89.2), None, _T2T),
        _others("ALBEF, 14M, tuned", (77.6, 94.3, 97.2), (60.7, 84.3, 90.5), None, _LAVIS),
        _others("ALBEF, 14M, tuned, run again by LAVIS",
                (77.6, 94.1, 97.2), (61.0, 84.5, 90.7), None,
                "benchmark page of salesforce/LAVIS"),
        _others("TCL, 4M, zero-shot", (71.4, 90.8, 95.4), (53.5, 79.0, 87.1), None,
                "public leaderboard"),
        _others("TCL, 4M, tuned", _NONE, (59.0, None, None), None,
                "public leaderboard, which shows 59; the other recalls were in no source read"),
        _AAI,
    ],
}
# fmt: on


def rsum(row: Published) -> float | None:
    """The published sum of the six recalls, or ours of its parts; None where one is unknown."""
    if row.rsum is not None:
        return row.rsum
    parts = (*row.i2t, *row.t2i)
    return None if None in parts else round(sum(parts), 1)


def table(protocol: str) -> pd.DataFrame:
    """The rows of one preset: columns method, METRICS, RSUM (NaN: unknown), source, certainty.

    Raises:
        InputError: nothing was published under `protocol`.
    """
    one_of("protocol", protocol, PUBLISHED)
    rows = [
        {
            "method": row.method,
            **dict(zip(METRICS, (*row.i2t, *row.t2i), strict=True)),
            "RSUM": rsum(row),
            "source": row.source,
            "certainty": row.certainty,
        }
        for row in PUBLISHED[protocol]
    ]
    numbers = dict.fromkeys((*METRICS, "RSUM"), float)
    return pd.DataFrame(rows).astype(numbers)


def markdown(protocol: str) -> str:
    """`table` as Markdown; what is not known is "unknown". Errors as in `table`."""
    rows = table(protocol)
    lines = [f"| {' | '.join(rows.columns)} |", "|---" * len(rows.columns) + "|"]
    for _, row in rows.iterrows():
        missing = "not shown" if row["certainty"] == CERTAINTIES[2] else "unknown"
        cells = [
            value if isinstance(value, str) else missing if pd.isna(value) else f"{value:.1f}"
            for value in row
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
