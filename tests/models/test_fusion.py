"""Words look at the picture: at the real part of it only, and both ways of looking agree."""

import pytest
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.models.fusion import FusionEncoder
from cmir_repro.models.token_set import TokenSet

B, L, N, D, IMAGE, HEADS = 3, 5, 7, 8, 6, 2


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return FusionEncoder(D, IMAGE, layers=2, heads=HEADS).eval()


@pytest.fixture
def text():
    tokens = torch.randn(B, L, D, generator=torch.Generator().manual_seed(0))
    return TokenSet.padded(tokens, torch.tensor([5, 1, 3]))


@pytest.fixture
def image():
    tokens = torch.randn(B, N, IMAGE, generator=torch.Generator().manual_seed(1))
    return TokenSet.padded(tokens, torch.tensor([2, 7, 4]))


def test_both_ways_of_attention_agree(fusion, text, image):
    plain, asked = fusion(text, image), fusion(text, image, attention=True)
    assert plain.attention is None
    torch.testing.assert_close(asked.tokens, plain.tokens)
    assert torch.equal(plain.cls, plain.tokens[:, 0])
    assert plain.tokens.shape == (B, L, D)


def test_maps_are_shares_of_the_real_vectors(fusion, text, image):
    maps = fusion(text, image, attention=True).attention
    assert [tuple(x.shape) for x in maps] == [(B, HEADS, L, N)] * 2
    for x in maps:
        torch.testing.assert_close(x.sum(3), torch.ones(B, HEADS, L))
        assert x.transpose(1, 3)[~image.real].count_nonzero() == 0
        assert (x.transpose(1, 3)[image.real] > 0).all()


def test_a_layer_is_the_written_out_one(fusion, text, image):
    """Self-attention, cross-attention, net, each on the norm of what came and added to it."""
    fusion.layers = fusion.layers[:1]
    out, layer = fusion(text, image), fusion.layers[0]

    def attend(attention, words, source):
        q, k, v = attention.query(words), attention.key(source), attention.value(source)
        parts = []
        for h in range(HEADS):
            part = slice(h * D // HEADS, (h + 1) * D // HEADS)
            weights = (q[:, part] @ k[:, part].T / (D / HEADS) ** 0.5).softmax(1)
            parts.append(weights @ v[:, part])
        return attention.out(torch.cat(parts, dim=1))

    for b in range(B):
        x = text.tokens[b, : text.lengths[b]]
        source = fusion.image_norm(image.tokens[b, : image.lengths[b]])
        words = layer.norms[0](x)
        x = x + attend(layer.self_attention, words, words)
        x = x + attend(layer.cross_attention, layer.norms[1](x), source)
        x = x + layer.net(layer.norms[2](x))
        torch.testing.assert_close(
            out.tokens[b, : text.lengths[b]], fusion.norm(x), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("attention", [False, True])
def test_padding_never_matters(fusion, text, image, attention):
    out = fusion(text, image, attention)
    words = TokenSet(text.tokens.masked_fill(~text.real[..., None], 9.0), text.lengths)
    cells = TokenSet(image.tokens.masked_fill(~image.real[..., None], 9.0), image.lengths)
    torch.testing.assert_close(fusion(words, cells, attention).tokens, out.tokens)
    assert out.tokens[~text.real].count_nonzero() == 0


@pytest.mark.parametrize("training", [False, True])
def test_the_first_word_alone_is_the_first_of_all(fusion, text, image, training):
    """With the gradients, and in training with what dropout draws now and later."""
    fusion.double().train(training)
    text, image = (TokenSet(x.tokens.double(), x.lengths) for x in (text, image))
    found = []
    for cls_only in (False, True):
        torch.manual_seed(0)
        fusion.zero_grad()
        out = fusion(text, image, cls_only=cls_only)
        out.cls[:, 0].square().sum().backward()
        found.append([out.cls, torch.rand(1), *(p.grad.clone() for p in fusion.parameters())])
        assert out.tokens.shape == (B, 1 if cls_only else L, D)
    torch.testing.assert_close(found[1], found[0], atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("cls_only", [False, True])
def test_pairs_of_rows_are_what_their_sets_are(fusion, text, image, training, cls_only):
    """With the gradients, maps, and in training with what dropout draws now and later."""
    fusion.double().train(training)
    text, image = (TokenSet(x.tokens.double(), x.lengths) for x in (text, image))
    rows = torch.tensor([0, 1, 2, 0, 2]), torch.tensor([0, 1, 2, 2, 1])
    taken = [TokenSet(x.tokens[i], x.lengths[i]) for x, i in zip((text, image), rows, strict=True)]
    found = []
    for sets, pairs in ((taken, None), ((text, image), rows)):
        torch.manual_seed(0)
        fusion.zero_grad()
        out = fusion(*sets, cls_only=cls_only, pairs=pairs, attention=True)
        out.tokens.square().sum().backward()
        gradients = [p.grad.clone() for p in fusion.parameters()]
        found.append([*out.attention, out.cls, out.tokens, torch.rand(1), *gradients])
    torch.testing.assert_close(found[1], found[0], atol=1e-12, rtol=1e-9)


def test_aggregated_vectors_are_sets_of_one(fusion, text, image):
    one_word, one_cell = TokenSet.full(text.tokens[:, :1]), TokenSet.full(image.tokens[:, :1])
    out = fusion(one_word, one_cell, attention=True)
    assert out.cls.shape == (B, D)
    assert all((x == 1).all() for x in out.attention)
    other = TokenSet.full(image.tokens[[1, 2, 0], :1])
    assert not torch.allclose(fusion(one_word, other).cls, out.cls)


def test_every_parameter_is_used(fusion, text, image):
    fusion(text, image).tokens.square().sum().backward()
    assert [n for n, p in fusion.named_parameters() if p.grad is None] == []


def test_heads_must_divide_the_width():
    with pytest.raises(InputError, match="3 heads do not divide a width of 8"):
        FusionEncoder(8, 6, 1, 3)
