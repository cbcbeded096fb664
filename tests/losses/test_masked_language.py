"""BERT's masking by its chances, and a loss that reads the chosen words only."""

import math

import pytest
import torch

from cmir_repro.losses.masked_language import IGNORED, mask_words, masked_language_loss

WORDS = {"special": (0, 1, 2, 3, 4), "mask": 4, "vocabulary": 1000}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def sentences():
    """Words 5 to 24, with 1 in front and 2 behind; in padding stand words too."""
    lengths = torch.randint(3, 23, (2000,), generator=seeded())
    numbers = torch.randint(5, 25, (2000, 22), generator=seeded())
    numbers[:, 0] = 1
    numbers[torch.arange(22) == lengths[:, None] - 1] = 2
    return numbers, lengths


def test_words_are_chosen_hidden_changed_and_kept_by_their_chances(sentences):
    numbers, lengths = sentences
    out, labels = mask_words(numbers, lengths, seeded(), **WORDS)
    chosen = labels != IGNORED
    words = (lengths - 2).sum().item()
    assert chosen.sum().item() / words == pytest.approx(0.15, abs=0.01)
    shares = [
        (out[chosen] == 4).float().mean().item(),
        (out[chosen] >= 25).float().mean().item() / 0.975,  # of the changed, 25 in 1000 are below
        (out[chosen] == labels[chosen]).float().mean().item(),
    ]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.025)
    assert torch.equal(labels[chosen], numbers[chosen])
    assert torch.equal(out[~chosen], numbers[~chosen])


def test_marks_and_padding_are_never_chosen(sentences):
    numbers, lengths = sentences
    _, labels = mask_words(numbers, lengths, seeded(), **WORDS, p=1.0)
    inner = (torch.arange(22) > 0) & (torch.arange(22) < lengths[:, None] - 1)
    assert torch.equal(labels != IGNORED, inner)  # all words, and nothing else
    nothing, none = mask_words(numbers, lengths, seeded(), **WORDS, p=0.0)
    assert torch.equal(nothing, numbers)
    assert (none == IGNORED).all()


def test_the_draw_comes_from_the_generator(sentences):
    first, again, other = (mask_words(*sentences, seeded(s), **WORDS)[0] for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_loss_is_the_written_out_mean():
    logits = torch.randn(2, 3, 4, generator=seeded())
    labels = torch.tensor([[IGNORED, 2, IGNORED], [0, IGNORED, 3]])
    terms = []
    for b, l, word in ((0, 1, 2), (1, 0, 0), (1, 2, 3)):
        row = logits[b, l].tolist()
        terms.append(math.log(sum(map(math.exp, row))) - row[word])
    assert masked_language_loss(logits, labels).item() == pytest.approx(sum(terms) / 3)
    assert masked_language_loss(logits, torch.full((2, 3), IGNORED)).item() == 0
