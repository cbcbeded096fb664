"""Shared categories against the triple loop over samples and categories."""

import torch

from cmir_repro.losses.label_similarity import common, share

Y = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)) < 0.3
Y[3] = False  # no category at all
Y[0, :2], Y[1, :2] = True, True  # at least two in common
OTHER = torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) < 0.5


def counted(labels, other):
    """As the released code counts: samples x categories x samples."""
    rows = []
    for y in labels.tolist():
        rows.append(
            [float(sum(p and q for p, q in zip(y, z, strict=True))) for z in other.tolist()]
        )
    return rows


def test_common_counts():
    assert common(Y).tolist() == counted(Y, Y)
    assert common(Y, OTHER).tolist() == counted(Y, OTHER)
    assert common(Y).max() >= 2  # or counting is not tested


def test_share_says_whether():
    assert share(Y).tolist() == [[float(n > 0) for n in row] for row in counted(Y, Y)]
    assert share(Y, OTHER).tolist() == [[float(n > 0) for n in row] for row in counted(Y, OTHER)]
    assert torch.equal(share(Y), share(Y).T)


def test_a_sample_without_categories_shares_none():
    assert share(Y)[3].tolist() == share(Y)[:, 3].tolist() == [0.0] * 7
    kept = Y.any(1)
    assert torch.equal(share(Y).diagonal(), kept.float())


def test_any_type_of_labels():
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.float32):
        found = common(Y.to(dtype), OTHER)
        assert found.dtype == torch.float32
        assert torch.equal(found, common(Y, OTHER))
    assert common(Y.double()).dtype == share(Y.double()).dtype == torch.float64
    many = torch.ones(2, 300, dtype=torch.uint8)  # more than a byte counts
    assert common(many).tolist() == [[300.0] * 2] * 2
