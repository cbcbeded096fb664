"""Sentences as token numbers: the vocabulary of TIRG, that of captions, and BERT's word pieces.

Each tokeniser has `encode(texts) -> (input_ids (N, L) int64, lengths (N,) int64)` and
`unknown(text)`, the words of a text that it cannot tell from one another. Captions are cleaned as
in ALBEF, so that the small vocabulary and BERT's word pieces see the same words.
"""

import string
from collections.abc import Iterable, Sequence

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.core.weights import from_disk

UNKNOWN = "<UNK>"  # of TIRG
_PUNCTUATION = str.maketrans("", "", string.punctuation)
SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
WORDS = 30  # that a caption is cut to, as in ALBEF
# Deleted wherever they stand, and what becomes a space.
_MARKS = str.maketrans({**dict.fromkeys(",.'!?\"()*#:;~"), "-": " ", "/": " "})


def tokens_of(text: str) -> list[str]:
    """The tokens of TIRG: small letters, no punctuation (top-left: topleft), split at spaces."""
    return text.lower().translate(_PUNCTUATION).split()


class Vocabulary:
    """Token ids of words; 0 is the unknown word, the others are sorted (google/tirg)."""

    def __init__(self, tokens: Sequence[str]) -> None:
        if not tokens or tokens[0] != UNKNOWN or len(set(tokens)) != len(tokens):
            raise InputError(f"a vocabulary starts with {UNKNOWN} and holds each word once")
        self.tokens = list(tokens)
        self._number = {token: number for number, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Vocabulary":
        """The vocabulary of the training sentences.

        Raises:
            InputError: one sentence instead of several, whose words would be letters.
        """
        if isinstance(texts, str):
            raise InputError("a vocabulary is made of several sentences; put one into a list")
        return cls([UNKNOWN, *sorted({word for text in texts for word in tokens_of(text)})])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids (N, L) int64, padded with 0, and lengths (N,) int64, at least 1.

        Raises:
            InputError: a sentence has no word.
        """
        rows = [[self._number.get(word, 0) for word in tokens_of(text)] for text in texts]
        return _padded("sentence", texts, rows, pad=0)

    def unknown(self, text: str) -> list[str]:
        """Words that no training sentence has, as they are read."""
        return [word for word in tokens_of(text) if word not in self._number]


def clean(text: str, words: int | None = WORDS) -> str:
    """A caption as ALBEF's retrieval code feeds it to its tokeniser.

    Small letters, the marks , . ' ! ? " ( ) * # : ; ~ gone, - and / as spaces, "<person>" as
    "person", single spaces, and no more than so many words.

    Args:
        text: the caption.
        words: that are kept; None keeps all.
    """
    text = text.lower().translate(_MARKS).replace("<person>", "person")
    return " ".join(text.split()[:words])


class CaptionTokens:
    """Token ids of cleaned captions: five special tokens, then the sorted words.

    Args:
        tokens: token k has the number k, as `of` makes them and JSON keeps them.
        words: that a caption is cut to; None cuts nothing.

    Raises:
        InputError: the special tokens are not first, or a token is there twice.
    """

    pad, cls, sep, unk, mask = range(len(SPECIAL_TOKENS))

    def __init__(self, tokens: Sequence[str], words: int | None = WORDS) -> None:
        if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS or len(set(tokens)) != len(
            tokens
        ):
            raise InputError(
                f"captions' tokens start with {' '.join(SPECIAL_TOKENS)} and hold each word once"
            )
        if words is not None and words < 1:
            raise InputError(f"words {words} must be at least 1, or None for whole captions")
        self.tokens, self.words = list(tokens), words
        self._number = {token: number for number, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, texts: Iterable[str], words: int | None = WORDS) -> "CaptionTokens":
        """The vocabulary of the training captions.

        Raises:
            InputError: one caption instead of several, whose words would be letters.
        """
        _refuse_one(texts)
        found = {word for text in texts for word in clean(text, words).split()}
        return cls([*SPECIAL_TOKENS, *sorted(found)], words)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def special_tokens(self) -> dict:
        """What drops and masks words must know: ids that are no words, and the mask."""
        return {"special": (self.pad, self.cls, self.sep), "mask": self.mask}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids (N, L) int64: [CLS], words, [SEP], then [PAD]; lengths (N,) int64.

        A length counts all but [PAD]; L is the greatest, so at most `words` + 2.

        Raises:
            InputError: a caption has no word, or one caption is given instead of several.
        """
        _refuse_one(texts)
        rows = [
            [self.cls, *(self._number.get(word, self.unk) for word in words), self.sep]
            for words in (clean(text, self.words).split() for text in texts)
        ]
        return _padded("caption", texts, rows, self.pad, special=2)

    def unknown(self, text: str) -> list[str]:
        """Words that no training caption has, as they are read."""
        return [word for word in clean(text, self.words).split() if word not in self._number]


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

    def unknown(self, text: str) -> list[str]:
        """None: every word is read in pieces."""
        return []


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


def _refuse_one(texts: object) -> None:
    if isinstance(texts, str):
        raise InputError("captions are a list of sentences; put a single one into a list")


def _padded(
    what: str, texts: Sequence[str], rows: list[list[int]], pad: int, special: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """N rows of ids, of which `special` are no words, as (N, L) int64, and lengths (N,) int64."""
    for text, row in zip(texts, rows, strict=True):
        if len(row) == special:
            raise InputError(f"the {what} {text!r} has no word")
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    place = np.arange(int(lengths.max(initial=max(special, 1))))  # (L,)
    out = np.full((len(rows), len(place)), pad, dtype=np.int64)
    out[place < lengths[:, None]] = [number for row in rows for number in row]
    return out, lengths
