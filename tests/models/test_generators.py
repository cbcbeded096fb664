"""The teachers' and discriminators' sizes as released, and what a ReLU after each layer means."""

import pytest
import torch
from torch import nn

from cmir_repro.models.generators import Discriminator, Generator, image_to_text, text_to_image

F, D, B = 6, 5, 4


def parameters(module):
    return sum(p.numel() for p in module.parameters())


# Counted on the released code, with its layer that is never called: D of MIRFLICKR-25K, NUS-WIDE
# and COCO; 4096 image features.
@pytest.mark.parametrize(
    ("text_dim", "to_text", "to_image", "of_text"),
    [
        (1386, 16_361_818, 16_480_256, 745_122),
        (1000, 15_589_432, 15_689_728, 547_490),
        (2000, 17_590_432, 17_737_728, 1_059_490),
    ],
)
def test_the_released_sizes(text_dim, to_text, to_image, of_text):
    never_called = 1024 * 1024 + 1024
    with torch.device("meta"):
        teacher = image_to_text(4096, text_dim)
        assert parameters(teacher) == to_text - never_called
        assert (teacher.code_dim, teacher.out_dim) == (1024, text_dim)
        teacher = text_to_image(text_dim, 4096)
        assert parameters(teacher) == to_image - never_called
        assert (teacher.code_dim, teacher.out_dim) == (1024, 4096)
        assert parameters(Discriminator(text_dim, (512, 64, 32))) == of_text
        assert parameters(Discriminator(4096, (2048, 1024, 512))) == 11_014_658


@pytest.mark.parametrize("last_relu", [True, False])
def test_a_relu_after_every_layer(last_relu):
    torch.manual_seed(0)
    net = Generator(F, (8, 3), 7, D, last_relu=last_relu).eval()
    layers = [m for m in net.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(F, 8), (8, 3), (3, 7), (7, D)]
    h = x = torch.randn(B, F)
    for number, layer in enumerate(layers):
        h = h @ layer.weight.T + layer.bias
        if number < 3 or last_relu:
            h = h.clamp(min=0)
        if number == 1:
            torch.testing.assert_close(net.encode(x), h)
    torch.testing.assert_close(net(x), h)
    torch.testing.assert_close(net.decode(net.encode(x)), h)
    assert (net(x).min() >= 0) == last_relu


def test_dropout_is_of_the_input_and_of_training_only():
    net = Generator(1000, (1,), 1, 1, dropout=0.3)
    layer = net.encoder[1]
    with torch.no_grad():
        layer.weight.fill_(1 / 1000)
        layer.bias.zero_()
    ones = torch.ones(20, 1000)
    torch.manual_seed(0)
    noisy = net.encode(ones)
    kept = noisy * 0.7  # what stays is scaled up
    assert (kept - 0.7).abs().max() < 0.06
    assert noisy.std() > 0
    torch.testing.assert_close(net.eval().encode(ones), torch.ones(20, 1))


def test_a_generator_learns_the_other_modality():
    torch.manual_seed(0)
    x = torch.rand(40, F)
    y = x @ torch.rand(F, D)
    net = text_to_image(F, D, (32, 16), 32, dropout=0.0, last_relu=False)
    before = (net(x) - y).abs().mean().item()
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150):
        adam.zero_grad()
        (net(x) - y).abs().mean().backward()
        adam.step()
    assert (net(x) - y).abs().mean().item() < before / 10


@pytest.mark.parametrize("last_relu", [True, False])
def test_an_output_below_zero_for_all_is_lost_where_the_last_layer_has_a_relu(last_relu):
    torch.manual_seed(0)
    net = image_to_text(F, D, (8, 3), 7, dropout=0.0, last_relu=last_relu)
    last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        last.bias[1] = -100
    (net(torch.rand(B, F)) - 1).abs().mean().backward()
    assert (last.bias.grad[1] == 0) == last_relu


def test_a_discriminator_is_relus_and_two_logits():
    torch.manual_seed(0)
    net = Discriminator(D, (7, 3))
    h = x = torch.randn(B, D)
    layers = [m for m in net.modules() if isinstance(m, nn.Linear)]
    for layer in layers[:-1]:
        h = (h @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(net(x), h @ layers[-1].weight.T + layers[-1].bias)
    assert net(x).shape == (B, 2)
