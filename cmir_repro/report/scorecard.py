"""Each claim of the three abstracts: what would confirm it, what was measured, and the verdict.

Everything measured comes from the ledger, each comparison at the largest scale that has as many
seeds of it as any. A verdict follows from intervals over seeds and queries together, of the
modality gap over seeds, of which each has to leave out zero.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.evaluation import intervals
from cmir_repro.evaluation.verdicts import ABOVE, BELOW, Interval, sentence, verdict
from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.presets.dim import FUSIONS, WITH_DIM
from cmir_repro.report import markdown as md
from cmir_repro.report import tables

SCALES = ("full", "mini")  # the largest first; `paper` has tables of its own once it is run
REPRODUCED, PARTLY, NOT, CONTRADICTED = "reproduced", "partly", "not reproduced", "contradicted"
UNTESTED = "cannot be tested here"
HEAD = ("paper", "claim", "what would confirm it", "measured", "scale", "verdict")

Setting = tuple[str, str, str]  # system, data set, task
CSS_3D, CSS_2D = ("dim", "css", "3d-3d"), ("dim", "css", "2d-3d")
SENTENCES = ("aai", "css", "3d")
# A generated world and a complete real benchmark: what one shows the other need not.
TAGS = ("crcgs", "css", "3d-colour-shape"), ("crcgs", "wikipedia", "labels")


class Gain(NamedTuple):
    """A method above another, in the metric that its system's methods are compared by.

    scoring: by which both are ranked; by default the best informed that each has.
    """

    setting: Setting
    method: str
    minus: str
    scoring: str | None = None

    def found(self, scale: str) -> "Measured | None":
        system, dataset, task = self.setting
        by_method = tables.finished(system, dataset, scale, task, (self.method, self.minus))
        pair, by = {self.method: self.minus}, (self.scoring, self.scoring)
        rows = list(tables.against(by_method, pair, *by).itertuples())
        if not rows:
            return None
        named = f"{self.method} by {self.scoring}" if self.scoring else self.method
        words = sentence(named, self.minus, rows[0])
        one = _measured(words, rows[0], rows[0].seeds)
        return one._replace(pair=f"{named} minus {self.minus}")


class MeanGain(NamedTuple):
    """The mean over fusions of what DIM adds to each, for other fusions, seeds and queries."""

    setting: Setting

    def found(self, scale: str) -> "Measured | None":
        system, dataset, task = self.setting
        pairs = {fusion + WITH_DIM: fusion for fusion in FUSIONS}
        by_method = tables.finished(system, dataset, scale, task, (*pairs, *pairs.values()))
        over = tables.over_methods(by_method, pairs) if by_method else None
        if over is None:
            return None
        name = f"mean of {over.seeds} fusions"  # what this interval counts
        shared = [_shared_seeds(by_method, *pair) for pair in pairs.items()]
        seeds = min(filter(None, shared))  # of those that were run
        one = _measured(f"{name}: {md.interval(over)}, {seeds} seeds", over, seeds)
        return one._replace(pair=f"{name}, DIM minus without")


class NarrowerGap(NamedTuple):
    """A statistic of the modality gap that is smaller with a method than with another.

    pair: a key of a record's "gap"; statistic: of `modality_gap.statistics`, less is narrower.
    """

    setting: Setting
    method: str
    minus: str
    pair: str
    statistic: str

    def found(self, scale: str) -> "Measured | None":
        system, dataset, task = self.setting
        by_method = tables.finished(system, dataset, scale, task, (self.method, self.minus))
        ours, theirs = (self._by_seed(by_method.get(m, [])) for m in (self.method, self.minus))
        seeds = sorted(ours.keys() & theirs.keys())
        if len(seeds) < 2:
            return None
        narrowed = np.array([theirs[seed] - ours[seed] for seed in seeds])
        over = intervals.over_seeds(narrowed)
        values = [np.mean([found[seed] for seed in seeds]) for found in (theirs, ours)]
        interval = intervals.Crossed(over.mean, over.low, over.high, over.n)
        said = (
            f"{self.pair}, {self.statistic.replace('_', ' ')}: {values[0]:.3f} to {values[1]:.3f}"
        )
        narrower = f"narrower by {over.mean:.3f} [{over.low:.3f}, {over.high:.3f}], {over.n} seeds"
        return _measured(f"{self.method}: {said}, {narrower}", interval, over.n)

    def _by_seed(self, records: list) -> dict[int, float]:
        gaps = {r.seed: r.result.get("gap", {}).get(self.pair) for r in records}
        return {seed: gap[self.statistic] for seed, gap in gaps.items() if gap}


class Measured(NamedTuple):
    """What a test says in words, and ABOVE where it confirms, BELOW where it speaks against.

    difference, low, high: more is better; of a gain in points of its system's metric.
    """

    words: str
    verdict: str
    seeds: int
    difference: float
    low: float
    high: float
    pair: str = ""  # "A minus B", where two methods are compared in their system's metric
    scale: str = ""
    place: tuple[str, str] = ("", "")  # data set and task


class Claim(NamedTuple):
    """What an abstract says, in our words; without tests, `lacks` says what they would need."""

    paper: str
    says: str
    confirmed_by: str
    tests: tuple[Gain | MeanGain | NarrowerGap, ...] = ()
    lacks: str = ""


def _measured(words: str, found: Interval, seeds: int) -> Measured:
    return Measured(words, verdict(found), seeds, found.difference, found.low, found.high)


def _shared_seeds(by_method: tables.ByMethod, method: str, minus: str) -> int:
    seeds = [{record.seed for record in by_method.get(name, [])} for name in (method, minus)]
    return len(seeds[0] & seeds[1])


def _narrower(pair: str) -> tuple[NarrowerGap, ...]:
    return tuple(
        NarrowerGap(setting, fusion + WITH_DIM, fusion, pair, statistic)
        for setting in (CSS_3D, CSS_2D)
        for fusion in ("TIRG", "Concatenation")
        for statistic in ("centroid_distance", "mmd2")
    )


def _parts(setting: Setting, *pairs: tuple[str, ...]) -> tuple[Gain, ...]:
    return tuple(Gain(setting, *pair) for pair in pairs)


def _tagged(*pairs: tuple[str, ...]) -> tuple[Gain, ...]:
    return tuple(gain for setting in TAGS for gain in _parts(setting, *pairs))


CLAIMS = (
    Claim(
        "DIM",
        "Maximising mutual information improves retrieval.",
        "Fusions score higher with DIM than without, TIRG and the mean of all.",
        (
            *_parts(
                CSS_3D, ("TIRG" + WITH_DIM, "TIRG"), ("Concatenation" + WITH_DIM, "Concatenation")
            ),
            MeanGain(CSS_3D),
            *_parts(CSS_2D, ("TIRG" + WITH_DIM, "TIRG")),
        ),
    ),
    Claim(
        "DIM",
        "It narrows the gap between texts and images.",
        "Sentences and the images they lead to lie closer as sets with DIM than without.",
        _narrower("text - target"),
    ),
    Claim(
        "DIM",
        "Fusion features and the desired images' features share a common subspace.",
        "What the fusion makes and the targets lie closer as sets with DIM than without.",
        _narrower("query - target"),
    ),
    Claim(
        "DIM",
        "It is the state of the art on three large data sets.",
        "It scores above the methods published until then on the released data.",
        lacks="needs the released pictures, pretrained nets and a GPU",
    ),
    Claim(
        "AAI",
        "Alignment and interaction of aggregated features improve retrieval.",
        "AAI scores higher than the same nets with mean pooling and contrast alone.",
        _parts(SENTENCES, (aai.FULL, aai.REFERENCE)),
    ),
    Claim(
        "AAI",
        "Generalised pooling (GPO) makes better global representations.",
        "GPO scores higher than the mean, alone and within AAI.",
        _parts(SENTENCES, ("GPO, ITC", aai.REFERENCE), (aai.FULL, "AAI, mean pooling")),
    ),
    Claim(
        "AAI",
        "A momentum encoder provides rich negative samples.",
        "Contrast with momentum scores higher than without, and a queue of negatives adds to AAI.",
        _parts(SENTENCES, ("GPO, ITC, momentum", "GPO, ITC"), ("AAI, queue of 256", aai.FULL)),
    ),
    Claim(
        "AAI",
        "Intra-modal separability (IMS) alleviates degraded representations.",
        "It adds to contrast with momentum, and AAI misses it.",
        _parts(SENTENCES, ("GPO, ITC, IMS", "GPO, ITC, momentum"), (aai.FULL, "AAI without IMS")),
    ),
    Claim(
        "AAI",
        "Local mutual information maximisation (LMIM) captures what regions share.",
        "It adds to contrast with momentum, and AAI misses it.",
        _parts(SENTENCES, ("GPO, ITC, LMIM", "GPO, ITC, momentum"), (aai.FULL, "AAI without LMIM")),
    ),
    Claim(
        "AAI",
        "A fusion encoder adds interaction between the modalities.",
        "Its matching scores rank higher than cosines of the same nets without it.",
        _parts(SENTENCES, ("GPO, ITC, fusion", "GPO, ITC"), (aai.FULL, "AAI without fusion")),
    ),
    Claim(
        "CRCGS",
        "The model outperforms strong baselines.",
        "CRCGS scores higher than its base objective, DSCMR, CCA, and by codes DCMH.",
        _tagged(
            *((crcgs.FULL, other) for other in (crcgs.REFERENCE, "DSCMR", "CCA, ITQ")),
            (crcgs.FULL, "DCMH", "hamming-32"),
        ),
    ),
    Claim(
        "CRCGS",
        "Auxiliary generative features improve retrieval.",
        "They add to the base objective, and CRCGS misses them.",
        _tagged(
            ("Base + generative features", crcgs.REFERENCE),
            (crcgs.FULL, "CRCGS without generative features"),
        ),
    ),
    Claim(
        "CRCGS",
        "Contrast within and between modalities narrows the distance of aligned pairs.",
        "It adds to the base objective, and CRCGS misses it.",
        _tagged(("Base + contrast", crcgs.REFERENCE), (crcgs.FULL, "CRCGS without contrast")),
    ),
    Claim(
        "CRCGS",
        "Support-set regularisation further improves contrast.",
        "It adds to the base objective, and to generative features with contrast.",
        _tagged(
            ("Base + support set", crcgs.REFERENCE),
            (crcgs.FULL, "Base + generative features"),
        ),
    ),
    Claim(
        "CRCGS",
        "This holds on MIRFLICKR-25K, NUS-WIDE and MS COCO.",
        "The same comparisons on these data.",
        lacks="needs the released features of these data sets",
    ),
)


class Scored(NamedTuple):
    """A claim with what was measured, and its verdict."""

    claim: Claim
    measured: list[Measured]  # each comparison at its own scale
    lacking: list[str]  # comparisons without records
    verdict: str  # by those that were measured

    @property
    def scales(self) -> list[str]:
        return [scale for scale in SCALES if any(one.scale == scale for one in self.measured)]


def scored() -> list[Scored]:
    """Every claim, by the committed ledger.

    Raises:
        InputError: records that do not compare.
    """
    return [_score(claim) for claim in CLAIMS]


def markdown(papers: Collection[str] | None = None, found: list[Scored] | None = None) -> str:
    """The scorecard as a Markdown table, a row a claim.

    Args:
        papers: whose claims; by default all.
        found: what `scored` gave, where it is at hand.
    """
    rows = [one for one in found or scored() if papers is None or one.claim.paper in papers]
    return "\n".join(md.table(HEAD, map(_row, rows)))


def verdicts(found: list[Scored]) -> pd.DataFrame:
    """A row a claim, numbered from 1: paper, claim, verdict, scale."""
    rows = [(s.claim.paper, s.claim.says, s.verdict, ", ".join(s.scales)) for s in found]
    table = pd.DataFrame(rows, columns=["paper", "claim", "verdict", "scale"])
    return table.set_index(pd.RangeIndex(1, len(table) + 1, name="number"))


def gains(found: list[Scored], paper: str) -> pd.DataFrame:
    """A row a comparison of two methods that a paper's claims rest on, each pair once.

    Columns group ("claim 3", by the numbers of `verdicts`), method ("A minus B", its scale),
    difference, low, high, in points of the metric that the system's methods are compared by.
    """
    claims = [(n, one) for n, one in enumerate(found, 1) if one.claim.paper == paper]
    compared = [(n, measured) for n, one in claims for measured in one.measured if measured.pair]
    places, rows = {measured.place for _, measured in compared}, {}
    differ = [len(set(part)) > 1 for part in zip(*places, strict=True)]
    if all(differ):  # then the data set alone tells them apart, or both are needed
        differ = [True, len({dataset for dataset, _ in places}) < len(places)]
    for number, one in compared:
        where = " ".join(part for part, told in zip(one.place, differ, strict=True) if told)
        name = ", ".join([one.pair, *([where] if where else []), one.scale])
        rows.setdefault(name, (f"claim {number}", name, one.difference, one.low, one.high))
    return pd.DataFrame(rows.values(), columns=["group", "method", "difference", "low", "high"])


def findings() -> str:
    """A numbered line a paper: how its first claim fares and why, and how its others do."""
    lines, found = [], scored()
    for number, paper in enumerate(dict.fromkeys(one.claim.paper for one in found), start=1):
        first, *others = (one for one in found if one.claim.paper == paper)
        above = sum(one.verdict == ABOVE for one in first.measured)
        told = f"{above} of {len(first.measured)} comparisons" if first.measured else "no run yet"
        scales = " and ".join(f"`{scale}`" for scale in first.scales)
        told += f" confirm it, at {scales}" if scales else ""
        line = f"{number}. **{paper}**: *{first.claim.says}* **{_capital(first.verdict)}**: {told}."
        verdicts = [one.verdict for one in others]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        lines.append(line + (f" Its other claims: {counts}." if counts else ""))
    return "\n".join(lines)


def _score(claim: Claim) -> Scored:
    found = [(test, _measure(test)) for test in claim.tests]
    measured = [one for _, one in found if one]
    lacking = [_name(test) for test, one in found if not one]
    return Scored(claim, measured, lacking, _overall(measured) if measured else UNTESTED)


def _measure(test: "Gain | MeanGain | NarrowerGap") -> Measured | None:
    """A test at the scale with the most seeds, of several at the largest."""
    found = [
        one._replace(scale=scale, place=test.setting[1:])
        for scale in SCALES
        if (one := test.found(scale)) is not None
    ]
    return max(found, key=lambda one: one.seeds, default=None)  # the first of equals


def _placed(one: Measured) -> str:
    """A measurement's words with its place and scale, inside brackets that they end in."""
    words = one.words.removesuffix(")")
    return f"{words}, {' '.join(one.place)}, `{one.scale}`{one.words[len(words) :]}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _name(test: Gain | MeanGain | NarrowerGap) -> str:
    one = "mean over fusions" if isinstance(test, MeanGain) else f"{test.method} - {test.minus}"
    return f"{one} on {' '.join(test.setting[1:])}"


def _overall(measured: list[Measured]) -> str:
    """REPRODUCED where every test confirms, CONTRADICTED where every one speaks against."""
    words = [one.verdict for one in measured]
    if all(word == ABOVE for word in words):
        return REPRODUCED
    if all(word == BELOW for word in words):
        return CONTRADICTED
    return PARTLY if any(word == ABOVE for word in words) else NOT


def _row(found: Scored) -> Iterator[str]:
    claim = found.claim
    lines = [_placed(one) for one in found.measured]
    if lacking := list(dict.fromkeys(found.lacking)):
        lines.append(f"no record yet: {', '.join(lacking)}")
    measured = "<br>".join(lines) or claim.lacks
    yield from (claim.paper, claim.says, claim.confirmed_by, measured)
    yield from (", ".join(f"`{s}`" for s in found.scales) or "–", f"**{found.verdict}**")
