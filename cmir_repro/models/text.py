"""Text encoders: word numbers and lengths in, a vector a sentence or one a word out.

All read ids (B, L) int64 of a tokeniser and lengths (B,) int64. `LSTM` and `Bert` give
`TextFeatures`, a vector of the sentence and one of each word, for composed retrieval. Those that
`build_text_tokens` builds have the attributes `width` (D of their vectors) and `has_cls` (the first
vector stands for the whole sentence) and give a `TokenSet` (B, L, D). What stands in padding never
matters.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.weights import from_disk, weights_file
from cmir_repro.models.image import FEATURES
from cmir_repro.models.token_set import Packing, TokenSet, real_positions

SAVED_BERT = "bert"  # shape and weights come from a folder
BERTS = {"bert-base": {}}  # transformers' own defaults are those of Devlin et al. 2019


class TextFeatures(NamedTuple):
    """vector: (B, D) float; words: (B, L, D) float, one a word; lengths: (B,) int64, words."""

    vector: Tensor
    words: Tensor
    lengths: Tensor


class LSTM(nn.Module):
    """TIRG's text encoder (google/tirg): embedding, one LSTM layer, its state at the last word.

    Args:
        vocabulary: V, number of words.
        embed_dim: D, also the width of embedding and state.
        dropout: probability before the last layer, 0.1 in TIRG.
    """

    def __init__(self, vocabulary: int, embed_dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embed_dim)
        self.lstm = nn.LSTM(embed_dim, embed_dim, batch_first=True)
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(embed_dim, embed_dim))

    def forward(self, input_ids: Tensor, lengths: Tensor) -> TextFeatures:
        """(B, L) int64 and (B,) int64 -> TextFeatures; `words` are the embeddings."""
        words = self.embedding(input_ids)
        states, _ = self.lstm(words)  # (B, L, D)
        last = states[torch.arange(len(input_ids), device=input_ids.device), lengths - 1]  # (B, D)
        return TextFeatures(self.fc(last), words, lengths)


class Bert(nn.Module):
    """A BERT from disk, its first token mapped to D dimensions.

    Args:
        path: folder of a saved model, as for `transformers.AutoModel`; nothing is downloaded.
        embed_dim: D.

    Raises:
        InputError: there is no such model here.
    """

    def __init__(self, path: str, embed_dim: int) -> None:
        super().__init__()
        from transformers import AutoModel

        self.bert = from_disk(AutoModel, path)
        self.fc = nn.Linear(self.bert.config.hidden_size, embed_dim)

    def forward(self, input_ids: Tensor, lengths: Tensor) -> TextFeatures:
        """(B, L) int64 and (B,) int64 -> TextFeatures; `words` are the last layer's states."""
        real = (
            torch.arange(input_ids.shape[1], device=input_ids.device) < lengths[:, None]
        )  # (B, L)
        states = self.bert(input_ids=input_ids, attention_mask=real.long()).last_hidden_state
        states = self.fc(states)  # (B, L, D)
        return TextFeatures(states[:, 0], states, lengths)


class TwoWayGRU(nn.Module):
    """One layer, two directions, their states averaged; what `nn.GRU` does on packed sequences.

    Packing wants the lengths on the CPU and so makes a GPU wait. Here the second direction reads
    each sequence turned round, its padding still behind it, which needs no packing.

    Args:
        features: C of the input.
        units: D of the states.
    """

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.onward = nn.GRU(features, units, batch_first=True)
        self.back = nn.GRU(features, units, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, N, C) float and (B,) int64 -> (B, N, D); states in padding mean nothing."""
        onward, back, turned = self.directions(x, lengths)
        return (onward + back.gather(1, turned[..., None].expand_as(back))) / 2

    def directions(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The states of each direction before they are averaged.

        Args:
            x: (B, N, C) float, or (1, N, C) for one sequence that is read to every length.
            lengths: (B,) int64.

        Returns:
            Onward (B, N, D), or (1, N, D); back (B, N, D) from the last word to the first; and of
            each place where its state lies in `back`, (B, N) int64.
        """
        place = torch.arange(x.shape[1], device=x.device)
        turned = (lengths[:, None] - 1 - place).clamp(min=0)  # (B, N)
        rows = x.expand(len(lengths), -1, -1)
        onward, _ = self.onward(x)
        back, _ = self.back(rows.gather(1, turned[..., None].expand_as(rows)))
        return onward, back, turned


class SmallTransformer(nn.Module):
    """A transformer for two CPU cores (our choice): norm before each part, learned positions.

    Args:
        width: D.
        vocabulary: count of word ids.
        layers, heads: of the transformer; the inner layer has 4 D units.
        longest: L that there are positions for.
        dropout: probability after each part.
    """

    has_cls = True

    def __init__(
        self,
        width: int,
        vocabulary: int,
        layers: int = 2,
        heads: int = 4,
        longest: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(longest, width)
        for table in (self.words, self.positions):
            nn.init.trunc_normal_(table.weight, std=0.02)
        # Built one by one: nn.TransformerEncoder would start all layers from the same input_ids.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, input_ids: Tensor, lengths: Tensor) -> TokenSet:
        longest, length = self.positions.num_embeddings, input_ids.shape[1]
        if length > longest:
            raise InputError(f"a sentence has {length} tokens, the encoder takes {longest}; cut it")
        x = self.words(input_ids) + self.positions.weight[:length]  # (B, L, D)
        packing = Packing(real_positions(lengths, length))
        x = packing.pack(x)
        for layer in self.layers:
            x = _encoded(layer, x, packing)
        return TokenSet(packing.unpack(self.norm(x)), lengths)


def _encoded(layer: nn.TransformerEncoderLayer, x: Tensor, packing: Packing) -> Tensor:
    """(T, D) -> (T, D), what the layer computes, norm first, without its work on padding.

    Dropout draws as the layer does, which has sets last behind its attention.
    """
    attention = layer.self_attn
    told = F.linear(layer.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = (
        y.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)  # (B, H, L, D / H)
        for y in packing.unpack(told).chunk(3, dim=2)
    )
    p = attention.dropout if layer.training else 0.0
    found = F.scaled_dot_product_attention(q, k, v, packing.real[:, None, None], dropout_p=p)
    found = attention.out_proj(packing.pack(found.transpose(1, 2).flatten(2)))
    x = x + packing.dropout(found, layer.dropout1, places_first=True)
    inner = packing.dropout(layer.activation(layer.linear1(layer.norm2(x))), layer.dropout)
    return x + packing.dropout(layer.linear2(inner), layer.dropout2)


class BiGRU(nn.Module):
    """Word embeddings read by a GRU from both ends, the directions averaged (as in vse_infty).

    Args:
        width: D, of the states.
        vocabulary: count of word ids.
        embedding: width of the word embeddings, 300 in the reference.
    """

    has_cls = False

    def __init__(self, width: int, vocabulary: int, embedding: int = 300) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocabulary, embedding)
        nn.init.uniform_(self.words.weight, -0.1, 0.1)
        self.gru = TwoWayGRU(embedding, width)

    def forward(self, input_ids: Tensor, lengths: Tensor) -> TokenSet:
        return TokenSet.padded(self.gru(self.words(input_ids), lengths), lengths)


class BertTokenEncoder(nn.Module):
    """A BERT (Devlin et al. 2019), the states of its last layer.

    Args:
        name: a key of BERTS (from scratch), or SAVED_BERT.
        width: D; the states are mapped to it where their own width differs.
        vocabulary: count of word ids.
        weights: for SAVED_BERT the folder of a saved model, as for `transformers.AutoModel`: a
            path, or a name in `paths.weights()`; nothing is downloaded.
        layers: how many of the first layers to keep, as ALBEF does with 6; None: all.

    Raises:
        InputError: the model cannot be had, or does not fit the vocabulary or `layers`.
    """

    has_cls = True

    def __init__(
        self,
        name: str,
        width: int,
        vocabulary: int,
        weights: str = "none",
        layers: int | None = None,
    ) -> None:
        super().__init__()
        from transformers import AutoModel, BertConfig, BertModel

        if name == SAVED_BERT:
            self.bert = from_disk(AutoModel, str(weights_file(weights)))
            if not isinstance(self.bert, BertModel):
                raise InputError(
                    f"{weights} holds a {self.bert.config.model_type} and no BERT; name the folder "
                    "of a saved BertModel"
                )
            self.bert.pooler = None  # not used; without a gradient it would hold up processes
        else:
            config = BertConfig(vocab_size=vocabulary, **BERTS[name])
            self.bert = BertModel(config, add_pooling_layer=False)
        config, blocks = self.bert.config, self.bert.encoder.layer
        if config.vocab_size < vocabulary:
            raise InputError(
                f"{weights} knows {config.vocab_size} tokens and the tokeniser {vocabulary}; read "
                "both from the same folder"
            )
        if layers is not None:
            if not 1 <= layers <= len(blocks):
                raise InputError(f"layers is {layers}; {name} has 1 to {len(blocks)} to keep")
            self.bert.encoder.layer = blocks[:layers]
            config.num_hidden_layers = layers
        self.width = width
        own = config.hidden_size
        self.project = nn.Identity() if own == width else nn.Linear(own, width)

    def forward(self, input_ids: Tensor, lengths: Tensor) -> TokenSet:
        real = real_positions(lengths, input_ids.shape[1])
        states = self.bert(input_ids=input_ids, attention_mask=real.long()).last_hidden_state
        return TokenSet.padded(self.project(states), lengths)


class ReadyTokens(nn.Module):
    """Features computed elsewhere, one a token or one in all, mapped to D (our choice).

    Args:
        width: D.
        vocabulary: not used.
        shape: of one sentence's features, (F,) or (L, F).
    """

    has_cls = False

    def __init__(self, width: int, vocabulary: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Sequential(nn.LayerNorm(shape[-1]), nn.Linear(shape[-1], width))

    def forward(self, features: Tensor, lengths: Tensor) -> TokenSet:
        """(B, F) or (B, L, F) float and (B,) int64 -> (B, L, D)."""
        x = features.float().reshape(len(features), -1, features.shape[-1])
        return TokenSet.padded(self.project(x), lengths)


# Name -> builder(width, vocabulary, and the options of its class).
TEXT_TOKENS: dict[str, Callable[..., nn.Module]] = {
    "transformer": SmallTransformer,
    "bigru": BiGRU,
    FEATURES: ReadyTokens,
    **{name: partial(BertTokenEncoder, name) for name in (*BERTS, SAVED_BERT)},
}


def build_text_tokens(
    name: str, width: int, vocabulary: int, weights: str = "none", **options: object
) -> nn.Module:
    """The encoder of a name in TEXT_TOKENS.

    Args:
        width: D of its vectors.
        vocabulary: count of word ids.
        weights: "none", or for SAVED_BERT the folder of a saved model.
        options: further arguments of the encoder's class, such as `layers`.

    Raises:
        InputError: unknown name, or weights that cannot be had.
    """
    one_of("text encoder", name, TEXT_TOKENS)
    if name == SAVED_BERT:
        options["weights"] = weights
    elif weights != "none":
        raise InputError(f"{name} starts from scratch; use text_weights = 'none'")
    return TEXT_TOKENS[name](width, vocabulary, **options)
