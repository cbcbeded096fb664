"""Hard negatives as often as the softmax says, and BERT's masking by its chances."""

import math

import pytest
import torch

from cmir_repro.losses.matching import (
    IGNORED,
    hard_negatives,
    mask_words,
    masked_language_loss,
    matching_loss,
)

IDS = torch.tensor([3, 5, 3, 8, 5])
B = len(IDS)
WORDS = {"special": (0, 1, 2, 3, 4), "mask": 4, "vocabulary": 1000}


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


# Hidden words


@pytest.fixture
def sentences():
    """Words 5 to 24, with 1 in front and 2 behind; in padding stand words too."""
    lengths = torch.randint(3, 23, (2000,), generator=seeded())
    input_ids = torch.randint(5, 25, (2000, 22), generator=seeded())
    input_ids[:, 0] = 1
    input_ids[torch.arange(22) == lengths[:, None] - 1] = 2
    return input_ids, lengths


def test_words_are_chosen_hidden_changed_and_kept_by_their_chances(sentences):
    input_ids, lengths = sentences
    out, labels = mask_words(input_ids, lengths, seeded(), **WORDS)
    chosen = labels != IGNORED
    words = (lengths - 2).sum().item()
    assert chosen.sum().item() / words == pytest.approx(0.15, abs=0.01)
    shares = [
        (out[chosen] == 4).float().mean().item(),
        (out[chosen] >= 25).float().mean().item() / 0.975,  # of the changed, 25 in 1000 are below
        (out[chosen] == labels[chosen]).float().mean().item(),
    ]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.025)
    assert torch.equal(labels[chosen], input_ids[chosen])
    assert torch.equal(out[~chosen], input_ids[~chosen])


def test_special_tokens_and_padding_are_never_chosen(sentences):
    input_ids, lengths = sentences
    _, labels = mask_words(input_ids, lengths, seeded(), **WORDS, p=1.0)
    inner = (torch.arange(22) > 0) & (torch.arange(22) < lengths[:, None] - 1)
    assert torch.equal(labels != IGNORED, inner)  # all words, and nothing else
    nothing, none = mask_words(input_ids, lengths, seeded(), **WORDS, p=0.0)
    assert torch.equal(nothing, input_ids)
    assert (none == IGNORED).all()


def test_masks_come_from_the_generator(sentences):
    first, again, other = (mask_words(*sentences, seeded(s), **WORDS)[0] for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_masked_loss_is_the_written_out_mean():
    logits = torch.randn(2, 3, 4, generator=seeded())
    labels = torch.tensor([[IGNORED, 2, IGNORED], [0, IGNORED, 3]])
    terms = []
    for b, l, word in ((0, 1, 2), (1, 0, 0), (1, 2, 3)):
        row = logits[b, l].tolist()
        terms.append(math.log(sum(map(math.exp, row))) - row[word])
    assert masked_language_loss(logits, labels).item() == pytest.approx(sum(terms) / 3)
    assert masked_language_loss(logits, torch.full((2, 3), IGNORED)).item() == 0
