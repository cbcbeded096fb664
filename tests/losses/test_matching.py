"""Hard negatives: never a true pair, as often as the softmax says, and safe where none is left."""

import math

import pytest
import torch

from cmir_repro.losses.matching import hard_negatives, matching_loss

IDS = torch.tensor([3, 5, 3, 8, 5])
B = len(IDS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def logits():
    return torch.randn(2, B, B, generator=seeded()) * 2


def test_never_an_equal_id(logits):
    extreme = logits + 1e4 * torch.eye(B)  # the true pairs score highest by far
    generator = seeded()
    for _ in range(300):
        image, text, usable = hard_negatives(*extreme, IDS, IDS, generator)
        assert usable.all()
        assert (IDS[image] != IDS).all()
        assert (IDS[text] != IDS).all()


def test_draws_follow_the_softmax_among_the_others(logits):
    """Counts of 4000 draws within five standard errors, for both directions apart."""
    generator, draws = seeded(), 4000
    counts = torch.zeros(2, B, B)
    for _ in range(draws):
        image, text, _ = hard_negatives(logits[0], logits[1], IDS, IDS, generator)
        counts[0, torch.arange(B), text] += 1
        counts[1, torch.arange(B), image] += 1
    for way in range(2):
        for i in range(B):
            weights = [math.exp(logits[way, i, j]) * (IDS[j] != IDS[i]).item() for j in range(B)]
            for j, weight in enumerate(weights):
                p = weight / sum(weights)
                error = 5 * math.sqrt(p * (1 - p) / draws)
                assert abs(counts[way, i, j].item() / draws - p) <= error


def test_ids_of_pictures_and_sentences_are_each_their_own(logits):
    """A sentence is compared with pictures: their ids count, whatever the other sentences have."""
    pictures, sentences = torch.tensor([1, 2, 2, 2, 2]), torch.tensor([2, 1, 1, 1, 1])
    image, text, usable = hard_negatives(*logits, pictures, sentences, seeded())
    assert (pictures[image] != sentences).all()
    assert (sentences[text] != pictures).all()
    assert usable.all()


def test_draws_come_from_the_generator(logits):
    first, again, other = (
        hard_negatives(*logits, IDS, IDS, seeded(seed)).image.tolist() for seed in (0, 0, 2)
    )
    assert first == again != other


def test_where_all_share_an_id_the_row_is_marked_and_left_out(logits):
    same = torch.zeros(B, dtype=torch.int64)
    image, text, usable = hard_negatives(*logits, same, same, seeded())
    assert not usable.any()
    assert image.tolist() == text.tolist() == [0] * B  # still places of the batch
    positive = torch.randn(B, 2, generator=seeded())
    loss = matching_loss(positive, torch.full((2 * B, 2), math.nan), usable)
    assert loss.item() == pytest.approx(-positive.log_softmax(1)[:, 1].mean().item())
    pictures = torch.tensor([0, 0, 0, 0, 1])
    usable = hard_negatives(*logits, pictures, same, seeded()).usable
    assert usable.tolist() == [True] * B + [False] * 4 + [True]


def test_loss_is_the_written_out_mean():
    positive, negatives = (
        torch.randn(2, 2, generator=seeded()),
        torch.randn(4, 2, generator=seeded(1)),
    )
    usable = torch.tensor([True, False, True, True])
    terms = [math.log(1 + math.exp(no - yes)) for no, yes in positive.tolist()]
    terms += [
        math.log(1 + math.exp(yes - no))
        for (no, yes), counts in zip(negatives.tolist(), usable, strict=True)
        if counts
    ]
    assert len(terms) == 5
    found = matching_loss(positive, negatives, usable).item()
    assert found == pytest.approx(sum(terms) / 5)


def test_logits_left_out_get_no_gradient():
    negatives = torch.randn(4, 2, generator=seeded()).requires_grad_()
    usable = torch.tensor([True, False, True, False])
    matching_loss(torch.zeros(2, 2), negatives, usable).backward()
    assert (negatives.grad.abs().sum(1) > 0).tolist() == usable.tolist()


def test_half_precision_logits_are_drawn_from_too(logits):
    image, _, usable = hard_negatives(*logits.bfloat16(), IDS, IDS, seeded())
    assert (IDS[image] != IDS).all()
    assert usable.all()
