"""Aggregators against loops over values; size augmentation against its chances."""

import math

import pytest
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.models.pooling import GPO, POOLERS, drop_vectors, drop_words

B, N, D = 5, 6, 3
LENGTHS = torch.tensor([6, 1, 4, 2, 6])
WORDS = {"special": (0, 1, 2, 3, 4), "mask": 4, "vocabulary": 1000}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def tokens():
    return torch.randn(B, N, D, generator=seeded())


@pytest.fixture
def gpo():
    torch.manual_seed(0)
    return GPO()


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def gru_states(gru, inputs):
    """One direction of a GRU, number by number (Cho et al. 2014, gates in torch's order)."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    W, U, b, c = (gru.get_parameter(name).tolist() for name in names)
    size, states = gru.hidden_size, []

    def layer(rows, x, bias):
        return [
            sum(w * v for w, v in zip(row, x, strict=True)) + k
            for row, k in zip(rows, bias, strict=True)
        ]

    h = [0.0] * size
    for x in inputs:
        i, u, new = layer(W, x, b), layer(U, h, c), []
        for d in range(size):
            r = sigmoid(i[d] + u[d])
            z = sigmoid(i[size + d] + u[size + d])
            n = math.tanh(i[2 * size + d] + r * u[2 * size + d])
            new.append((1 - z) * n + z * h[d])
        h = new
        states.append(h)
    return states


def written_out_weights(gpo, n):
    """Encodings, both directions, scores, softmax with temperature 0.1."""
    places = []
    for k in range(n):
        row = []
        for j in range(16):
            w = 10000 ** (-2 * j / 32)
            row += [math.sin(k * w), math.cos(k * w)]
        places.append(row)
    onward = gru_states(gpo.gru.onward, places)
    back = gru_states(gpo.gru.back, places[::-1])[::-1]
    w = gpo.score.weight[0].tolist()
    scores = [
        sum(a * (f + g) / 2 for a, f, g in zip(w, f_k, g_k, strict=True)) / 0.1
        for f_k, g_k in zip(onward, back, strict=True)
    ]
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [4, 2, 1, 0, 3] * 2])
def test_gpo_is_the_written_out_sum(gpo, tokens, rows):
    """In batches smaller and larger than the sets, which take two ways to the weights."""
    tokens, lengths = tokens[rows], LENGTHS[rows]
    vector, theta = gpo(tokens, lengths)
    for b, n in enumerate(lengths.tolist()):
        weights = written_out_weights(gpo, n)
        assert theta[b].tolist() == pytest.approx(weights + [0] * (N - n), abs=1e-5)
        for d in range(D):
            values = sorted((tokens[b, k, d].item() for k in range(n)), reverse=True)
            expected = sum(w * v for w, v in zip(weights, values, strict=True))
            assert vector[b, d].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("learning", [True, False])
def test_numpys_sort_and_torchs_give_the_same_vectors_and_gradients(gpo, learning):
    x = torch.randn(4, 30, 5, generator=seeded())
    lengths, outputs = torch.tensor([30, 1, 17, 29]), []
    for dtype in (torch.float32, torch.float64):  # NumPy sorts the first only
        tokens = x.detach().to(dtype).clone().requires_grad_(learning)
        vector, _ = gpo.to(dtype)(tokens, lengths)
        if learning:
            (vector * torch.arange(1, 6)).sum().backward()
            outputs.append(torch.cat([vector.detach(), tokens.grad.flatten(0, 1)]).double())
        else:
            outputs.append(vector.detach().double())
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)


def test_gpo_has_as_many_parameters_as_the_reference(gpo):
    assert sum(p.numel() for p in gpo.parameters()) == 12704
    assert gpo.score.bias is None


def test_gpo_weights_know_size_and_place_but_no_values(gpo, tokens):
    _, theta = gpo(tokens, LENGTHS)
    torch.testing.assert_close(gpo(tokens.square() + 7, LENGTHS)[1], theta)
    torch.testing.assert_close(gpo.coefficients(4), theta[2, :4].detach())
    assert gpo.coefficients(4).sum().item() == pytest.approx(1)
    assert not torch.allclose(gpo.coefficients(4), gpo.coefficients(6)[:4])
    assert gpo.coefficients(1).tolist() == [1]


def test_gpo_weights_learn(gpo, tokens):
    gpo(tokens, LENGTHS)[0].square().sum().backward()
    for name, parameter in gpo.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", POOLERS)
def test_padding_batch_and_order_do_not_matter(name, tokens):
    torch.manual_seed(0)
    pooler = POOLERS[name]()
    vector, theta = pooler(tokens, LENGTHS)
    padding = torch.arange(N) >= LENGTHS[:, None]
    for noise in (1e4, -1e4, math.nan):
        filled = tokens.masked_fill(padding[..., None], noise)
        torch.testing.assert_close(pooler(filled, LENGTHS)[0], vector)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(pooler(tokens[order], LENGTHS[order])[0], vector[order])
    for b, n in enumerate(LENGTHS.tolist()):
        alone, weights = pooler(tokens[b : b + 1, :n], LENGTHS[b : b + 1])
        torch.testing.assert_close(alone[0], vector[b])
        if theta is not None:
            torch.testing.assert_close(weights[0], theta[b, :n])
            assert theta[b, n:].count_nonzero() == 0
            assert theta[b].sum().item() == pytest.approx(1)


@pytest.mark.parametrize("name", POOLERS)
def test_a_set_of_one_is_its_vector(name, tokens):
    pooler = POOLERS[name]()
    torch.testing.assert_close(pooler(tokens, LENGTHS)[0][1], tokens[1, 0])


def test_mean_max_and_first_by_hand():
    tokens = torch.tensor([[[1.0, -5], [3, -1], [100, 100]]])
    two = torch.tensor([2])
    assert POOLERS["mean"]()(tokens, two)[0].tolist() == [[2, -3]]
    assert POOLERS["max"]()(tokens, two)[0].tolist() == [[3, -1]]
    assert POOLERS["cls"]()(tokens, two)[0].tolist() == [[1, -5]]


@pytest.mark.parametrize("name", POOLERS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
def test_half_precision_is_near(name, dtype, bound, tokens):
    """Bound: four roundings (2^-8 of bf16's, 2^-10 of fp16's) of values up to 2.5 or so."""
    torch.manual_seed(0)
    pooler = POOLERS[name]()
    vector, _ = pooler(tokens, LENGTHS)
    half, _ = pooler(tokens.to(dtype), LENGTHS)
    assert half.dtype == dtype
    assert (half.float() - vector).abs().max() < bound
    with torch.autocast("cpu", torch.bfloat16):
        assert (pooler(tokens, LENGTHS)[0].float() - vector).abs().max() < 0.03


def test_autocast_leaves_the_weights_of_gpo_alone(gpo, tokens):
    theta = gpo(tokens, LENGTHS)[1]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gpo(tokens.bfloat16(), LENGTHS)[1], theta)


def numbered(count, length):
    """Sets whose vectors are 1, 2, 3, ...: what is left tells what went."""
    return torch.arange(1.0, length + 1).expand(count, length)[..., None].clone()


@pytest.mark.parametrize("kind", ["regions", "grids"])
@pytest.mark.parametrize("has_cls", [False, True])
def test_what_stays_is_in_order_and_in_front(kind, has_cls):
    lengths = torch.arange(300) % 7 + 2
    sets = drop_vectors(numbered(300, 9), lengths, seeded(), 0.6, kind, has_cls)
    assert sets.tokens.shape == (300, 9, 1)
    assert (sets.lengths < lengths).any()
    for row, n, before in zip(sets.tokens[..., 0], sets.lengths, lengths, strict=True):
        left = row[:n].tolist()
        assert left == sorted(set(left))
        assert set(left) <= set(range(1, before + 1))
        assert row[n:].count_nonzero() == 0
        if has_cls:
            assert left[0] == 1


def test_regions_go_with_chance_p():
    lengths = torch.full((400,), 50)
    sets = drop_vectors(numbered(400, 50), lengths, seeded())
    assert 1 - sets.lengths.sum().item() / 20000 == pytest.approx(0.2, abs=0.01)  # 3.5 sigma


def test_grids_go_with_a_chance_of_their_own():
    """A fifth of the pictures stays whole; of the others p * u goes, u even in [0.2, 1)."""
    sets = drop_vectors(numbered(2000, 100), torch.full((2000,), 100), seeded(), kind="grids")
    gone = 1 - sets.lengths / 100
    # A picture that draws may lose nothing by luck too: the mean over u of (1 - 0.2 u)^100.
    luck = sum((1 - 0.2 * (0.2 + 0.8 * (k + 0.5) / 1000)) ** 100 for k in range(1000)) / 1000
    assert (gone == 0).float().mean().item() == pytest.approx(0.2 + 0.8 * luck, abs=0.03)
    assert gone.mean().item() == pytest.approx(0.8 * 0.2 * 0.6, abs=0.005)


@pytest.mark.parametrize("has_cls", [False, True])
def test_never_everything_goes(has_cls):
    sets = drop_vectors(numbered(50, 4), torch.full((50,), 4), seeded(), 1.0, has_cls=has_cls)
    assert sets.lengths.tolist() == [1 + has_cls] * 50
    assert len(set(sets.tokens[:, has_cls * 1, 0].tolist())) == 4 - has_cls  # any of them
    alone = drop_vectors(numbered(3, 2), torch.tensor([1, 1, 1]), seeded(), 1.0, has_cls=has_cls)
    assert alone.lengths.tolist() == [1, 1, 1]


def test_an_unknown_kind_lists_what_there_is(tokens):
    with pytest.raises(InputError, match="'patches' is unknown; allowed: regions, grids"):
        drop_vectors(tokens, LENGTHS, seeded(), kind="patches")


@pytest.fixture
def sentences():
    """Words 5..., with 1 in front and 2 behind, padded with 0."""
    lengths = torch.randint(3, 23, (1500,), generator=seeded())
    numbers = torch.arange(4, 26).repeat(1500, 1)
    numbers[:, 0] = 1
    place = torch.arange(22)
    numbers[place == lengths[:, None] - 1] = 2
    return numbers.masked_fill(place >= lengths[:, None], 0), lengths


def test_words_are_hidden_changed_or_left_out_by_their_chances(sentences):
    numbers, lengths = sentences
    out, new = drop_words(numbers, lengths, seeded(), **WORDS)
    words = (lengths - 2).sum().item()
    hidden = (out == 4).sum().item()
    # Words lie below 26, so of the changed ones 26 in 1000 look unchanged.
    changed = (out >= 26).sum().item() / 0.974
    gone = (lengths - new).sum().item()
    assert hidden / words == pytest.approx(0.1, abs=0.01)
    assert changed / words == pytest.approx(0.02, abs=0.005)
    assert gone / words == pytest.approx(0.08, abs=0.01)
    assert drop_words(numbers, lengths, seeded(), **WORDS)[0].equal(out)
    assert not drop_words(numbers, lengths, seeded(1), **WORDS)[0].equal(out)


def test_marks_and_order_of_words_stay(sentences):
    numbers, lengths = sentences
    out, new = drop_words(numbers, lengths, seeded(), **WORDS, p=1.0)
    assert out.shape == numbers.shape
    for row, n in zip(out.tolist(), new.tolist(), strict=True):
        assert (row[0], row[n - 1], n >= 3) == (1, 2, True)
        assert row[n:] == [0] * (len(row) - n)
    untouched, same = drop_words(numbers, lengths, seeded(), **WORDS, p=0.0)
    assert torch.equal(untouched, numbers)
    assert torch.equal(same, lengths)
    # Changed into marks only, the words that are left are old ones, in their order.
    left, _ = drop_words(numbers, lengths, seeded(), **{**WORDS, "vocabulary": 5}, p=0.5)
    for row, old in zip(left.tolist(), numbers.tolist(), strict=True):
        kept = [word for word in row if word > 4]
        assert kept == [word for word in old if word in kept]
