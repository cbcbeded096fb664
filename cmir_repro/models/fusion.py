"""The fusion encoder: words that look at a picture, or at its vector.

Letters: B pairs, L words, N vectors of the picture, D width, H heads.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.core.errors import InputError
from cmir_repro.models.token_set import Packing, TokenSet


class FusionOutput(NamedTuple):
    """cls: (B, D) float, the first word; tokens: (B, L, D) float, zero in padding, or (B, 1, D).

    attention: of each layer (B, H, L, N) float, where the words looked, each row of sum 1, with as
    many words as the layer gave; None if it was not asked for.
    """

    cls: Tensor
    tokens: Tensor
    attention: list[Tensor] | None


class FusionEncoder(nn.Module):
    """Layers of self-attention, cross-attention to the picture and a two-layer net, in this order.

    The order is ALBEF's (Li et al. 2021); norm before each part, where BERT's is after it, and no
    dropout inside the attention are our choice. Works on sets of one vector too, as when the
    aggregated vectors are fused: then every word looks at the one there is.

    Args:
        width: D, of the words.
        image_width: of the picture's vectors.
        layers: how many.
        heads: H; divides D.
        dropout: probability after each part.

    Raises:
        InputError: the heads do not divide the width.
    """

    def __init__(
        self, width: int, image_width: int, layers: int, heads: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"{heads} heads do not divide a width of {width}; change one of them")
        self.image_norm = nn.LayerNorm(image_width)
        self.layers = nn.ModuleList(
            _Layer(width, image_width, heads, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        text: TokenSet,
        image: TokenSet,
        attention: bool = False,
        cls_only: bool = False,
        pairs: tuple[Tensor, Tensor] | None = None,
    ) -> FusionOutput:
        """The words (B, L, D) after they have seen the picture (B, N, image_width).

        Args:
            attention: also give the maps, which costs B * H * L * N numbers a layer.
            cls_only: give the first word alone, which spares the last layer the others; its
                numbers, and what dropout draws, stay the same.
            pairs: rows of `text` and of `image` that meet, (B,) int64 each, so that what a pair
                does not change is computed once for each sentence and picture; None: each row
                with its own.
        """
        words, cells = Packing(text.real), Packing(image.real)
        x, source, maps = words.pack(text.tokens), cells.pack(self.image_norm(image.tokens)), []
        texts, images = pairs or (None, None)
        for i, layer in enumerate(self.layers, 1):
            last = cls_only and i == len(self.layers)
            x, words, seen = layer(x, words, source, cells, attention, last, texts, images)
            maps.append(seen)
            texts = None  # from here on each pair has words of its own
        tokens = words.unpack(self.norm(x))
        return FusionOutput(tokens[:, 0], tokens, maps if attention else None)


class _Layer(nn.Module):
    def __init__(self, width: int, image_width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.self_attention = _Attention(width, width, heads)
        self.cross_attention = _Attention(width, image_width, heads)
        self.net = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,  # (T, D), the words of all sentences
        words: Packing,
        source: Tensor,  # the vectors of all pictures
        cells: Packing,
        ask: bool,
        cls_only: bool,
        texts: Tensor | None,  # rows, where the sentences are not paired yet
        images: Tensor | None,
    ) -> tuple[Tensor, Packing, Tensor | None]:
        told = self.norms[0](x)
        asks, asking = told, words
        if cls_only:
            x, asks, asking = words.first(x), words.first(told), words.firsts()
        found, _ = self.self_attention(asks, asking, told, words, False)
        if texts is not None:
            paired = asking.take(texts)
            x, found = (paired.pack(asking.unpack(y).index_select(0, texts)) for y in (x, found))
            asking = paired
        x = x + asking.dropout(found, self.dropout)
        found, seen = self.cross_attention(self.norms[1](x), asking, source, cells, ask, images)
        x = x + asking.dropout(found, self.dropout)
        return x + asking.dropout(self.net(self.norms[2](x)), self.dropout), asking, seen


class _Attention(nn.Module):
    def __init__(self, width: int, source_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key, self.value = nn.Linear(source_width, width), nn.Linear(source_width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        asking: Packing,
        source: Tensor,
        seen: Packing,
        ask: bool,
        rows: Tensor | None = None,  # of the sets of the source, one for each set that asks
    ) -> tuple[Tensor, Tensor | None]:
        query = asking.unpack(self.query(x))
        key, value = seen.unpack(self.key(source)), seen.unpack(self.value(source))
        real = seen.real
        if rows is not None:
            key, value, real = (y.index_select(0, rows) for y in (key, value, real))
        q, k, v = (
            y.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, H, L or N, D / H)
            for y in (query, key, value)
        )
        allowed, weights = real[:, None, None], None  # (B, 1, 1, N)
        if ask:  # the fused kernels never build the weights
            scores = (q @ k.transpose(2, 3)).float() / q.shape[3] ** 0.5  # (B, H, L, N)
            weights = scores.masked_fill(~allowed, -torch.inf).softmax(3)
            found = weights.to(v.dtype) @ v
        else:
            found = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.out(asking.pack(found.transpose(1, 2).flatten(2))), weights
