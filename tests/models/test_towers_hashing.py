"""Nets that make codes: the hash head, and those of DCMH by size and by what its loss makes."""

import pytest
import torch
from torch import nn

from cmir_repro.losses.labels import dcmh
from cmir_repro.models.towers import DCMHImageNet, DCMHTextNet, HashHead, codes

B, L = 4, 3


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


# DCMH


@pytest.mark.parametrize("net", [DCMHImageNet, DCMHTextNet])
def test_nets_are_two_layers_with_a_relu_between_and_no_bound(net):
    built = net(5, 7, L)
    assert sum(p.numel() for p in built.parameters()) == 5 * 7 + 7 + 7 * L + L
    x = torch.randn(B, 5, generator=torch.Generator().manual_seed(0))
    (w, b), (v, c) = ((layer.weight, layer.bias) for layer in (built[0], built[2]))
    out = built(x)
    assert out.shape == (B, L)
    for i in range(B):
        hidden = [max(0.0, (sum(w[h] * x[i]) + b[h]).item()) for h in range(7)]
        for k in range(L):
            expected = sum(v[k, h].item() * hidden[h] for h in range(7)) + c[k].item()
            assert out[i, k].item() == pytest.approx(expected, abs=1e-5)
    assert built(1e4 * x).abs().max() > 10


def test_training_makes_codes_of_a_category_alike():
    """Two categories of noisy samples; after a hundred steps codes tell them apart, by either."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(20) % 2
    image, text = (
        torch.randn(2, width, generator=generator)[label]
        + 0.3 * torch.randn(20, width, generator=generator)
        for width in (6, 5)
    )
    S = label[:, None] == label
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the nets' first weights
        nets = DCMHImageNet(6, 16, 8), DCMHTextNet(5, 16, 8)
    weights = [p for net in nets for p in net.parameters()]

    def agreement():
        a, b = nets[0](image) >= 0, nets[1](text) >= 0
        same = (a[:, None] == b).float().mean(2)
        return (same[S].mean() - same[~S].mean()).item()

    assert agreement() < 0.4
    for _ in range(100):
        loss = dcmh(nets[0](image), nets[1](text), S)["loss"]
        with torch.no_grad():
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight -= 0.1 * slope
    assert agreement() > 0.9
