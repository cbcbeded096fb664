"""DCMH's nets by size, and what its loss makes of them."""

import pytest
import torch

from cmir_repro.losses.labels import dcmh
from cmir_repro.models.dcmh import ImageNet, TextNet

B, L = 4, 3


@pytest.mark.parametrize("net", [ImageNet, TextNet])
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
        nets = ImageNet(6, 16, 8), TextNet(5, 16, 8)
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
