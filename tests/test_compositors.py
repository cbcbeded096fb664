"""Compositors against their formulas, with the weights taken out of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cmir_repro.errors import InputError
from cmir_repro.models.compositors import COMPOSITORS, build_compositor
from cmir_repro.models.image import ImageFeatures

B, C, D = 4, 6, 5
FC = torch.randn(D, C, generator=torch.Generator().manual_seed(9))


def head(last):
    return last.mean((2, 3)) @ FC.T


def features(seed):
    """Source features and text vectors."""
    generator = torch.Generator().manual_seed(seed)
    last = torch.randn(B, C, 3, 2, generator=generator)
    return ImageFeatures(head(last), {"block4": last}), torch.randn(B, D, generator=generator)


@pytest.fixture
def build():
    """build(name) -> the compositor with all weights random, those of the norms included."""

    def build(name):
        generator = torch.Generator().manual_seed(1)
        compositor = build_compositor(name, C, D)
        with torch.no_grad():
            for parameter in compositor.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        return compositor

    return build


def normed(x, layer):
    """Batch norm in training: statistics of this batch, per channel."""
    dims = [d for d in range(x.ndim) if d != 1]
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.mean(dims, keepdim=True), x.var(dims, unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * layer.weight.view(shape) + layer.bias.view(shape)


def test_tirg_is_its_formula(build):
    tirg = build("tirg")
    image, text = features(0)
    x = image.vector
    both = torch.cat([x, text], 1)
    gate, residual = tirg.gate, tirg.residual
    g = normed(both, gate[0]).relu() @ gate[2].weight.T + gate[2].bias
    r = (normed(both, residual[0]).relu() @ residual[2].weight.T + residual[2].bias).relu()
    r = r @ residual[4].weight.T + residual[4].bias
    expected = tirg.a[0] / (1 + torch.exp(-g)) * x + tirg.a[1] * r
    torch.testing.assert_close(tirg(image, text, head), expected)


def test_tirg_last_conv_is_its_formula_on_the_map(build):
    tirg = build("tirg-last-conv")
    image, text = features(0)
    x = image.maps["block4"]
    both = torch.cat([x, torch.stack([torch.stack([text] * 2, 2)] * 3, 2)], 1)

    def net(layers):
        z = F.conv2d(normed(both, layers[0]), layers[1].weight, layers[1].bias, padding=1).relu()
        return F.conv2d(z, layers[3].weight, layers[3].bias, padding=1)

    expected = tirg.a[0] * net(tirg.gate).sigmoid() * x + tirg.a[1] * net(tirg.residual)
    assert expected.shape == x.shape
    torch.testing.assert_close(tirg(image, text, head), head(expected), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["tirg", "tirg-last-conv"])
def test_the_residual_starts_ten_times_the_gated_feature(name):
    a = build_compositor(name, C, D).a
    assert a.tolist() == [1, 10]
    assert a.requires_grad


def layers(net):
    """Name and sizes (output first) of each layer."""
    return [
        (type(layer).__name__, *getattr(layer, "weight", torch.empty(0)).shape) for layer in net
    ]


def test_layers_are_those_of_the_facts():
    concatenation = build_compositor("concatenation", 512, 512).net
    norm, relu = ("BatchNorm1d", 1024), ("ReLU", 0)
    assert layers(concatenation) == [
        norm, relu, ("Linear", 1024, 1024), norm, relu, ("Dropout", 0), ("Linear", 512, 1024)
    ]  # fmt: skip
    assert concatenation[5].p == 0.1
    tirg = build_compositor("tirg", 512, 512)
    assert layers(tirg.gate) == [norm, relu, ("Linear", 512, 1024)]
    assert layers(tirg.residual) == [
        norm, relu, ("Linear", 1024, 1024), relu, ("Linear", 512, 1024)
    ]  # fmt: skip
    last_conv = build_compositor("tirg-last-conv", 512, 512)
    for net in (last_conv.gate, last_conv.residual):
        convolutions = ("Conv2d", 1024, 1024, 3, 3), relu, ("Conv2d", 512, 1024, 3, 3)
        assert layers(net) == [("BatchNorm2d", 1024), *convolutions]


def test_concatenation_runs_its_layers_on_both_vectors(build):
    concatenation = build("concatenation").eval()
    image, text = features(0)
    expected = concatenation.net(torch.cat([image.vector, text], 1))
    torch.testing.assert_close(concatenation(image, text, head), expected)


@pytest.mark.parametrize("name", COMPOSITORS)
def test_it_reads_the_inputs_it_says_and_no_others(name, build):
    compositor: nn.Module = build(name).eval()
    (image, text), (other_image, other_text) = features(0), features(1)
    if not compositor.needs_map:
        image, other_image = image._replace(maps={}), other_image._replace(maps={})
    query = compositor(image, text, head)
    assert query.shape == (B, D)
    assert torch.equal(query, compositor(image, other_text, head)) == (name == "image-only")
    assert torch.equal(query, compositor(other_image, text, head)) == (name == "text-only")


def test_one_modality_alone_is_its_vector(build):
    image, text = features(0)
    assert torch.equal(build("image-only")(image, text, head), image.vector)
    assert torch.equal(build("text-only")(image, text, head), text)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(InputError, match=r"compositor 'film' is unknown; allowed: image-only, .*"):
        build_compositor("film", C, D)
