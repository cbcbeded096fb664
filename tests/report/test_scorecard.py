"""Claims against made-up ledgers: each verdict, what lacks, and the scale that counts."""

import pytest

from cmir_repro.evaluation.verdicts import ABOVE, BELOW, UNCLEAR
from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.report import scorecard
from cmir_repro.report.scorecard import Claim, Gain, Measured, NarrowerGap


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([ABOVE, ABOVE], "reproduced"),
        ([ABOVE, UNCLEAR], "partly"),
        ([ABOVE, BELOW], "partly"),
        ([UNCLEAR, UNCLEAR], "not reproduced"),
        ([UNCLEAR, BELOW], "not reproduced"),
        ([BELOW, BELOW], "contradicted"),
        ([f"(1 seed: queries only) {ABOVE}"], "not reproduced"),
    ],
)
def test_a_verdict_follows_from_all_tests(monkeypatch, words, expected):
    told = iter(words)
    monkeypatch.setattr(Gain, "found", lambda self, scale: Measured("", next(told)))
    tests = tuple(Gain(scorecard.CSS_3D, "a", "b") for _ in words)
    monkeypatch.setattr(scorecard, "CLAIMS", (Claim("DIM", "says", "by", tests),))
    (found,) = scorecard.scored()
    assert found.verdict == expected


def test_the_largest_scale_with_records_counts(monkeypatch):
    there = []

    def found(self, scale):
        return Measured(scale, ABOVE) if scale in there and self.method == "a" else None

    monkeypatch.setattr(Gain, "found", found)
    tests = Gain(scorecard.CSS_3D, "a", "b"), Gain(scorecard.CSS_3D, "c", "b")
    monkeypatch.setattr(scorecard, "CLAIMS", (Claim("DIM", "says", "by", tests),))
    for scales, scale in ((("full", "mini"), "full"), (("mini",), "mini"), ((), "")):
        there[:] = scales
        (one,) = scorecard.scored()
        assert one.scale == scale
        assert one.lacking == (["c - b"] if scale else ["a - b", "c - b"])
    assert one.verdict == "cannot be tested here"
    assert "no record yet: a - b, c - b" in scorecard.markdown()


def test_every_claim_compares_methods_that_there_are():
    known = {"dim": dim.known(), "aai": aai.known(), "crcgs": crcgs.known()}
    for claim in scorecard.CLAIMS:
        assert bool(claim.tests) != bool(claim.lacks)
        for test in claim.tests:
            if not isinstance(test, scorecard.MeanGain):
                assert {test.method, test.minus} <= known[test.setting[0]].keys()


def test_a_gap_is_narrower_where_the_statistic_falls_over_seeds(monkeypatch):
    class Record:
        def __init__(self, seed, value):
            self.seed = seed
            self.result = {"gap": {"text - target": {"mmd2": value}}} if value else {}

    def finished(system, dataset, scale, task, methods):
        return {"A + DIM": [Record(s, v) for s, v in enumerate(ours)],
                "A": [Record(s, v) for s, v in enumerate((0.5, 0.6, 0.7))]}  # fmt: skip

    monkeypatch.setattr(scorecard.tables, "finished", finished)
    test = NarrowerGap(scorecard.CSS_3D, "A + DIM", "A", "text - target", "mmd2")
    ours = (0.2, 0.31, 0.4)
    found = test.found("mini")
    assert found.verdict == ABOVE
    assert "0.600 to 0.303, narrower by 0.297 [0.28" in found.words
    ours = (0.8, 0.91, 1.0)
    assert test.found("mini").verdict == BELOW
    ours = (0.2, 0.9, 0.7)
    assert test.found("mini").verdict == UNCLEAR
    ours = (0.2, None, None)  # one seed says nothing of others
    assert test.found("mini") is None
