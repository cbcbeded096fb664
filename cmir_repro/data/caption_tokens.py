"""Captions as token numbers with the marks of BERT: the vocabulary of the small text encoders.

Captions are cleaned as in ALBEF, so that these tokens and BERT's word pieces see the same words.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from cmir_repro.core.errors import InputError

SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
WORDS = 30  # that a caption is cut to, as in ALBEF
# Deleted wherever they stand, and what becomes a space.
_MARKS = str.maketrans({**dict.fromkeys(",.'!?\"()*#:;~"), "-": " ", "/": " "})


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
    """Word numbers of cleaned captions: five marks, then the sorted words.

    Args:
        tokens: token k has the number k, as `of` makes them and JSON keeps them.
        words: that a caption is cut to; None cuts nothing.

    Raises:
        InputError: the marks are not first, or a token is there twice.
    """

    pad, cls, sep, unk, mask = range(len(SPECIALS))

    def __init__(self, tokens: Sequence[str], words: int | None = WORDS) -> None:
        if tuple(tokens[: len(SPECIALS)]) != SPECIALS or len(set(tokens)) != len(tokens):
            raise InputError(
                f"captions' tokens start with {' '.join(SPECIALS)} and hold each word once"
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
        return cls([*SPECIALS, *sorted(found)], words)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def special_tokens(self) -> dict:
        """What drops and hides words must know: numbers that are no words, and the mask."""
        return {"special": (self.pad, self.cls, self.sep), "mask": self.mask}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token numbers (N, L) int64: [CLS], words, [SEP], then [PAD]; lengths (N,) int64.

        A length counts all but [PAD]; L is the greatest, so at most `words` + 2.

        Raises:
            InputError: a caption has no word, or one caption is given instead of several.
        """
        _refuse_one(texts)
        rows = [clean(text, self.words).split() for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if not row:
                raise InputError(f"the caption {text!r} has no word")
        lengths = np.array([len(row) + 2 for row in rows], dtype=np.int64)
        flat = [self._number.get(word, self.unk) for row in rows for word in row]
        place = np.arange(int(lengths.max(initial=2)))  # (L,)
        out = np.full((len(rows), len(place)), self.pad, dtype=np.int64)
        out[:, 0] = self.cls
        out[(place > 0) & (place < lengths[:, None] - 1)] = flat
        out[np.arange(len(rows)), lengths - 1] = self.sep
        return out, lengths


def _refuse_one(texts: object) -> None:
    if isinstance(texts, str):
        raise InputError("captions are a list of sentences; put a single one into a list")
