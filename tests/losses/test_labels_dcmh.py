"""DCMH's loss against sums written out over samples, pairs and bits."""

import math

import pytest
import torch

from cmir_repro.losses.labels import dcmh

B, L = 4, 3


@pytest.fixture
def outputs():
    drawn = torch.randn(2, B, L, generator=torch.Generator().manual_seed(0)).double()
    return drawn[0].requires_grad_(), drawn[1].requires_grad_()


@pytest.fixture
def share():
    """Images and texts of the same four samples: 0 and 2 share a category, 3 has none at all."""
    S = torch.eye(B)
    S[0, 2] = S[2, 0] = 1
    S[3, 3] = 0
    return S


def sums(image, text, S):
    """The three sums of the paper, nothing divided."""
    likelihood = quantisation = balance = 0.0
    for i in range(B):
        for j in range(B):
            theta = sum(image[i][k] * text[j][k] for k in range(L)) / 2
            likelihood -= S[i][j] * theta - math.log(1 + math.exp(theta))
    for i in range(B):
        for k in range(L):
            b = 1 if image[i][k] + text[i][k] >= 0 else -1
            quantisation += (b - image[i][k]) ** 2 + (b - text[i][k]) ** 2
    for k in range(L):
        for side in (image, text):
            balance += sum(side[i][k] for i in range(B)) ** 2
    return likelihood, quantisation, balance


def test_every_part_is_the_written_out_sum_over_the_number_of_pairs(outputs, share):
    found = dcmh(*outputs, share, gamma=0.3, eta=0.7)
    parts = sums(*(x.tolist() for x in outputs), share.tolist())
    for name, part in zip(("likelihood", "quantisation", "balance"), parts, strict=True):
        assert found[name].item() == pytest.approx(part / B**2)
    expected = (parts[0] + 0.3 * parts[1] + 0.7 * parts[2]) / B**2
    assert found["loss"].item() == pytest.approx(expected)
    assert set(found) == {"loss", "likelihood", "quantisation", "balance"}
    assert all(value.shape == () for value in found.values())


def test_weights_are_one_as_in_the_paper(outputs, share):
    found = dcmh(*outputs, share)
    total = found["likelihood"] + found["quantisation"] + found["balance"]
    assert found["loss"].item() == pytest.approx(total.item())


def test_rows_are_images_and_columns_texts(outputs):
    S = torch.zeros(B, B)
    S[0, 1] = 1
    parts = sums(*(x.tolist() for x in outputs), S.tolist())
    assert dcmh(*outputs, S)["likelihood"].item() == pytest.approx(parts[0] / B**2)
    assert dcmh(*outputs, S.T)["likelihood"].item() != pytest.approx(parts[0] / B**2)


def test_share_may_be_true_and_false(outputs, share):
    assert dcmh(*outputs, share > 0)["loss"].item() == dcmh(*outputs, share)["loss"].item()


def test_both_sides_get_the_gradient_of_every_part_with_the_codes_held(outputs, share):
    for name in ("likelihood", "quantisation", "balance"):
        for slope in torch.autograd.grad(dcmh(*outputs, share)[name], outputs):
            assert (slope != 0).all()
    slopes = torch.autograd.grad(dcmh(*outputs, share)["quantisation"], outputs)
    codes = (outputs[0] + outputs[1]).detach().sign()
    for slope, x in zip(slopes, outputs, strict=True):
        torch.testing.assert_close(slope, 2 * (x.detach() - codes) / B**2)


def test_outputs_that_sum_to_zero_have_code_plus_one(share):
    """The value is the same for either code; where the outputs are drawn to is not."""
    half = torch.full((B, L), 0.5, requires_grad=True)
    other = torch.full((B, L), -0.5, requires_grad=True)
    found = dcmh(half, other, share)["quantisation"]
    assert found.item() == pytest.approx((0.25 + 2.25) * L / B)
    slopes = torch.autograd.grad(found, (half, other))
    for slope, value in zip(slopes, (0.5, -0.5), strict=True):
        torch.testing.assert_close(slope, torch.full((B, L), 2 * (value - 1) / B**2))


def test_what_knows_nothing_costs_log_two_and_large_outputs_stay_finite(share):
    zeros = torch.zeros(B, L)
    assert dcmh(zeros, zeros, share)["likelihood"].item() == pytest.approx(math.log(2))
    large = torch.full((B, L), 1e3, requires_grad=True)
    found = dcmh(large, large, share)
    found["loss"].backward()
    assert all(value.isfinite() for value in found.values())
    assert large.grad.isfinite().all()


@pytest.mark.parametrize(
    ("image", "text", "S"),
    [
        ((B, L), (B, L + 1), (B, B)),
        ((B, L), (B + 1, L), (B, B)),
        ((B, L), (B, L), (B,)),  # would be spread over all rows
        ((B, L), (B, L), (B, 1)),
        ((B,), (B,), (B, B)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(image, text, S):
    with pytest.raises(ValueError, match=r"share \(B, B\)"):
        dcmh(torch.zeros(image), torch.zeros(text), torch.zeros(S))
