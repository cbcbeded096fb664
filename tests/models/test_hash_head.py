"""The hash head's sizes and range, and the sign of every value."""

import pytest
import torch
from torch import nn

from cmir_repro.models.hash_head import HashHead, codes


@pytest.mark.parametrize(("bits", "expected"), [(32, 803_872), (64, 820_288)])
def test_the_released_sizes(bits, expected):
    head = HashHead(1024, bits)
    assert sum(p.numel() for p in head.parameters()) == expected


def test_layers_of_tanh():
    torch.manual_seed(0)
    head = HashHead(6, 4, hidden=5).eval()
    h = x = 3 * torch.randn(10, 6)
    layers = [m for m in head.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        h = (h @ layer.weight.T + layer.bias).tanh()
    torch.testing.assert_close(head(x), h)
    assert head(x).shape == (10, 4)
    assert head(x).abs().max() < 1


def test_the_last_layer_is_the_released_convolution():
    torch.manual_seed(0)
    head = HashHead(6, 4, hidden=5, dropout=0.0)
    last = head.net[-2]
    convolution = nn.Conv1d(1, 4, 5)
    with torch.no_grad():
        convolution.weight.copy_(last.weight[:, None])
        convolution.bias.copy_(last.bias)
    h = torch.randn(3, 5)
    torch.testing.assert_close(convolution(h[:, None]).squeeze(2), last(h))


def test_dropout_of_the_input_in_training_only():
    torch.manual_seed(0)
    head, x = HashHead(50, 4, hidden=5), torch.ones(1, 50)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


def test_every_value_has_a_sign():
    h = torch.tensor([[-0.3, 0.0, 0.2], [1e-30, -1e-30, -0.0]])
    found = codes(h)
    assert found.dtype == torch.bool
    assert found.tolist() == [[False, True, True], [True, False, True]]
