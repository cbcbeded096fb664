"""Image-text matching with hard negatives (ITM), and masked language modelling (MLM).

As in ALBEF (Li et al. 2021) and BERT (Devlin et al. 2019). Letters: B pairs of a batch, pair i is
picture i and sentence i; L tokens of the longest sentence, V vocabulary.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MATCH = 1  # the class of pairs that belong together; its logit is the score of a re-ranking
IGNORED = -100  # label of a token that is not to be guessed


class HardNegatives(NamedTuple):
    """image: (B,) int64, each sentence's wrong picture; text: (B,) int64, each picture's sentence.

    usable: (2B,) bool, those of the sentences, then those of the pictures; False where every
    candidate had the same id, so that the drawn one is not wrong at all.
    """

    image: Tensor
    text: Tensor
    usable: Tensor


@torch.no_grad()
def hard_negatives(
    logits_i2t: Tensor,
    logits_t2i: Tensor,
    ids_image: Tensor,
    ids_text: Tensor,
    generator: torch.Generator,
) -> HardNegatives:
    """Draw each one's negative with chances softmax(logits) among the candidates of another id.

    Drawn by the largest sum of logit and Gumbel noise, which has the same chances as a draw from
    the softmax: the noise comes from the CPU, and a GPU need not wait for it nor send its logits.

    Args:
        logits_i2t: (B, B), pictures by sentences of the batch.
        logits_t2i: (B, B), sentences by pictures.
        ids_image, ids_text: (B,) int64, of the picture and of the sentence's picture.
        generator: draws on the CPU.
    """
    same = ids_text[:, None] == ids_image  # (B, B), sentences by pictures
    image, image_usable = _draw(logits_t2i, same, generator)
    text, text_usable = _draw(logits_i2t, same.T, generator)
    return HardNegatives(image, text, torch.cat([image_usable, text_usable]))


def matching_loss(positive: Tensor, negatives: Tensor, usable: Tensor) -> Tensor:
    """Mean cross-entropy over the pairs that match and the usable ones that do not.

    Args:
        positive: (B, 2), logits of the classes "no match" and "match".
        negatives: (2B, 2), first each sentence with its wrong picture, then each picture with its
            wrong sentence.
        usable: (2B,) bool, of `hard_negatives`; the others are left out.

    Returns:
        () float, in nats.
    """
    B = len(positive)
    label = torch.zeros(B + len(negatives), dtype=torch.int64, device=positive.device)
    label[:B] = MATCH
    losses = F.cross_entropy(torch.cat([positive, negatives]).float(), label, reduction="none")
    counts = torch.cat([usable.new_ones(B), usable])
    return losses.masked_fill(~counts, 0).sum() / counts.sum()


def mask_words(
    input_ids: Tensor,
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
        input_ids, lengths: (B, L) int64 and (B,), the sentences.
        generator: draws on the CPU.
        special: ids that are no words; they and padding are never chosen.
        mask: the id that hides.
        vocabulary: V; a changed word becomes any of its ids.

    Returns:
        input_ids (B, L) int64 as the net shall read them, and labels (B, L) int64: the word that
        was there where one was chosen, else IGNORED.
    """
    draws = torch.rand(input_ids.shape, generator=generator).to(input_ids.device)
    anything = torch.randint(vocabulary, input_ids.shape, generator=generator).to(input_ids.device)
    real = torch.arange(input_ids.shape[1], device=input_ids.device) < lengths[:, None]
    word = real & ~torch.isin(input_ids, torch.tensor(special, device=input_ids.device))
    chosen = word & (draws < p)
    labels = input_ids.masked_fill(~chosen, IGNORED)
    # Below p a draw is even, so its place there also decides what becomes of the word.
    hidden = chosen & (draws < 0.8 * p)
    changed = chosen & ~hidden & (draws < 0.9 * p)
    return torch.where(changed, anything, input_ids).masked_fill(hidden, mask), labels


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


def _draw(logits: Tensor, same: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    noise = -torch.empty(logits.shape).exponential_(generator=generator).log()
    drawn = (logits.float() + noise.to(logits.device)).masked_fill(same, -torch.inf).argmax(1)
    return drawn, ~same.all(1)
