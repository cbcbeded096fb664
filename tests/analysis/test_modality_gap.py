"""Each statistic against its sum written out, and against cases whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest

from cmir_repro.analysis import modality_gap
from cmir_repro.core.errors import InputError


@pytest.fixture
def generator():
    return np.random.default_rng(0)


@pytest.fixture
def tiny(generator):
    """Five pairs of unit rows, as lists."""
    a, b = generator.normal(size=(2, 5, 3))
    return [[v / math.hypot(*row) for v in row] for row in a.tolist()], [
        [v / math.hypot(*row) for v in row] for row in b.tolist()
    ]


@pytest.fixture
def pairs(generator):
    """300 pairs of one distribution: what they share, and some noise each."""
    shared = generator.normal(size=(300, 16))
    return tuple(shared + 0.3 * generator.normal(size=(2, 300, 16)))


def squared(x, y):
    return sum((u - v) ** 2 for u, v in zip(x, y, strict=True))


def test_centroid_distance_is_the_written_out_sum(tiny):
    a, b = tiny
    means = [[sum(row[d] for row in x) / 5 for d in range(3)] for x in (a, b)]
    assert modality_gap.centroid_distance(a, b) == pytest.approx(math.sqrt(squared(*means)))


def test_mmd_is_the_written_out_double_loop(tiny):
    a, b = tiny[0], tiny[1][:4]
    union = a + b
    distances = sorted(squared(union[i], union[j]) for i in range(9) for j in range(i))
    variance = (distances[17] + distances[18]) / 2  # the middle of 36

    def k(x, y):
        return math.exp(-squared(x, y) / (2 * variance))

    within_a = sum(k(a[i], a[j]) for i in range(5) for j in range(5) if i != j) / 20
    within_b = sum(k(b[i], b[j]) for i in range(4) for j in range(4) if i != j) / 12
    across = sum(k(x, y) for x in a for y in b) / 20
    # The median of squares is the square of the median only up to the mean of the middle two.
    assert modality_gap.mmd(a, b, bandwidth=math.sqrt(variance)) == pytest.approx(
        within_a + within_b - 2 * across
    )
    assert modality_gap.mmd(a, b) == pytest.approx(within_a + within_b - 2 * across)


def test_alignment_and_uniformity_are_the_written_out_sums(tiny):
    a, b = tiny
    assert modality_gap.alignment(a, b) == pytest.approx(sum(map(squared, a, b)) / 5)
    terms = [math.exp(-2 * squared(a[i], a[j])) for i in range(5) for j in range(i)]
    assert modality_gap.uniformity(a) == pytest.approx(math.log(sum(terms) / 10))


def test_relative_gap_is_the_written_out_sum(tiny):
    a, b = tiny

    def d(x, y):
        return (1 - sum(u * v for u, v in zip(x, y, strict=True))) / 2

    match = sum(map(d, a, b)) / 5
    within = [sum(d(x[i], x[j]) for i in range(5) for j in range(5) if i != j) / 20 for x in (a, b)]
    expected = match / (match + sum(within) / 2)
    assert modality_gap.relative_gap(a, b) == pytest.approx(expected)


def test_relative_gap_has_its_fixed_points(generator):
    x = generator.normal(size=(400, 8))
    assert modality_gap.relative_gap(x, 2 * x) == pytest.approx(0, abs=1e-12)
    assert modality_gap.relative_gap(x, generator.permutation(x)) == pytest.approx(0.5, abs=0.03)
    # Two tight clouds on opposite sides; and everything on one point, where nothing is apart.
    point = np.eye(8)[0] + 0.01 * x
    assert modality_gap.relative_gap(point, -point) > 0.99
    assert modality_gap.relative_gap(np.ones((3, 4)), np.ones((3, 4))) == 0


def test_uniformity_does_not_depend_on_its_blocks(generator):
    x = generator.normal(size=(1500, 4))  # more than one block
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    rows, columns = np.triu_indices(1500, k=1)
    terms = np.exp(-2 * ((unit[rows] - unit[columns]) ** 2).sum(axis=1))
    assert modality_gap.uniformity(x) == pytest.approx(math.log(terms.mean()))


def test_info_nce_is_the_written_out_loop(tiny):
    a, b = tiny
    order = np.random.default_rng(3).permutation(5)
    bounds = []
    for batch in (order[:2], order[2:4]):  # the fifth pair fills no batch
        for i in batch:
            scores = {j: sum(u * v for u, v in zip(a[i], b[j], strict=True)) / 0.5 for j in batch}
            share = math.exp(scores[i]) / sum(map(math.exp, scores.values()))
            bounds.append(math.log(share) + math.log(2))
    assert modality_gap.info_nce_bound(a, b, batch=2, temperature=0.5, seed=3) == pytest.approx(
        sum(bounds) / 4
    )


def test_info_nce_takes_a_critic_of_features_as_given(pairs):
    a, b = 3 * pairs[0], pairs[1][:, :5]  # a critic may compare spaces of different size

    def critic(x, y):
        return -((x[:, None, :5] / 3 - y[None]) ** 2).sum(axis=2)

    assert 1 < modality_gap.info_nce_bound(a, b, batch=32, critic=critic) < math.log(32)
    with pytest.raises(InputError, match="32 x 32 finite"):
        modality_gap.info_nce_bound(a, b, batch=32, critic=lambda x, y: np.zeros(len(x)))


def test_info_nce_ends_at_log_batch_and_says_nothing_of_strangers(generator):
    a = generator.normal(size=(64, 200))
    assert modality_gap.info_nce_bound(a, a, batch=16) == pytest.approx(math.log(16), abs=1e-3)
    assert modality_gap.info_nce_bound(a, generator.normal(size=a.shape), batch=16) < 0


def test_one_distribution_has_no_gap(pairs):
    a, b = pairs
    assert modality_gap.centroid_distance(a, b) < math.sqrt(2 / 300)
    assert abs(modality_gap.mmd(a, b)) < 0.01
    assert abs(modality_gap.probe_accuracy(a, b) - 50) < 6


def test_a_shift_is_seen_by_every_statistic(pairs):
    a, b = pairs[0], pairs[1] + 3
    assert modality_gap.centroid_distance(a, b) > 0.5
    assert modality_gap.mmd(a, b) > 0.2
    assert modality_gap.probe_accuracy(a, b) > 97
    assert modality_gap.alignment(a, b) > modality_gap.alignment(*pairs)


def test_mmd_sees_a_change_of_shape_around_one_centre(generator):
    a = generator.normal(size=(400, 8))
    b = generator.normal(size=(400, 8)) * ([8] * 2 + [1] * 6)
    assert modality_gap.centroid_distance(a, b) < 0.1
    assert modality_gap.mmd(a, b) > 0.02


def test_equal_sets_leave_the_probe_at_exactly_half(pairs):
    assert modality_gap.probe_accuracy(pairs[0], pairs[0]) == 50


def test_groups_keep_near_copies_out_of_the_test_fold(generator):
    """Three near copies of each pair; split over folds, the probe recognises them."""
    a, b = np.repeat(generator.normal(size=(2, 40, 100)), 3, axis=1)
    groups = np.repeat(np.arange(40), 3)
    assert modality_gap.probe_accuracy(a, b) > 90
    assert abs(modality_gap.probe_accuracy(a, b, groups=groups) - 50) < 15


def test_probe_balances_sets_of_different_size(pairs):
    a, b = pairs
    assert abs(modality_gap.probe_accuracy(a, b[:100]) - 50) < 12
    assert modality_gap.probe_accuracy(a, b[:100] + 3) > 95


def test_row_order_scale_and_rotation_change_nothing(pairs, generator):
    a, b = pairs[0], pairs[1] + 1
    order = generator.permutation(300)
    rotation = np.linalg.qr(generator.normal(size=(16, 16)))[0]
    scale = generator.uniform(0.5, 2, size=(300, 1))
    for x, y in ((a[order], b[order]), (a @ rotation, b @ rotation), (scale * a, scale * b)):
        assert modality_gap.centroid_distance(x, y) == pytest.approx(
            modality_gap.centroid_distance(a, b)
        )
        assert modality_gap.mmd(x, y) == pytest.approx(modality_gap.mmd(a, b))
        assert modality_gap.alignment(x, y) == pytest.approx(modality_gap.alignment(a, b))
        assert modality_gap.uniformity(x) == pytest.approx(modality_gap.uniformity(a))
    # Folds and batches are dealt by row, so these two are spared the new order only.
    x, y = a @ rotation, b @ rotation
    assert modality_gap.probe_accuracy(x, y) == pytest.approx(
        modality_gap.probe_accuracy(a, b), abs=0.5
    )
    assert modality_gap.info_nce_bound(x, y) == pytest.approx(modality_gap.info_nce_bound(a, b))
    # Clouds need no pairs: one set alone may be put into another order.
    assert modality_gap.mmd(a, b[order]) == pytest.approx(modality_gap.mmd(a, b))


def test_collapse_reads_as_no_gap_but_uniformity_gives_it_away():
    a = np.ones((20, 4))
    assert modality_gap.centroid_distance(a, a) == 0
    assert modality_gap.uniformity(a) == pytest.approx(0)
    assert modality_gap.probe_accuracy(a, a) == 50
    with pytest.raises(InputError, match="collapsed"):
        modality_gap.mmd(a, a)


def test_large_sets_are_thinned_by_the_generator_alone(pairs):
    a, b = pairs
    with pytest.raises(InputError, match="pass a generator"):
        modality_gap.mmd(a, b, rows=100)
    first, second = (
        modality_gap.mmd(a, b, rows=100, generator=np.random.default_rng(1)) for _ in range(2)
    )
    assert first == second != modality_gap.mmd(a, b)


def test_table_is_rounded_repeatable_and_named(pairs):
    a, b = pairs
    sets = {"image - text": (a, b), "shifted": (a, b + 3)}
    table = modality_gap.table(sets, batch=64)
    pd.testing.assert_frame_equal(table, modality_gap.table(sets, batch=64))
    assert list(table.index) == ["image - text", "shifted"]
    assert list(table.columns) == ["rows", *modality_gap.DECIMALS]
    for column, decimals in modality_gap.DECIMALS.items():
        assert (table[column] == table[column].round(decimals)).all()
    assert "-0.0" not in table.to_string().replace("-0.00", "").split()
    assert table.loc["shifted", "info_nce_ceiling"] == 4.16


def test_unpaired_sets_have_no_pair_statistics(pairs):
    a, b = pairs
    values = modality_gap.statistics(a, b[:200], paired=False)
    assert math.isnan(values["alignment"])
    assert math.isnan(values["info_nce"])
    assert values["rows"] == 200
    with pytest.raises(InputError, match="fusion has 300 rows and target 200"):
        modality_gap.statistics(a, b[:200], names=("fusion", "target"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: np.where(np.arange(300)[:, None] == 7, np.nan, x),
            r"1 of 300 text .* row 7 \(not",
        ),
        (lambda x: x * (np.arange(300)[:, None] != 9), r"text features .* row 9 \(zero\)"),
        (lambda x: x[:1], "text: needs at least 2 rows, has 1"),
        (lambda x: x[0], r"text features must be \(N, D\) numbers, got \(16,\)"),
        (lambda x: x > 0, r"text features must be \(N, D\) numbers, got .* bool"),
        (lambda x: x[:, :8], "image has 16 dimensions and text 8"),
    ],
)
def test_bad_features_are_refused_by_name(pairs, change, message):
    with pytest.raises(InputError, match=message):
        modality_gap.statistics(pairs[0], change(pairs[1]))


def test_settings_that_cannot_work_are_refused(pairs):
    a, b = pairs
    with pytest.raises(InputError, match="a batch of 400"):
        modality_gap.info_nce_bound(a, b, batch=400)
    with pytest.raises(InputError, match="temperature"):
        modality_gap.info_nce_bound(a, b, temperature=0)
    with pytest.raises(InputError, match="folds"):
        modality_gap.probe_accuracy(a, b, groups=np.zeros(300))
    with pytest.raises(InputError, match="groups"):
        modality_gap.probe_accuracy(a, b, groups=np.zeros(299))
    with pytest.raises(InputError, match="no sets"):
        modality_gap.table({})


def test_few_pairs_are_one_batch_and_as_many_folds():
    rng = np.random.default_rng(0)
    found = modality_gap.table({"few": (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))})
    assert found.loc["few", "info_nce_ceiling"] == pytest.approx(np.log(4), abs=0.005)
    assert np.isfinite(found.loc["few", "probe_accuracy"])
