"""Groups of ties against loops over every query and item, for codes and for cosines."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.tie_groups import (
    cosine_groups,
    grouped,
    hamming_groups,
    hamming_histograms,
    levelled,
    of_few,
    random_groups,
)


def labels(N, C, seed, share=0.15):
    return np.random.default_rng(seed).random((N, C)) < share


def shared(a, b):
    return any(x and y for x, y in zip(a, b, strict=True))


def as_lists(groups):
    """Of each query, the (items, relevant) of its groups in order."""
    found = [[] for _ in range(groups.queries)]
    for q, n, r in zip(groups.query, groups.items, groups.relevant, strict=True):
        found[q].append((int(n), int(r)))
    return found


@pytest.mark.parametrize(("L", "C"), [(3, 1), (16, 5), (64, 64), (70, 65), (300, 130)])
def test_histograms_count_every_pair(L, C):
    r = np.random.default_rng(L)
    q, d = r.random((7, L)) < 0.5, r.random((23, L)) < 0.5
    d[:7] = q  # distance 0
    d[7] = ~q[0]  # distance L
    ql, dl = labels(7, C, 1), labels(23, C, 2)
    totals, relevants = np.zeros((7, L + 1), int), np.zeros((7, L + 1), int)
    for i in range(7):
        for j in range(23):
            distance = sum(int(a != b) for a, b in zip(q[i], d[j], strict=True))
            totals[i, distance] += 1
            relevants[i, distance] += shared(ql[i], dl[j])
    for chunk in (None, 1, 3):
        found = hamming_histograms(q, d, ql, dl, chunk)
        np.testing.assert_array_equal(found[0], totals)
        np.testing.assert_array_equal(found[1], relevants)
    assert relevants.sum() > 0
    groups = as_lists(hamming_groups(totals, relevants))
    for i in range(7):
        pairs = zip(totals[i].tolist(), relevants[i].tolist(), strict=True)
        assert groups[i] == [(n, r) for n, r in pairs if n]


def test_signs_are_codes_too():
    q, d = labels(4, 9, 1, 0.5), labels(6, 9, 2, 0.5)
    ql, dl = labels(4, 3, 3, 0.5), labels(6, 3, 4, 0.5)
    wanted = hamming_histograms(q, d, ql, dl)
    found = hamming_histograms(2.0 * q - 1, d.astype(np.uint8), ql.astype(float), dl.astype(int))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_cosines_are_grouped_where_they_are_equal(chunk):
    """Directions of whole numbers: many are the same but for their length."""
    r = np.random.default_rng(0)
    q, d = (r.integers(1, 4, (N, 2)) for N in (8, 40))
    ql, dl = labels(8, 6, 1), labels(40, 6, 2)
    wanted = []
    for i in range(8):
        cosines = {}
        for j in range(40):
            c = round(float(q[i] @ d[j] / np.linalg.norm(q[i]) / np.linalg.norm(d[j])), 5)
            cosines.setdefault(c, []).append(shared(ql[i], dl[j]))
        groups = [(len(cosines[c]), sum(cosines[c])) for c in sorted(cosines, reverse=True)]
        wanted.append([(items, relevant) for items, relevant in groups if relevant])
    found = []
    for groups in cosine_groups(q, d, ql, dl, 1e-6, chunk):
        found += as_lists(groups)
    assert found == wanted
    assert max(len(rows) for rows in wanted) < 10  # of 40 items


def test_groups_do_not_depend_on_the_order_of_the_database():
    r = np.random.default_rng(0)
    d = np.repeat(r.normal(size=(50, 64)), 8, 0)
    d *= r.uniform(0.5, 2, (400, 1))  # the same directions, with other rounding
    q, ql, dl = r.normal(size=(20, 64)), labels(20, 5, 1), labels(400, 5, 2)
    one = [as_lists(g) for g in cosine_groups(q, d, ql, dl, 1e-6, 7)]
    assert all(n == 8 for rows in one for groups in rows for n, _ in groups)
    order = r.permutation(400)
    other = [as_lists(g) for g in cosine_groups(q, d[order], ql, dl[order], 1e-6, 7)]
    assert one == other


def test_a_long_chain_of_close_scores_is_no_tie():
    """A thousand cosines, each within the tolerance of the next: pieces as wide as it at most."""
    angle = np.linspace(0.5, 0.6, 1000)
    d = np.stack([np.cos(angle), np.sin(angle)], 1)
    every = np.ones((1000, 1), bool)
    (groups,) = cosine_groups(np.array([[1.0, 0.0]]), d, every[:1], every, 1e-3)
    cosines = np.cos(angle)
    start = 0
    for n in groups.items:
        assert cosines[start] - cosines[start + n - 1] <= 1e-3 + 1e-6
        start += n
    assert start == 1000
    width = (cosines[0] - cosines[-1]) / 1e-3
    assert width <= len(groups.items) <= width + 2
    (exact,) = cosine_groups(np.array([[1.0, 0.0]]), d, every[:1], every, 0.0)
    assert (exact.items == 1).all()


def test_a_random_order_is_one_tie():
    assert as_lists(random_groups(9, np.array([4, 0]))) == [[(9, 4)], [(9, 0)]]


GOOD = (np.ones((2, 4)), np.ones((3, 4)), np.ones((2, 5)), np.ones((3, 5)))


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (1, np.ones((3, 5)), "query codes have 4 bits, database codes 5|4 dimensions"),
        (2, np.ones((3, 5)), r"query labels must be \(2, categories\).*got \(3, 5\)"),
        (3, np.ones((3, 6)), "query labels have 5 categories, database labels 6"),
        (3, np.full((3, 5), 0.5), "database labels of row 0 are not all 0 or 1"),
        (2, np.ones(2), "query labels must be"),
    ],
)
def test_bad_input(at, value, message):
    bad = [*GOOD[:at], value, *GOOD[at + 1 :]]
    with pytest.raises(InputError, match=message):
        hamming_histograms(*bad)
    with pytest.raises(InputError, match=message):
        list(cosine_groups(*bad, 1e-6))


def test_bad_chunks():
    with pytest.raises(InputError, match="chunk must be at least 1"):
        hamming_histograms(*GOOD, chunk=0)
    with pytest.raises(InputError, match="chunk must be at least 1"):
        list(cosine_groups(*GOOD, 1e-6, chunk=-1))


@pytest.mark.parametrize("step", [0.0, 1e-4, 0.05])
@pytest.mark.parametrize("tolerance", [0.0, 1e-6, 1e-4, 0.01])
def test_few_relevant_items_are_grouped_as_many_are(step, tolerance):
    """Scores on a grid tie, and chains reach beyond every window where the grid is fine."""
    draw = np.random.default_rng(0)
    scores = draw.random((12, 300)).astype(np.float32)
    if step:
        scores = (np.round(scores / step) * step).astype(np.float32)
    scores[0] = 0.5
    scores[1, :5] = -1e30  # what is left out
    columns = [5 + np.sort(draw.choice(295, 1 + 6 * i, replace=False)) for i in range(12)]
    mask = np.zeros(scores.shape, bool)
    for row, marked in zip(mask, columns, strict=True):
        row[marked] = True
    wanted = grouped(scores, mask, np.float32(tolerance))
    found = of_few(scores, columns, np.float32(tolerance))
    for name, a, b in zip(found._fields, found, wanted, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
    none = of_few(scores[:1], [np.array([], int)], np.float32(tolerance))
    assert len(none.query) == 0


@pytest.mark.parametrize("step", [0.0, 1e-4, 0.05])
@pytest.mark.parametrize("tolerance", [0.0, 1e-4, 0.01])
def test_levelled_scores_are_equal_where_they_tie(step, tolerance):
    draw = np.random.default_rng(0)
    scores = np.sort(draw.random(300).astype(np.float32))[::-1]
    if step:
        scores = (np.round(scores / step) * step).astype(np.float32)
    found = levelled(scores, tolerance)
    wanted = grouped(scores[None], np.ones((1, 300), bool), np.float32(tolerance))
    values, sizes = np.unique(found, return_counts=True)
    np.testing.assert_array_equal(sizes[::-1], wanted.items)
    np.testing.assert_array_equal(values[::-1], scores[wanted.before])
    for depth in (0, 1, 2, 7, len(scores) - 1, len(scores), len(scores) + 1):
        assert np.array_equal(levelled(scores, tolerance, depth), found[:depth])
    assert len(levelled(scores[:0], tolerance)) == 0
    assert len(levelled(scores[:0], tolerance, 3)) == 0
