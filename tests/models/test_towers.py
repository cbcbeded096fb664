"""The student's sizes, what its two sides share, and DSCMR's form of it."""

import pytest
import torch
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.models.towers import Towers

F, D, C, H, E, K, B = 7, 5, 3, 6, 4, 8, 2


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def tiny(**options):
    torch.manual_seed(0)
    return Towers(nn.Identity(), F, D, C, H, E, K, **options)


# Counted on the released code: D and C of MIRFLICKR-25K, NUS-WIDE and COCO; 4096 image features.
@pytest.mark.parametrize(
    ("text_dim", "categories", "expected"),
    [(1386, 24, 32_238_616), (1000, 21, 31_445_013), (2000, 80, 33_553_488)],
)
def test_the_released_sizes(text_dim, categories, expected):
    with torch.device("meta"):
        towers = Towers(nn.Identity(), 4096, text_dim, categories)
    assert parameters(towers) == expected
    assert parameters(towers.image_net) == 16_783_360


def test_each_side_is_layers_of_tanh_and_the_shared_projection():
    towers = tiny()
    x, t = torch.randn(B, F), torch.randn(B, D)
    for encode, net, inputs in (
        (towers.encode_images, towers.image_net, x),
        (towers.encode_texts, towers.text_net, t),
    ):
        linear = [m for m in net if isinstance(m, nn.Linear)]
        assert len(linear) == 3
        h = inputs
        for layer in linear:
            h = (h @ layer.weight.T + layer.bias).tanh()
        expected = h @ towers.project.weight.T + towers.project.bias  # no activation
        torch.testing.assert_close(encode(inputs), expected)
        assert expected.shape == (B, E)


def test_only_projection_and_classifier_are_shared():
    towers = tiny()
    towers.classify(towers.encode_texts(torch.randn(B, D))).sum().backward()
    touched = {name.split(".")[0] for name, p in towers.named_parameters() if p.grad is not None}
    assert touched == {"text_net", "project", "classifier"}


def test_conversion_is_apart_and_not_negative():
    towers = tiny()
    u = torch.randn(50, E)
    a, b = towers.convert_images(u), towers.convert_texts(u)
    assert a.shape == b.shape == (50, K)
    assert a.min() == b.min() == 0
    assert not torch.equal(a, b)
    assert towers.classify(u).shape == (50, C)
    assert towers.classify(u).min() < 0  # logits


def test_dscmr_has_one_layer_of_relu():
    towers = tiny(layers=1, activation="relu")
    x = torch.randn(B, F)
    (layer,) = (m for m in towers.image_net if isinstance(m, nn.Linear))
    expected = towers.project((x @ layer.weight.T + layer.bias).clamp(min=0))
    torch.testing.assert_close(towers.encode_images(x), expected)


def test_the_trunk_is_trained_with_it():
    torch.manual_seed(0)
    towers = Towers(nn.Sequential(nn.Flatten(), nn.Linear(12, F)), F, D, C, H, E, K)
    towers.encode_images(torch.randn(B, 2, 6)).sum().backward()
    assert towers.image[1].weight.grad.abs().sum() > 0


def test_bad_sizes():
    with pytest.raises(InputError, match="activation 'gelu' is unknown; allowed: tanh, relu"):
        tiny(activation="gelu")
    with pytest.raises(ValueError, match="at least 1 layer, got 0"):
        tiny(layers=0)
