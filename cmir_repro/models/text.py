"""Text encoders: word numbers and lengths in, a vector a sentence and one a word out.

Each encoder has a tokeniser with `encode(texts) -> (numbers (N, L) int64, lengths (N,) int64)`.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cmir_repro.core.errors import InputError


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

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """(B, L) int64 and (B,) int64 -> TextFeatures; `words` are the embeddings."""
        words = self.embedding(tokens)
        states, _ = self.lstm(words)  # (B, L, D)
        last = states[torch.arange(len(tokens), device=tokens.device), lengths - 1]  # (B, D)
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

        self.bert = _from_disk(AutoModel, path)
        self.fc = nn.Linear(self.bert.config.hidden_size, embed_dim)

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """(B, L) int64 and (B,) int64 -> TextFeatures; `words` are the last layer's states."""
        real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]  # (B, L)
        states = self.bert(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        states = self.fc(states)  # (B, L, D)
        return TextFeatures(states[:, 0], states, lengths)


class BertTokens:
    """The tokeniser that belongs to a `Bert`, read from the same folder."""

    def __init__(self, path: str) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = _from_disk(AutoTokenizer, path)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Word-piece numbers (N, L) int64 with the model's own marks, and lengths (N,) int64."""
        out = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="np")
        lengths = out["attention_mask"].sum(1).astype(np.int64)
        return out["input_ids"].astype(np.int64), lengths


def _from_disk(kind: type, path: str) -> object:
    from safetensors import SafetensorError

    try:
        # A name that is no folder would make transformers ask the network, even when told not to.
        if not os.path.isdir(path):
            raise FileNotFoundError(path)
        return kind.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"no whole {kind.__name__} in the folder {str(path)!r}; it takes that of a saved model "
            "(config.json, model.safetensors, tokenizer files)"
        ) from error
