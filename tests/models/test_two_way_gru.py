"""Reading from both ends without packing is what packing gives."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cmir_repro.models.two_way_gru import TwoWayGRU


def test_states_are_those_of_a_packed_bidirectional_gru():
    torch.manual_seed(0)
    ours = TwoWayGRU(3, 4)
    theirs = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    for name, weight in ours.onward.named_parameters():
        getattr(theirs, name).data.copy_(weight)
        getattr(theirs, f"{name}_reverse").data.copy_(ours.back.get_parameter(name))
    x, lengths = torch.randn(4, 6, 3), torch.tensor([2, 6, 1, 5])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(x, lengths)
    for row, length in enumerate(lengths):
        expected = (states[row, :length, :4] + states[row, :length, 4:]) / 2
        torch.testing.assert_close(found[row, :length], expected)
