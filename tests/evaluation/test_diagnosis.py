"""Who stands before the first answer: by hand, at chance, and with every kind of pool."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.evaluation.diagnosis import EVERYTHING, diagnose

KINDS = ("answer", "unedited source", "wrong colour", "same edit, other source")
RULE = preset("css-x")
# Pictures: source, two answers, wrong colour, the edit elsewhere, something else.
KIND = np.array([[1, 0, 0, 2, 3, -1]])
SAME = np.array([[True, True, True, True, False, False]])


def at(scores):
    """Queries and gallery of which the cosines are these."""
    scores = np.atleast_2d(scores).astype(float)
    G = scores.shape[1]
    gallery = np.hstack([np.eye(G), np.zeros((G, 1))])
    rest = np.sqrt(1 - (0.1 * scores**2).sum(1, keepdims=True) * 0.1)
    return np.hstack([0.1 * scores, rest]), gallery


def asked(scores, group=None, form=None):
    scores = np.atleast_2d(scores)
    Q = len(scores)
    queries, gallery = at(scores)
    return diagnose(
        queries, gallery, np.repeat(KIND, Q, 0), np.repeat(SAME, Q, 0),
        np.arange(Q) if group is None else np.array(group),
        np.array(["make"] * Q if form is None else form), KINDS, RULE,
    )  # fmt: skip


def recalls(found):
    return {(r.pool, r.metric): r.value for r in found.recall.itertuples()}


def test_the_first_answer_counts_and_each_pool_looks_at_its_own():
    # Order: elsewhere, wrong colour, answer 2, source, answer 1, other.
    found = asked([2.0, 1.0, 3.0, 4.0, 5.0, 0.0])
    assert recalls(found) == {
        (EVERYTHING, "R@1"): 0, (EVERYTHING, "R@5"): 100, (EVERYTHING, "R@10"): 100,
        ("other sources", "R@1"): 100, ("the same source", "R@1"): 0,
        ("the same edit elsewhere", "R@1"): 0,
    }  # fmt: skip
    assert found.confused.set_index("kind")["value"].to_dict() == {
        "unedited source": 0, "wrong colour": 100, "same edit, other source": 100,
    }  # fmt: skip


def test_what_ties_counts_by_half_and_constant_features_score_chance():
    found = asked(np.ones((1, 6)))
    assert found.confused["value"].tolist() == [50, 50, 50]
    for row in found.recall.itertuples():
        assert row.value == pytest.approx(row.chance)
    assert recalls(found)[EVERYTHING, "R@1"] == pytest.approx(100 * 2 / 6)


def test_paraphrases_that_disagree_are_counted_by_group():
    right, wrong = [0, 2, 0, 0, 0, 1], [2, 1, 0, 0, 0, 0]
    found = asked([right, wrong, right, right, wrong], group=[0, 0, 1, 1, 2])
    assert found.wording["value"] == 50
    assert found.wording["groups"] == 2
    # Of groups, each weighing the same: one half right, one right, one wrong.
    assert recalls(found)[EVERYTHING, "R@1"] == pytest.approx(50)


def test_forms_are_told_one_by_one():
    right, wrong = [0, 2, 0, 0, 0, 1], [2, 1, 0, 0, 0, 0]
    found = asked([right, wrong, right], form=["add", "make", "make"])
    assert found.forms.set_index("form")["value"].to_dict() == {"add": 100, "make": 50}


def test_bad_input_is_refused():
    queries, gallery = at([1.0, 2, 3, 4, 5, 6])
    group, form = np.array([0]), np.array(["make"])
    with pytest.raises(InputError, match="query 0 has no answer"):
        diagnose(queries, gallery, KIND * 0 + 1, SAME, group, form, KINDS, RULE)
    with pytest.raises(InputError, match=r"\(1, 6\) candidates for \(1, 5\) scores"):
        diagnose(queries, gallery[:5], KIND, SAME, group, form, KINDS, RULE)
    with pytest.raises(InputError, match="tirg/css is not scored by `cmir score-css-x`"):
        diagnose(queries, gallery, KIND, SAME, group, form, KINDS, preset("tirg/css"))
