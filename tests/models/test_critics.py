"""Critics against loops over pairs and positions: scores[i, j, p] = T(y_i, x_j at p)."""

import pytest
import torch

from cmir_repro.models.critics import CRITICS, ConcatAndConvolve, EncodeAndDot

B, C, D, U, H, W = 4, 3, 5, 8, 2, 3


@pytest.fixture
def y():
    return torch.randn(B, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def x():
    return torch.randn(B, C, H, W, generator=torch.Generator().manual_seed(1))


def every_pair(T, y, x):
    """T of each y_i and the column of map x_j at row p // W, column p % W."""
    return torch.stack(
        [
            torch.stack([T(y_i, x_j[:, p // W, p % W]).squeeze() for p in range(H * W)])
            for y_i in y
            for x_j in x
        ]
    ).view(B, B, H * W)


def layer_norm(v):
    return (v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt()


def test_encode_and_dot_is_the_dot_product_of_two_encodings(y, x):
    critic = EncodeAndDot(C, D, U)

    def encode(net, v):
        first, last = net.deep[0].weight, net.deep[3]
        deep = last.weight @ layer_norm(first @ v).relu() + last.bias
        return layer_norm(deep + net.shortcut.weight @ v)

    expected = every_pair(
        lambda y_i, x_jp: encode(critic.y_net, y_i) @ encode(critic.x_net, x_jp) / U**0.5, y, x
    )
    torch.testing.assert_close(critic(y, x), expected)


def test_concat_and_convolve_is_three_layers_on_the_concatenation(y, x):
    critic = ConcatAndConvolve(C, D, U)
    weight = torch.cat([critic.x_in.weight, critic.y_in.weight], 1)  # of one layer on both
    _, second, _, third = critic.rest

    def T(y_i, x_jp):
        h = (weight @ torch.cat([x_jp, y_i]) + critic.x_in.bias).relu()
        h = (second.weight @ h + second.bias).relu()
        return third.weight @ h + third.bias

    torch.testing.assert_close(critic(y, x), every_pair(T, y, x))


@pytest.mark.parametrize("build", CRITICS.values())
def test_a_vector_is_a_map_of_one_position(build, y, x):
    critic = build(C, D, U)
    vector = x[:, :, 0, 0]
    scores = critic(y, vector)
    assert scores.shape == (B, B, 1)
    torch.testing.assert_close(scores, critic(y, vector[:, :, None, None]))


@pytest.mark.parametrize("build", CRITICS.values())
@pytest.mark.parametrize(("channels", "units"), [(32, 64), (64, 512), (128, 16)])
def test_scores_start_of_order_one(build, channels, units):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    critic = build(channels, 64, units)
    y = torch.randn(32, 64, generator=generator)
    scores = critic(y, torch.randn(32, channels, 2, 2, generator=generator))
    assert 0.01 < scores.std() < 2
    assert scores.mean().abs() < 1


def test_the_shortcut_starts_near_the_identity():
    for channels in (C, U, 2 * U):
        weight = EncodeAndDot(channels, D, U).x_net.shortcut.weight
        assert weight.shape == (U, channels)
        assert (weight.diagonal() == 1).all()
        rest = weight[~torch.eye(U, channels, dtype=torch.bool)]
        assert 0.005 < rest.abs().max() <= 0.01
