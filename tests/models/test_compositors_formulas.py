"""Compositors against their formulas, with the weights taken out of them."""

import pytest
import torch
import torch.nn.functional as F
from tiny_compositors import LENGTHS, B, C, D, build, features, head
from torch import nn

from cmir_repro.models.compositors import build_compositor
from cmir_repro.models.compositors.composeae import rotate
from cmir_repro.models.compositors.film import Block
from cmir_repro.models.compositors.parameter_hashing import ENTRIES_A_WEIGHT, ParameterHashing
from cmir_repro.models.compositors.relationship import objects


def normed(x, layer):
    """Batch norm in training: statistics of this batch, per channel."""
    dims = [d for d in range(x.ndim) if d != 1]
    mean, var = x.mean(dims, keepdim=True), x.var(dims, unbiased=False, keepdim=True)
    x = (x - mean) / (var + 1e-5).sqrt()
    if not layer.affine:
        return x
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return x * layer.weight.view(shape) + layer.bias.view(shape)


def linear(x, layer):
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def residual_of_tirg(both, layers):
    return linear(linear(normed(both, layers[0]).relu(), layers[2]).relu(), layers[4])


def test_concatenation_runs_its_layers_on_both_vectors():
    concatenation = build("concatenation").eval()
    image, text = features(0)
    expected = concatenation.net(torch.cat([image.vector, text.vector], 1))
    torch.testing.assert_close(concatenation(image, text, head), expected)


def test_one_modality_alone_is_its_vector():
    image, text = features(0)
    assert torch.equal(build("image-only")(image, text, head), image.vector)
    assert torch.equal(build("text-only")(image, text, head), text.vector)


def test_tirg_is_its_formula():
    tirg = build("tirg")
    image, text = features(0)
    both = torch.cat([image.vector, text.vector], 1)
    gate = linear(normed(both, tirg.gate[0]).relu(), tirg.gate[2])
    residual = residual_of_tirg(both, tirg.residual)
    expected = tirg.a[0] / (1 + torch.exp(-gate)) * image.vector + tirg.a[1] * residual
    torch.testing.assert_close(tirg(image, text, head), expected)


def test_tirg_last_conv_is_its_formula_on_the_map():
    tirg = build("tirg-last-conv")
    image, text = features(0)
    x = image.maps["block4"]
    both = torch.cat([x, torch.stack([torch.stack([text.vector] * 2, 2)] * 3, 2)], 1)

    def net(layers):
        z = F.conv2d(normed(both, layers[0]), layers[1].weight, layers[1].bias, padding=1).relu()
        return F.conv2d(z, layers[3].weight, layers[3].bias, padding=1)

    expected = tirg.a[0] * net(tirg.gate).sigmoid() * x + tirg.a[1] * net(tirg.residual)
    assert expected.shape == x.shape
    torch.testing.assert_close(tirg(image, text, head), head(expected))


@pytest.mark.parametrize("name", ["tirg", "tirg-last-conv"])
def test_the_residual_starts_ten_times_the_gated_feature(name):
    a = build_compositor(name, C, D).a
    assert a.tolist() == [1, 10]
    assert a.requires_grad


def test_show_and_tell_is_an_lstm_written_out_word_by_word():
    compositor = build("show-and-tell")
    image, text = features(0)
    lstm, query = compositor.lstm, compositor(image, text, head)
    for b in range(B):
        h = c = torch.zeros(D, dtype=torch.float64)
        for step in [image.vector[b], *text.words[b, : LENGTHS[b]]]:
            gates = lstm.weight_ih_l0 @ step + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h
            i, f, g, o = (gates + lstm.bias_hh_l0).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        torch.testing.assert_close(query[b], h)


def test_parameter_hashing_fills_its_matrix_entry_by_entry():
    compositor = build("parameter-hashing")
    image, text = features(0)
    h, xi = compositor.h, compositor.xi
    query = compositor(image, text, head)
    for b in range(B):
        x = image.maps["block4"][b]
        c = compositor.candidates.weight @ text.vector[b]
        turned = [sum(xi[m, n] * c[h[m, n]] * x[n] for n in range(C)) for m in range(C)]
        torch.testing.assert_close(query[b], head(torch.stack(turned)[None])[0])


def test_hash_tables_are_the_same_in_every_instance_and_run():
    torch.manual_seed(1)
    one = ParameterHashing(96, 128)
    torch.manual_seed(2)
    two = ParameterHashing(96, 128)
    assert not torch.equal(one.candidates.weight, two.candidates.weight)
    assert torch.equal(one.h, two.h)
    assert torch.equal(one.xi, two.xi)
    assert one.h[0, :6].tolist() == [44, 495, 245, 384, 259, 123]
    assert one.xi[0, :6].tolist() == [1, -1, -1, -1, -1, -1]
    assert {"h", "xi"} <= set(one.state_dict())


def test_the_hash_spreads_entries_over_all_candidates_and_both_signs():
    compositor = ParameterHashing(96, 128)
    uses = compositor.h.flatten().bincount().float()
    assert len(uses) == compositor.candidates.out_features == 96 * 96 / ENTRIES_A_WEIGHT
    assert uses.min() > 0
    assert uses.var() == pytest.approx(ENTRIES_A_WEIGHT, rel=0.3)  # as for Poisson counts
    assert set(compositor.xi.flatten().tolist()) == {-1, 1}
    assert abs(compositor.xi.mean()) < 4 / 96


def test_attribute_as_operator_is_a_matrix_made_from_the_text():
    compositor = build("attribute-as-operator")
    image, text = features(0)
    query = compositor(image, text, head)
    for b in range(B):
        T = torch.eye(D) + linear(text.vector[b], compositor.operator).view(D, D)
        torch.testing.assert_close(query[b], T @ image.vector[b])


def test_attribute_as_operator_starts_as_the_image_vector():
    image, text = features(0)
    compositor = build_compositor("attribute-as-operator", C, D).double()
    assert torch.equal(compositor(image, text, head), image.vector)


def test_relationship_is_the_double_loop_over_positions():
    compositor = build("relationship").eval()
    image, text = features(0)
    last = image.maps["block4"]
    places = [(row, column) for row in (-1, 0, 1) for column in (-1, 1)]
    parts = compositor.first, compositor.second, compositor.text
    entry = torch.cat([layer.weight for layer in parts], 1)
    for b in range(B):
        cells = last[b].flatten(1).T  # (P, C)
        o = [torch.cat([cells[p], torch.tensor(places[p])]) for p in range(6)]
        total = 0
        for first in o:
            for second in o:
                z = entry @ torch.cat([first, second, text.vector[b]]) + compositor.first.bias
                for layer in compositor.g[1::2]:
                    z = z.relu() if isinstance(layer, nn.ReLU) else linear(z.relu(), layer)
                total = total + z.relu()
        z = total / 36
        for layer in (compositor.f[0], compositor.f[2]):
            z = linear(z, layer).relu()
        torch.testing.assert_close(compositor(image, text, head)[b], linear(z, compositor.f[5]))


def test_relationship_averages_maps_of_more_than_3_by_3_positions():
    x = torch.arange(54.0).view(1, 1, 6, 9)
    o = objects(x)
    assert o.shape == (1, 9, 3)
    assert o[0, 0].tolist() == [(0 + 1 + 2 + 9 + 10 + 11) / 6, -1, -1]
    assert o[0, -1, 1:].tolist() == [1, 1]
    assert objects(torch.zeros(1, 1, 2, 7)).shape == (1, 6, 3)


def test_mrn_is_its_formula():
    mrn = build("mrn").eval()
    image, text = features(0)
    v = linear(linear(image.vector, mrn.v[1]).tanh(), mrn.v[4]).tanh()
    u = linear(text.vector, mrn.u[1]).tanh()
    expected = v * u + linear(text.vector, mrn.shortcut[1])
    torch.testing.assert_close(mrn(image, text, head), expected)


def plain_block(x, block):
    """r and norm(conv3x3(r)) of a FiLM block."""
    r = F.conv2d(x, block.enter[0].weight, block.enter[0].bias).relu()
    return r, normed(F.conv2d(r, block.net[0].weight, padding=1), block.net[1])


def test_film_is_its_formula():
    film = build("film")
    image, text = features(0)
    modulation = linear(text.vector, film.modulation)  # gamma - 1 and beta, block after block
    x = image.maps["block4"]
    for n, block in enumerate(film.blocks):
        start = 2 * C * n
        gamma = 1 + modulation[:, start : start + C, None, None]
        beta = modulation[:, start + C : start + 2 * C, None, None]
        r, z = plain_block(x, block)
        x = r + (gamma * z + beta).relu()
    torch.testing.assert_close(film(image, text, head), head(x))


def test_film_with_gamma_1_and_beta_0_is_the_unmodulated_block():
    x = features(0)[0].maps["block4"]
    block = Block(C).double()
    r, z = plain_block(x, block)
    ones = torch.ones(B, C)
    torch.testing.assert_close(block(x, ones, 0 * ones), r + z.relu())


def composeae_formula(net, x, t, sign):
    """The query in complex numbers; sign -1 is the conjugate."""
    z = linear(linear(normed(x, net.image[0]), net.image[2]).relu(), net.image[4])
    a = linear(linear(normed(t, net.angle[0]), net.angle[1]).relu(), net.angle[3])
    phi = z * torch.exp(sign * 1j * a)
    rho = residual_of_tirg(torch.cat([phi.real, phi.imag], 1), net.rho)
    convolution = net.rho_conv[0]
    four = torch.stack([phi.real, phi.imag, z, a], 1)
    kept = F.conv1d(four, convolution.weight, convolution.bias, padding=1).relu()
    kept = F.adaptive_max_pool1d(kept, 16).flatten(1)
    return net.w[0] * rho + net.w[1] * linear(kept, net.rho_conv[4])


@pytest.fixture
def composeae():
    """In training, so that norms use the batch, yet without dropout."""
    net = build("composeae")
    net.image[1].p = 0.0
    return net


def test_composeae_is_its_formula_in_complex_numbers(composeae):
    image, text = features(0)
    expected = composeae_formula(composeae, image.vector, text.vector, 1)
    torch.testing.assert_close(composeae(image, text, head), expected)


def test_rotation_by_nothing_is_none_and_the_conjugate_undoes_it():
    z, angle = torch.randn(2, B, D, generator=torch.Generator().manual_seed(0)).double()
    real, imaginary = rotate(z, torch.zeros_like(z))
    assert torch.equal(real, z)
    assert not imaginary.any()
    turned, factor = torch.complex(*rotate(z, angle)), torch.complex(*rotate(1 + 0 * z, -angle))
    torch.testing.assert_close(turned * factor, z + 0j)
    torch.testing.assert_close(turned.abs(), z.abs())


def test_composeae_losses_are_two_reconstructions_and_the_way_back(composeae):
    (image, text), (other, _) = features(0), features(1)
    fusion, target = other.vector.tanh(), other.vector

    def metric(queries, targets):
        return (queries - 2 * targets).square().sum()

    def decoded(layers):
        return linear(linear(fusion, layers[0]).relu(), layers[2])

    losses = composeae.extra_losses(image, text, fusion, target, metric)
    back = composeae_formula(composeae, target, text.vector, -1)
    expected = {
        "image reconstruction": (decoded(composeae.to_image) - image.vector).square().mean(),
        "text reconstruction": (decoded(composeae.to_text) - text.vector).square().mean(),
        "rotational symmetry": metric(back, image.vector),
    }
    assert {name: weight for name, (weight, _) in losses.items()} == {
        "image reconstruction": 0.1, "text reconstruction": 0.1, "rotational symmetry": 0.01
    }  # fmt: skip
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name][1], loss)
