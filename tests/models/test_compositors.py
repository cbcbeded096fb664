"""What holds for every compositor: its layers, what it reads, padding, gradients, names."""

import pytest
import torch
import torch.nn.functional as F
from tiny_compositors import LENGTHS, B, C, D, L, build, features, head
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.models.compositors import COMPOSITORS, Compositor, build_compositor
from cmir_repro.models.compositors.film import FILM_BLOCKS


def sizes(net):
    """Name and sizes (output first) of each layer; of a dropout its probability."""
    return [
        (
            type(layer).__name__,
            *([] if getattr(layer, "weight", None) is None else layer.weight.shape),
            *([layer.p] if isinstance(layer, nn.Dropout) else []),
        )
        for layer in net
    ]


def test_layers_are_those_of_the_facts():
    norm, relu, tanh, half = ("BatchNorm1d", 1024), ("ReLU",), ("Tanh",), ("Dropout", 0.5)
    square = ("Linear", 512, 512)
    assert sizes(build_compositor("concatenation", 512, 512).net) == [
        norm, relu, ("Linear", 1024, 1024), norm, relu, ("Dropout", 0.1), ("Linear", 512, 1024)
    ]  # fmt: skip
    tirg = build_compositor("tirg", 512, 512)
    assert sizes(tirg.gate) == [norm, relu, ("Linear", 512, 1024)]
    assert sizes(tirg.residual) == [
        norm, relu, ("Linear", 1024, 1024), relu, ("Linear", 512, 1024)
    ]  # fmt: skip
    last_conv = build_compositor("tirg-last-conv", 512, 512)
    for net in (last_conv.gate, last_conv.residual):
        convolutions = ("Conv2d", 1024, 1024, 3, 3), relu, ("Conv2d", 512, 1024, 3, 3)
        assert sizes(net) == [("BatchNorm2d", 1024), *convolutions]
    mrn = build_compositor("mrn", 512, 512)
    assert sizes(mrn.v) == [half, square, tanh, half, square, tanh]
    assert sizes(mrn.u) == [half, square, tanh]
    assert sizes(mrn.shortcut) == [half, square]
    film = build_compositor("film", 512, 256)
    assert sizes([film.modulation]) == [("Linear", 2 * 512 * FILM_BLOCKS, 256)]
    for block in film.blocks:
        assert sizes(block.enter) == [("Conv2d", 512, 512, 1, 1), relu]
        assert sizes(block.net) == [("Conv2d", 512, 512, 3, 3), ("BatchNorm2d",)]
        assert block.net[0].bias is None


READS = {
    "image-only": {"image vector"},
    "text-only": {"text vector"},
    "concatenation": {"image vector", "text vector"},
    "show-and-tell": {"image vector", "words", "lengths"},
    "parameter-hashing": {"map", "text vector"},
    "attribute-as-operator": {"image vector", "text vector"},
    "relationship": {"map", "text vector"},
    "mrn": {"image vector", "text vector"},
    "film": {"map", "text vector"},
    "tirg": {"image vector", "text vector"},
    "tirg-last-conv": {"map", "text vector"},
    "composeae": {"image vector", "text vector"},
}


@pytest.mark.parametrize("name", COMPOSITORS)
def test_it_reads_the_inputs_it_says_and_no_others(name):
    compositor = build(name).eval()
    assert isinstance(compositor, Compositor)
    (image, text), (other_image, other_text) = features(0), features(1)
    changed = {
        "image vector": (image._replace(vector=other_image.vector), text),
        "map": (image._replace(maps=other_image.maps), text),
        "text vector": (image, text._replace(vector=other_text.vector)),
        "words": (image, text._replace(words=other_text.words)),
        "lengths": (image, text._replace(lengths=LENGTHS % L + 1)),
    }
    query = compositor(image, text, head)
    assert query.shape == (B, D)
    read = {what for what, inputs in changed.items() if not query.equal(compositor(*inputs, head))}
    assert read == READS[name]
    assert compositor.needs_map == ("map" in read)
    assert compositor.needs_words == ("words" in read)
    assert compositor.one_attribute == (name == "attribute-as-operator")
    if not compositor.needs_map:
        assert query.equal(compositor(image._replace(maps={}), text, head))


@pytest.mark.parametrize("name", COMPOSITORS)
def test_padded_words_do_not_matter(name):
    compositor = build(name).eval()
    image, text = features(0)
    padded = torch.arange(L) >= LENGTHS[:, None]
    assert padded.any()
    longer = text.words.masked_fill(padded[:, :, None], 7.0)
    longer = torch.cat([longer, torch.full((B, 2, D), -3.0)], 1)
    query = compositor(image, text, head)
    torch.testing.assert_close(compositor(image, text._replace(words=longer), head), query)


@pytest.mark.parametrize("name", COMPOSITORS)
def test_the_gradient_reaches_every_parameter(name):
    torch.manual_seed(0)
    # Not in training: a norm would cancel the bias of the layer before it.
    compositor = build_compositor(name, C, D).double().eval()
    (image, text), (other, _) = features(0), features(1)
    query = compositor(image, text, head)
    losses = compositor.extra_losses(image, text, query, other.vector, F.mse_loss)
    assert bool(losses) == (name == "composeae")
    loss = F.mse_loss(query, other.vector) + sum(weight * x for weight, x in losses.values())
    idle = [
        key
        for key, weight in compositor.named_parameters()
        if not torch.autograd.grad(loss, weight, retain_graph=True)[0].any()
    ]
    assert idle == []


@pytest.mark.parametrize("name", COMPOSITORS)
def test_it_works_on_a_map_of_one_position_and_one_word(name):
    compositor = build_compositor(name, C, D).double()
    image, text = features(0, height=1, width=1)
    text = text._replace(words=text.words[:, :1], lengths=torch.ones(B, dtype=torch.int64))
    assert compositor(image, text, head).isfinite().all()


def test_a_compositor_of_ones_own_is_known_by_its_name(monkeypatch):
    class Sum(Compositor):
        def __init__(self, channels, embed_dim):
            super().__init__()

        def forward(self, image, text, head):
            return image.vector + text.vector

    monkeypatch.setitem(COMPOSITORS, "sum", Sum)
    image, text = features(0)
    compositor = build_compositor("sum", C, D)
    assert torch.equal(compositor(image, text, head), image.vector + text.vector)
    assert compositor.extra_losses(image, text, image.vector, image.vector, F.mse_loss) == {}
    with pytest.raises(InputError, match=r"'product' is unknown; allowed: .* composeae, sum$"):
        build_compositor("product", C, D)
