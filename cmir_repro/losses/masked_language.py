"""Guess the hidden words: BERT's masking (Devlin et al. 2019) and its loss.

Letters: B sentences, L tokens of the longest, V vocabulary.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # label of a token that is not to be guessed


def mask_words(
    numbers: Tensor,
    lengths: Tensor,
    generator: torch.Generator,
    *,
    special: Sequence[int],
    mask: int,
    vocabulary: int,
    p: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """Choose each word with chance p; 80% of the chosen are hidden, 10% changed, 10% stay.

    Args:
        numbers, lengths: (B, L) int64 and (B,), the sentences.
        generator: draws on the CPU.
        special: numbers that are no words; they and padding are never chosen.
        mask: the number that hides.
        vocabulary: V; a changed word becomes any of its numbers.

    Returns:
        numbers (B, L) int64 as the net shall read them, and labels (B, L) int64: the word that
        was there where one was chosen, else IGNORED.
    """
    draws = torch.rand(numbers.shape, generator=generator).to(numbers.device)
    anything = torch.randint(vocabulary, numbers.shape, generator=generator).to(numbers.device)
    real = torch.arange(numbers.shape[1], device=numbers.device) < lengths[:, None]
    word = real & ~torch.isin(numbers, torch.tensor(special, device=numbers.device))
    chosen = word & (draws < p)
    labels = numbers.masked_fill(~chosen, IGNORED)
    # Below p a draw is even, so its place there also decides what becomes of the word.
    hidden = chosen & (draws < 0.8 * p)
    changed = chosen & ~hidden & (draws < 0.9 * p)
    return torch.where(changed, anything, numbers).masked_fill(hidden, mask), labels


def masked_language_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the words to be guessed; 0 where there is none.

    Args:
        logits: (B, L, V) float.
        labels: (B, L) int64, of `mask_words`.

    Returns:
        () float, in nats.
    """
    total = F.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / (labels != IGNORED).sum().clamp(min=1)
