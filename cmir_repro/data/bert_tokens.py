"""Word pieces of a saved BERT: of sentences as they are, and of captions cleaned as in ALBEF."""

from collections.abc import Sequence

import numpy as np

from cmir_repro.core.weights import from_disk
from cmir_repro.data.caption_tokens import clean


class BertTokens:
    """The tokeniser that belongs to a `Bert`, read from the same folder."""

    def __init__(self, path: str) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = from_disk(AutoTokenizer, path)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Word-piece ids (N, L) int64 with the model's special tokens, and lengths (N,) int64."""
        out = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="np")
        lengths = out["attention_mask"].sum(1).astype(np.int64)
        return out["input_ids"].astype(np.int64), lengths


class BertCaptionTokens(BertTokens):
    """Word pieces of a saved BERT for captions cleaned as ALBEF does, and its special tokens."""

    def __len__(self) -> int:
        return len(self.tokenizer)

    @property
    def special_tokens(self) -> dict:
        """As `CaptionTokens.special_tokens`."""
        t = self.tokenizer
        special = (t.pad_token_id, t.cls_token_id, t.sep_token_id)
        return {"special": special, "mask": t.mask_token_id}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return super().encode([clean(text) for text in texts])
