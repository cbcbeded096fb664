"""Encoders of composed retrieval that read features computed elsewhere (our choice).

Whatever net made them, its features come in another size: a layer norm without weights takes that
out, place by place. What is trained are layers of one place on top, as `FrozenMobileNet` has them.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.models.image import BLOCKS, ImageEncoder, ImageFeatures
from cmir_repro.models.text import TextFeatures
from cmir_repro.models.token_set import real_positions


class ReadyImage(ImageEncoder):
    """Features of images as vectors (F,), sets (P, C) or maps (C, H, W).

    The first three blocks' maps are the features themselves. Of vectors so is the fourth, a map of
    one place; of sets and maps it is a trained layer of D channels on each place. Places of a set
    lie in one column, so a compositor of 3 x 3 neighbours sees those before and behind.

    Args:
        embed_dim: D.
        shape: of one image's features.
    """

    def __init__(self, embed_dim: int, shape: Sequence[int]) -> None:
        super().__init__()
        C = shape[1] if len(shape) == 2 else shape[0]
        vectors = len(shape) == 1
        last = C if vectors else embed_dim
        self.channels = dict.fromkeys(BLOCKS[:-1], C) | {BLOCKS[-1]: last}
        self.adapter = (
            nn.Identity()
            if vectors
            else nn.Sequential(nn.Conv2d(C, last, 1, bias=False), nn.GroupNorm(1, last), nn.ReLU())
        )
        self.fc = nn.Linear(last, embed_dim)

    @staticmethod
    def prepare(pictures: Tensor) -> Tensor:
        """Float (B, F), (B, P, C) or (B, C, H, W) -> float32 (B, C, h, w), each place normed."""
        if pictures.ndim < 4:
            pictures = pictures.reshape(len(pictures), -1, pictures.shape[-1])  # (B, P, C)
            pictures = pictures.transpose(1, 2).unsqueeze(-1)  # (B, C, P, 1)
        places = pictures.float().movedim(1, -1)
        return F.layer_norm(places, places.shape[-1:]).movedim(-1, 1)

    def forward(self, pictures: Tensor) -> ImageFeatures:
        """What `prepare` gives -> vectors (B, D) and the four maps."""
        last = self.adapter(pictures)
        maps = dict.fromkeys(BLOCKS[:-1], pictures) | {BLOCKS[-1]: last}
        return ImageFeatures(self.head(last), maps)

    def head(self, last: Tensor) -> Tensor:
        return self.fc(last.mean((2, 3)))  # (B, D)


class ReadyText(nn.Module):
    """Features of sentences, a vector each or one a token; what an `LSTM` gives is made of them.

    Args:
        embed_dim: D.
        shape: of one sentence's features, (F,) or (L, F).
        dropout: probability before the layer, as TIRG has it.
    """

    def __init__(self, embed_dim: int, shape: Sequence[int], dropout: float = 0.1) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(shape[-1], embed_dim))

    def forward(self, features: Tensor, lengths: Tensor) -> TextFeatures:
        """(B, F) or (B, L, F) float, (B,) int64 -> TextFeatures, the words' mean as vector."""
        x = features.float().reshape(len(features), -1, features.shape[-1])  # (B, L, F)
        words = self.fc(F.layer_norm(x, x.shape[-1:]))  # (B, L, D)
        words = words * real_positions(lengths, words.shape[1])[..., None]
        return TextFeatures(words.sum(1) / lengths[:, None], words, lengths)
