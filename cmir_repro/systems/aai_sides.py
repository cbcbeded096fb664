"""One modality of an AAI batch: its tokens, and the local features that LMIM compares.

Letters: B batch, N tokens of a set, D width of the encoders, E width of the joint space.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.core.distributed import gather
from cmir_repro.losses.contrastive import pool_grid
from cmir_repro.models.token_set import TokenSet


class Side(NamedTuple):
    """One modality of a batch.

    tokens: its set, width D. local: (B, N, E) tokens in the joint space, not scaled.
    """

    tokens: TokenSet
    local: Tensor

    def take(self, rows: Tensor) -> "Side":
        """Some samples, for the fusion encoder, which does not read `local`."""
        # Not tokens[rows]: several threads would add the gradients of a row in any order.
        tokens = self.tokens.tokens.index_select(0, rows)
        return Side(TokenSet(tokens, self.tokens.lengths[rows]), self.local[:0])


def gathered(side: Side) -> Side:
    """The whole batch's side from this process's share, see core.distributed."""
    tokens, lengths = side.tokens
    return Side(TokenSet(gather(tokens), gather(lengths)), gather(side.local))


def regions_of(image: Side, encoder: nn.Module, cells: int) -> tuple[Tensor, Tensor]:
    """The local features of images, of length 1 before they are averaged, without the CLS token.

    Args:
        encoder: of the image tokens; its grid is averaged to `cells` each way, sets without a grid
            stay as they are.

    Returns:
        (B, N', E) float32 and how many are real, (B,) int64.
    """
    local = F.normalize(image.local.float(), dim=-1)
    skip = int(encoder.has_cls)
    local, lengths = local[:, skip:], image.tokens.lengths - skip
    if encoder.grid is not None:
        local = pool_grid(local, encoder.grid, cells)
        lengths = torch.full_like(lengths, local.shape[1])
    return local, lengths


def words_of(text: Side, encoder: nn.Module) -> tuple[Tensor, Tensor]:
    """The local features of sentences without the CLS token: (B, N', E) float32 and (B,) int64."""
    skip = int(encoder.has_cls)
    return F.normalize(text.local.float(), dim=-1)[:, skip:], text.tokens.lengths - skip
