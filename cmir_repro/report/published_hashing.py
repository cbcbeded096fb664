"""Published mean average precision of codes to set beside ours, each with its source.

As published, a fraction in [0, 1]; `table` gives percent. The depth matters more than the method:
"all" looks at the whole database, "queries" at as many places as there are queries, which is far
higher, and no row of one may be compared with a row of the other. What no source shows is None:
the article of CRCGS could not be obtained, and the results in its repository are not its table.
"""

from typing import NamedTuple

import pandas as pd

from cmir_repro.core.errors import one_of

BITS = (16, 32, 64)
Values = tuple[float | None, float | None, float | None]  # by BITS
CERTAINTIES = ("verified", "secondary", "unknown")
DEPTHS = ("all", "queries", "unknown")  # places that average precision looks at
METRICS = tuple(f"{side} {bits}" for side in ("i2t", "t2i") for bits in BITS)


class Published(NamedTuple):
    """One method's values; `certainty` is one of CERTAINTIES.

    "verified": read in what its authors published. "secondary": read where others ran or quote it.
    """

    method: str
    i2t: Values
    t2i: Values
    depth: str  # one of DEPTHS
    source: str
    certainty: str


_NONE: Values = (None, None, None)
_CNNF = "figure in the repository lelan-li/SSAH, CNN-F features"
_VGG = "figure in the repository lelan-li/SSAH, VGG19 features"
_QDCMH = "table 2 of the QDCMH article (2021)"
_UCCH = "the UCCH article, which trains without labels"
_PAPER = Published(
    "CRCGS, article", _NONE, _NONE, "unknown", "the article's tables could not be obtained",
    "unknown",
)  # fmt: skip


def _released(i2t: Values, t2i: Values) -> Published:
    """What the authors' repository holds beside the code, as that code scores."""
    return Published(
        "CRCGS, released results", i2t, t2i, "queries",
        "final_results of the repository Hambaobao/CRCGS, one run; whether the article's table "
        "says the same is unknown", "verified",
    )  # fmt: skip


def _all(method: str, i2t: Values, t2i: Values, source: str, own: bool = False) -> Published:
    return Published(method, i2t, t2i, "all", source, "verified" if own else "secondary")


# fmt: off
PUBLISHED: dict[str, list[Published]] = {
    "mirflickr": [
        _all("CVH", (.557, .554, .554), (.557, .554, .554), _CNNF),
        _all("STMH", (.602, .608, .605), (.600, .606, .608), _CNNF),
        _all("CMSSH", (.585, .584, .572), (.567, .569, .561), _CNNF),
        _all("SCM", (.671, .682, .685), (.697, .707, .713), _CNNF),
        _all("SePH", (.657, .660, .661), (.648, .652, .654), _CNNF),
        _all("DCMH, CNN-F, by the authors of SSAH", (.735, .737, .750), (.763, .764, .775), _CNNF),
        _all("SSAH, CNN-F", (.782, .790, .800), (.791, .795, .803), _CNNF, own=True),
        _all("DCMH, VGG19, by the authors of SSAH", (.677, .703, .725), (.705, .717, .724), _VGG),
        _all("SSAH, VGG19", (.797, .809, .810), (.782, .797, .799), _VGG, own=True),
        _all("DCMH, by the authors of QDCMH", (.7316, .7343, .7446), (.7607, .7737, .7805),
             _QDCMH),
        _all("SSAH, by the authors of QDCMH", (.7745, .7882, .7990), (.7860, .7974, .7910),
             _QDCMH),
        _all("DJSRH", (None, .697, .700), (None, .691, .683), _UCCH),
        _all("JDSH", (None, .734, .741), (None, .720, .733), _UCCH),
        _all("DGCPN", (None, .723, .737), (None, .707, .725), _UCCH),
        _all("UCCH", (None, .744, .754), (None, .725, .743), _UCCH, own=True),
        _released((None, .8632, .8650), (None, .8594, .8779)),
        _PAPER,
    ],
    "nuswide": [
        _all("CVH", (.400, .392, .386), (.372, .366, .363), _CNNF),
        _all("STMH", (.522, .529, .537), (.496, .529, .532), _CNNF),
        _all("CMSSH", (.511, .506, .493), (.449, .389, .380), _CNNF),
        _all("SCM", (.533, .548, .557), (.463, .462, .471), _CNNF),
        _all("SePH", (.478, .487, .489), (.449, .454, .458), _CNNF),
        _all("DCMH, CNN-F, by the authors of SSAH", (.478, .486, .488), (.638, .651, .657), _CNNF),
        _all("SSAH, CNN-F", (.642, .636, .639), (.669, .662, .666), _CNNF, own=True),
        _all("DCMH, VGG19, by the authors of SSAH", (.590, .603, .609), (.620, .634, .643), _VGG),
        _all("SSAH, VGG19", (.636, .636, .637), (.653, .676, .683), _VGG, own=True),
        _released((None, .7629, .7815), (None, .7682, .7853)),
        _PAPER,
    ],
    "coco": [
        _all("CVH", (.412, .401, .400), (.367, .359, .357), _CNNF),
        _all("STMH", (.422, .459, .475), (.431, .461, .476), _CNNF),
        _all("CMSSH", (.512, .495, .482), (.429, .408, .398), _CNNF),
        _all("SCM", (.483, .528, .550), (.465, .521, .548), _CNNF),
        _all("SePH", (.463, .487, .501), (.449, .474, .499), _CNNF),
        _all("DCMH, CNN-F, by the authors of SSAH", (.511, .513, .527), (.501, .503, .505), _CNNF),
        _all("SSAH, CNN-F", (.550, .558, .557), (.537, .538, .529), _CNNF, own=True),
        _all("DCMH, VGG19, by the authors of SSAH", (.497, .506, .511), (.507, .520, .527), _VGG),
        _all("SSAH, VGG19", (.550, .577, .576), (.552, .578, .578), _VGG, own=True),
        _all("DCMH, by the authors of QDCMH", (.5228, .5438, .5419), (.4883, .4942, .5145),
             _QDCMH),
        _all("SSAH, by the authors of QDCMH", (.5127, .5256, .5067), (.4832, .4831, .4922),
             _QDCMH),
        _all("UCCH", (None, .645, .655), (None, .655, .666), _UCCH, own=True),
        _released((None, .7313, .7612), (None, .7428, .7728)),
        _PAPER,
    ],
}
# fmt: on


def table(dataset: str, depth: str | None = None) -> pd.DataFrame:
    """The rows of a data set: columns method, METRICS in percent (NaN: unknown), depth, source,
    certainty.

    Args:
        depth: one of DEPTHS, only the rows of that; None: all rows.

    Raises:
        InputError: nothing was published for `dataset`, or an unknown depth.
    """
    one_of("dataset", dataset, PUBLISHED)
    one_of("depth", depth, (None, *DEPTHS))
    rows = [
        {
            "method": row.method,
            **{
                name: None if value is None else round(100 * value, 2)
                for name, value in zip(METRICS, (*row.i2t, *row.t2i), strict=True)
            },
            "depth": row.depth,
            "source": row.source,
            "certainty": row.certainty,
        }
        for row in PUBLISHED[dataset]
        if depth in (None, row.depth)
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(METRICS, float))


def markdown(dataset: str, depth: str | None = None) -> str:
    """`table` as Markdown; what is not known is "unknown". Errors as in `table`."""
    rows = table(dataset, depth)
    lines = [f"| {' | '.join(rows.columns)} |", "|---" * len(rows.columns) + "|"]
    for _, row in rows.iterrows():
        cells = [
            value if isinstance(value, str) else "unknown" if pd.isna(value) else f"{value:.2f}"
            for value in row
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
