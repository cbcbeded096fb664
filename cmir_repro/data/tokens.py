"""Sentences as word numbers: the vocabulary and tokeniser of TIRG."""

import string
from collections.abc import Iterable, Sequence

import numpy as np

from cmir_repro.core.errors import InputError

UNKNOWN = "<UNK>"
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(text: str) -> list[str]:
    """Lower case, punctuation removed ("top-left" is one word, "topleft"), split at spaces."""
    return text.lower().translate(_PUNCTUATION).split()


class Vocabulary:
    """Word numbers; 0 is the unknown word, the others are sorted (google/tirg)."""

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
        return cls([UNKNOWN, *sorted({word for text in texts for word in words(text)})])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Word numbers (N, L) int64, padded with 0, and lengths (N,) int64, at least 1.

        Raises:
            InputError: a sentence has no word.
        """
        rows = [[self._number.get(word, 0) for word in words(text)] for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if not row:
                raise InputError(f"the sentence {text!r} has no word")
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        out = np.zeros((len(rows), int(lengths.max(initial=1))), dtype=np.int64)
        for number, row in enumerate(rows):
            out[number, : len(row)] = row
        return out, lengths
