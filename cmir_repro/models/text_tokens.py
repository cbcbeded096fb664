"""Encoders of sentences as sets: word numbers and lengths in, a vector a word out.

Every encoder is built by `build_text_tokens`, has the attributes `width` (D of its vectors) and
`has_cls` (the first vector stands for the whole sentence), and maps numbers (B, L) int64 and
lengths (B,) int64 to a `TokenSet` (B, L, D). What stands in padding never matters.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from torch import Tensor, nn

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.data.caption_tokens import clean
from cmir_repro.models.image import weights_file
from cmir_repro.models.text import BertTokens, _from_disk
from cmir_repro.models.token_set import TokenSet, real_positions
from cmir_repro.models.two_way_gru import TwoWayGRU

SAVED_BERT = "bert"  # shape and weights come from a folder
BERTS = {"bert-base": {}}  # transformers' own defaults are those of Devlin et al. 2019


class SmallTransformer(nn.Module):
    """A transformer for two CPU cores (our choice): norm before each part, learned positions.

    Args:
        width: D.
        vocabulary: count of word numbers.
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
        # Built one by one: nn.TransformerEncoder would start all layers from the same numbers.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, numbers: Tensor, lengths: Tensor) -> TokenSet:
        longest, length = self.positions.num_embeddings, numbers.shape[1]
        if length > longest:
            raise InputError(f"a sentence has {length} tokens, the encoder takes {longest}; cut it")
        x = self.words(numbers) + self.positions.weight[:length]  # (B, L, D)
        padding = ~real_positions(lengths, length)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return TokenSet.padded(self.norm(x), lengths)


class BiGRU(nn.Module):
    """Word embeddings read by a GRU from both ends, the directions averaged (as in vse_infty).

    Args:
        width: D, of the states.
        vocabulary: count of word numbers.
        embedding: width of the word embeddings, 300 in the reference.
    """

    has_cls = False

    def __init__(self, width: int, vocabulary: int, embedding: int = 300) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocabulary, embedding)
        nn.init.uniform_(self.words.weight, -0.1, 0.1)
        self.gru = TwoWayGRU(embedding, width)

    def forward(self, numbers: Tensor, lengths: Tensor) -> TokenSet:
        return TokenSet.padded(self.gru(self.words(numbers), lengths), lengths)


class BertTokenEncoder(nn.Module):
    """A BERT (Devlin et al. 2019), the states of its last layer.

    Args:
        name: a key of BERTS (from scratch), or SAVED_BERT.
        width: D; the states are mapped to it where their own width differs.
        vocabulary: count of word numbers.
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
            self.bert = _from_disk(AutoModel, str(weights_file(weights)))
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

    def forward(self, numbers: Tensor, lengths: Tensor) -> TokenSet:
        real = real_positions(lengths, numbers.shape[1])
        states = self.bert(input_ids=numbers, attention_mask=real.long()).last_hidden_state
        return TokenSet.padded(self.project(states), lengths)


class BertCaptionTokens(BertTokens):
    """The word pieces of a saved BERT for captions cleaned as ALBEF does, and its marks."""

    def __len__(self) -> int:
        return len(self.tokenizer)

    @property
    def marks(self) -> dict:
        """As `CaptionTokens.marks`."""
        t = self.tokenizer
        special = (t.pad_token_id, t.cls_token_id, t.sep_token_id)
        return {"special": special, "mask": t.mask_token_id}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return super().encode([clean(text) for text in texts])


# Name -> builder(width, vocabulary, and the options of its class).
TEXT_TOKENS: dict[str, Callable[..., nn.Module]] = {
    "transformer": SmallTransformer,
    "bigru": BiGRU,
    **{name: partial(BertTokenEncoder, name) for name in (*BERTS, SAVED_BERT)},
}


def build_text_tokens(
    name: str, width: int, vocabulary: int, weights: str = "none", **options: object
) -> nn.Module:
    """The encoder of a name in TEXT_TOKENS.

    Args:
        width: D of its vectors.
        vocabulary: count of word numbers.
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
