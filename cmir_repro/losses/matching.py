"""Does this sentence describe this picture? Pairs that are hard to tell apart, and the loss.

As in ALBEF (Li et al. 2021). Letters: B pairs of a batch; pair i is picture i and sentence i.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MATCH = 1  # the class of pairs that belong together; its logit is the score of a re-ranking


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


def _draw(logits: Tensor, same: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    noise = -torch.empty(logits.shape).exponential_(generator=generator).log()
    drawn = (logits.float() + noise.to(logits.device)).masked_fill(same, -torch.inf).argmax(1)
    return drawn, ~same.all(1)
