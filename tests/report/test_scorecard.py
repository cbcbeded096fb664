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

    def found(self, scale):
        return Measured("", next(told), 3, 0.0, 0.0, 0.0) if scale == "mini" else None

    monkeypatch.setattr(Gain, "found", found)
    tests = tuple(Gain(scorecard.CSS_3D, "a", "b") for _ in words)
    monkeypatch.setattr(scorecard, "CLAIMS", (Claim("DIM", "says", "by", tests),))
    (found,) = scorecard.scored()
    assert found.verdict == expected


@pytest.mark.parametrize(
    ("seeds", "scale"),
    [
        ({"full": 3, "mini": 3}, "full"),
        ({"full": 1, "mini": 3}, "mini"),
        ({"full": 1}, "full"),
        ({"mini": 2}, "mini"),
        ({}, None),
    ],
)
def test_a_comparison_counts_at_the_largest_scale_with_the_most_seeds(monkeypatch, seeds, scale):
    def found(self, scale):
        there = scale in seeds and self.method == "a"
        return Measured("words", ABOVE, seeds[scale], 1.0, 0.5, 1.5) if there else None

    monkeypatch.setattr(Gain, "found", found)
    tests = Gain(scorecard.CSS_3D, "a", "b"), Gain(scorecard.CSS_3D, "c", "b")
    monkeypatch.setattr(scorecard, "CLAIMS", (Claim("DIM", "says", "by", tests),))
    (one,) = scorecard.scored()
    assert [m.scale for m in one.measured] == ([scale] if scale else [])
    lacking = ["a - b on css 3d-3d", "c - b on css 3d-3d"]
    assert one.lacking == (lacking[1:] if scale else lacking)
    assert one.verdict == ("reproduced" if scale else "cannot be tested here")
    shown = scorecard.markdown()
    told = f"words, css 3d-3d, `{scale}`<br>no record yet: c - b on css 3d-3d"
    assert (told if scale else f": {', '.join(lacking)}") in shown


def test_findings_are_a_line_a_paper(monkeypatch):
    told = {"a": ABOVE, "c": UNCLEAR, "e": UNCLEAR}

    def found(self, scale):
        words = f"{self.method}: figures (+1.0)"
        one = Measured(words, told[self.method], 3, 1.0, 0.5, 1.5, f"{self.method} minus b")
        return one if scale == "mini" else None

    monkeypatch.setattr(Gain, "found", found)
    claims = [
        Claim(paper, f"Claim {method}.", "by", (Gain(scorecard.CSS_3D, method, "b"),))
        for paper, method in (("DIM", "a"), ("DIM", "c"), ("AAI", "e"))
    ]
    monkeypatch.setattr(scorecard, "CLAIMS", (*claims, Claim("AAI", "Claim f.", "by", lacks="x")))
    assert scorecard.findings().split("\n") == [
        "1. **DIM**: *Claim a.* **Reproduced**: 1 of 1 comparisons confirm it, at `mini`."
        " Its other claims: 1 not reproduced.",
        "2. **AAI**: *Claim e.* **Not reproduced**: 0 of 1 comparisons confirm it, at `mini`."
        " Its other claims: 1 cannot be tested here.",
    ]
    assert scorecard.verdicts(scorecard.scored())["verdict"].tolist() == [
        "reproduced", "not reproduced", "not reproduced", "cannot be tested here",
    ]  # fmt: skip
    rows = scorecard.gains(scorecard.scored(), "DIM").to_dict("records")
    assert rows[0] == {
        "group": "claim 1", "method": "a minus b, mini",
        "difference": 1.0, "low": 0.5, "high": 1.5,
    }  # fmt: skip
    assert len(rows) == 2
    assert scorecard.gains(scorecard.scored(), "CRCGS").empty


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ([scorecard.TAGS[0]], ["a minus b, mini"]),
        (scorecard.TAGS, ["a minus b, css, mini", "a minus b, wikipedia, mini"]),
        (
            [scorecard.CSS_3D, scorecard.CSS_2D],
            ["a minus b, 3d-3d, mini", "a minus b, 2d-3d, mini"],
        ),
    ],
)
def test_rows_say_of_a_setting_what_tells_it_from_the_others(monkeypatch, settings, names):
    def found(self, scale):
        one = Measured("words (+1.0)", ABOVE, 3, 1.0, 0.5, 1.5, "a minus b")
        return one if scale == "mini" else None

    monkeypatch.setattr(Gain, "found", found)
    tests = tuple(Gain(setting, "a", "b") for setting in settings)
    monkeypatch.setattr(scorecard, "CLAIMS", (Claim("DIM", "Claim.", "by", tests),))
    assert scorecard.gains(scorecard.scored(), "DIM")["method"].tolist() == names


def test_every_claim_compares_methods_that_there_are():
    known = {"dim": dim.known(), "aai": aai.known(), "crcgs": crcgs.known()}
    for claim in scorecard.CLAIMS:
        assert bool(claim.tests) != bool(claim.lacks)
        for test in claim.tests:
            if not isinstance(test, scorecard.MeanGain):
                assert {test.method, test.minus} <= known[test.setting[0]].keys()


def test_a_mean_over_fusions_counts_by_its_seeds_and_not_by_its_fusions(monkeypatch):
    monkeypatch.delenv("CMIR_COMMITTED")
    full, mini = (scorecard.MeanGain(scorecard.CSS_3D).found(scale) for scale in scorecard.SCALES)
    assert full.seeds == mini.seeds == 3
    monkeypatch.setattr(
        scorecard, "CLAIMS", (Claim("DIM", "says", "by", (scorecard.MeanGain(scorecard.CSS_3D),)),)
    )
    (one,) = scorecard.scored()
    assert [m.scale for m in one.measured] == ["full"]
    assert one.measured[0].words.startswith("mean of ")
    assert one.measured[0].words.endswith(", 3 seeds")


def test_codes_are_compared_with_codes(monkeypatch):
    monkeypatch.delenv("CMIR_COMMITTED")
    by = scorecard.Gain(scorecard.TAGS[0], crcgs.FULL, "DCMH", "hamming-32").found("mini")
    assert by.words.startswith("CRCGS by hamming-32: above DCMH (+")
    assert scorecard.Gain(scorecard.TAGS[0], crcgs.FULL, "DCMH").found("mini") is None


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
