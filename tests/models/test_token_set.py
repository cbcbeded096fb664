"""Padding is known from the lengths, and is zero."""

import pytest
import torch
from torch import nn

from cmir_repro.models.token_set import Packing, TokenSet, real_positions


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


@pytest.mark.parametrize("lengths", [[2, 5, 1], [5, 5, 5]])
def test_packed_places_come_back_and_are_dropped_as_sets_are(lengths):
    sets = TokenSet.padded(torch.randn(3, 5, 4), torch.tensor(lengths))
    packing, layer = Packing(sets.real), nn.Dropout(0.4)
    packed = packing.pack(sets.tokens)
    assert packed.shape == (sum(lengths), 4)
    assert torch.equal(packing.unpack(packed), sets.tokens)
    torch.manual_seed(0)
    dropped = layer(sets.tokens)
    torch.manual_seed(0)
    assert torch.equal(packing.unpack(packing.dropout(packed, layer)), dropped)
    assert packing.dropout(packed, layer.eval()) is packed
