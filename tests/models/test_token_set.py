"""Padding is known from the lengths, and is zero."""

import torch

from cmir_repro.models.token_set import TokenSet, real_positions


def test_padding_begins_at_the_length():
    real = real_positions(torch.tensor([1, 3, 2]), 3)
    assert real.tolist() == [[True, False, False], [True, True, True], [True, True, False]]
    assert torch.equal(TokenSet(torch.ones(3, 3, 5), torch.tensor([1, 3, 2])).real, real)


def test_padded_clears_what_stands_in_padding_and_nothing_else():
    tokens = torch.tensor([[[1.0], [torch.nan]], [[2.0], [3.0]]])
    cleared = TokenSet.padded(tokens, torch.tensor([1, 2]))
    assert cleared.tokens.tolist() == [[[1], [0]], [[2], [3]]]


def test_a_full_set_has_no_padding():
    full = TokenSet.full(torch.zeros(2, 4, 3))
    assert full.lengths.tolist() == [4, 4]
    assert full.lengths.dtype == torch.int64
    assert full.real.all()
