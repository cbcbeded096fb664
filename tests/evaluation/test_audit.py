"""The shortcut audit against counting by hand, on anybody's files, and on the committed runs."""

import json

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.audit import (
    ALL,
    COMPOSED,
    SOLVED,
    as_dict,
    audit,
    audit_files,
    read_ranks,
    sentences,
    text,
)
from cmir_repro.evaluation.intervals import over_seeds_and_queries

IDS = ["a", "b", "c", "d", "e", "f"]


def run(*ranks):
    return pd.DataFrame({"rank": np.array(ranks, float)}, index=pd.Index(IDS, name="query"))


IMAGE = run(1, 5, 40, 11, 90, 3)
TEXT = run(9, 30, 10, 60, 12, 99)
MODEL = run(1, 1, 2, 1, 20, 1)
OTHER = run(1, 1, 1, 1, 1, 4)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, found in {"i": IMAGE, "t": TEXT, "m": MODEL, "o": OTHER}.items():
        found.to_csv(f"{name}.csv")
    return tmp_path


def part(found, within, queries, metric):
    table = found.parts.set_index(["within", "queries", "metric"])
    return table.loc[within, queries, metric]


def test_shares_are_counted_by_hand():
    found = audit([IMAGE], [TEXT], [MODEL]).shares.set_index(["within", "solved_by"])["percent"]
    # Within 10: image only a b f, text only a c; so d and e need composition.
    expected = {"image only": 3, "text only": 2, "either": 4, "neither": 2}
    assert {name: found[10, name] for name in expected} == {
        name: pytest.approx(100 * n / 6) for name, n in expected.items()
    }
    assert found[1, "either"] == found[1, "image only"] == pytest.approx(100 / 6)


def test_recalls_and_gains_are_those_of_the_parts():
    found = audit([IMAGE], [TEXT], [MODEL], [OTHER])
    row = part(found, 10, COMPOSED, "R@1")
    assert (row["count"], row["recall"], row["other"], row["difference"]) == (2, 50, 100, 50)
    row = part(found, 10, SOLVED, "R@1")
    assert (row["count"], row["recall"], row["other"], row["difference"]) == (4, 75, 75, 0)
    row = part(found, 1, SOLVED, "R@10")  # query a only: too few for an interval
    assert (row["count"], row["recall"]) == (1, 100)
    assert np.isnan(row["low"])
    whole = part(found, 10, ALL, "R@1")
    assert whole["difference"] == pytest.approx((2 * 50 + 4 * 0) / 6)
    assert "other" not in audit([IMAGE], [TEXT], [MODEL]).parts


def test_intervals_are_over_seeds_and_queries_of_the_part():
    found = audit([IMAGE], [TEXT], [MODEL, OTHER], [OTHER, OTHER])
    row = part(found, 10, COMPOSED, "R@10")
    hits = np.array([[100, 0], [100, 100]], float)  # d and e, in two runs
    expected = over_seeds_and_queries(100 - hits)
    gain = row[["difference", "difference_low", "difference_high"]]
    assert tuple(gain) == pytest.approx(expected[:3])
    assert (row["low"], row["high"]) == (0, 100)  # a share is never outside


def test_any_run_solves_and_one_run_is_said_beside():
    nothing = run(*[99] * 6)
    found = audit([IMAGE, nothing], [TEXT, nothing], [MODEL]).shares
    row = found[found["within"] == 10].set_index("solved_by").loc["either"]
    assert row["percent"] == pytest.approx(400 / 6)
    # Pairs of runs solve 4, 3, 2 and 0 of the 6.
    assert row["one_run"] == pytest.approx(100 * 9 / 4 / 6)


def test_a_part_without_queries_has_no_numbers():
    found = audit([run(*[1] * 6)], [TEXT], [MODEL], [OTHER])
    row = part(found, 10, COMPOSED, "R@1")
    assert row["count"] == 0
    assert np.isnan(row["recall"])
    assert not [line for line in sentences(found) if "need composition" in line]
    assert "need composition" in text(found)


def test_ties_count_as_expected_hits_where_the_file_says_how_many_tie():
    """One relevant of four that tie for the places 1 to 4: a quarter of a hit at 1."""
    tied = MODEL.assign(**{"tied relevant": 1, "tied irrelevant": 3}, rank=2.5)
    row = part(audit([IMAGE], [TEXT], [tied]), 10, ALL, "R@1")
    assert row["recall"] == 25
    without = part(audit([IMAGE], [TEXT], [MODEL.assign(rank=1.5)]), 10, ALL, "R@1")
    assert without["recall"] == 0  # an expected rank of 1.5 is not within 1


def test_files_are_read_in_any_order_and_the_best_of_several_truths_counts(files):
    shuffled = pd.read_csv("m.csv").iloc[::-1]
    pd.concat([shuffled.assign(rank=77), shuffled]).to_parquet("m.parquet")
    assert read_ranks("m.parquet")["rank"].to_dict() == MODEL["rank"].to_dict()
    one, other = (audit_files("i.csv", "t.csv", name, "o.csv") for name in ("m.csv", "m.parquet"))
    pd.testing.assert_frame_equal(one.parts, other.parts)
    assert audit_files("i.csv,i.csv", "t.csv", "m.csv,o.csv").seeds == 2


def test_ids_stay_as_they_are_written(files):
    (files / "n.csv").write_text("query,rank\n007,1\n7,2\n")
    assert list(read_ranks("n.csv").index) == ["007", "7"]


def test_it_is_plain_json_and_text(files):
    found = audit_files("i.csv", "t.csv", "m.csv", "o.csv")
    kept = json.loads(json.dumps(as_dict(found), allow_nan=False))
    assert len(kept["parts"]) == 12
    assert kept["parts"][2]["low"] is None  # one query
    said = text(found)
    assert "need composition          10       2  R@1 " in said
    last = said.splitlines()[-1]
    assert last.startswith("2 queries, need composition (neither input alone within rank 10): R@1,")
    assert "(1 seed: queries only) no detectable difference from the model (+50.0" in last


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "id,rank\na,1\n", "x.csv has no column 'query', only id, rank; a rank file has"),
        ("x.csv", "query,place\na,1\n", "x.csv has no column 'rank'"),
        ("x.csv", "query,rank\na,first\n", "rank first of query a is no number of at least 1"),
        ("x.csv", "query,rank\na,1\nb,0\n", "rank 0 of query b is no number"),
        ("x.csv", "query,rank\na,\n", "of query a is no number"),
        ("x.csv", "query,rank\n", "x.csv has no rows"),
        ("x.csv", "query,scoring,rank\na,itc,1\na,itm,2\n", "more than one scoring: itc, itm"),
        ("x.parquet", "PAR1 cut", "x.parquet is no readable parquet"),
        ("x.txt", "query,rank\na,1\n", "must end in .parquet or .csv"),
        ("x.csv", "query,rank\na,1\n,1\n", "x.csv: the query of row 2 is empty"),
        (
            "x.csv",
            "query,rank\na,1\nb,1\nc,1\nd,1\ne,1\n",
            "x.csv ranks other queries than i.csv: 1 missing, 0 more, for instance 'f'",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(files, name, content, message):
    (files / name).write_text(content)
    with pytest.raises(InputError, match=message) as refused:
        audit_files("i.csv", "t.csv", name)
    assert "\n" not in str(refused.value)


def test_runs_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"2 runs of the model and 1 of the other cannot be pair"):
        audit([IMAGE], [TEXT], [MODEL, MODEL], [OTHER])
    with pytest.raises(InputError, match="no run of text only was given"):
        audit([IMAGE], [], [MODEL])
    with pytest.raises(InputError, match="cut-offs are ranks of at least 1"):
        audit([IMAGE], [TEXT], [MODEL], within=(0, 10))


def test_most_queries_of_the_small_world_need_no_composition():
    """The committed runs of three seeds, by counting: 80.6 % of the 900 queries."""
    folder = paths.checkout() / "results" / "queries"
    best = []
    for method in ("image-only", "text-only"):
        found = sorted(folder.glob(f"css-3d-3d-mini-{method}-s?-*.parquet"))
        assert len(found) == 3
        best += [pd.read_parquet(path).set_index("query")["rank"] for path in found]
    solved = 100 * (pd.concat(best, axis=1).min(axis=1) <= 10).mean()
    assert round(solved, 1) == 80.6
    names = [",".join(map(str, sorted(folder.glob(f"css-3d-3d-mini-{m}-s?-*.parquet"))))
             for m in ("image-only", "text-only", "tirg", "tirg-dim")]  # fmt: skip
    found = audit_files(*names)
    shares = found.shares.set_index(["within", "solved_by"])["percent"]
    assert shares[10, "either"] == pytest.approx(solved)
    assert part(found, 10, COMPOSED, "R@1")["recall"] < part(found, 10, SOLVED, "R@1")["recall"]
