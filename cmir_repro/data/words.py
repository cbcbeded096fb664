"""Texts and names as they are compared, and which of them say nothing."""

import unicodedata

# What tables write where they know nothing, in small letters.
NO_VALUE = ("", "na", "n/a", "n.a.", "#n/a", "nan", "<na>", "none", "null")
# Zero width, byte order marks, soft hyphens and marks of direction; joiners are letters' business.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))

_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters of Hangul that cannot be seen


def plain(text: str) -> str:
    """A text as it is compared: composed (NFC), without invisible signs that mean nothing."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE))


def has_word(text: str) -> bool:
    """Whether a letter or digit of any script is in it: every tokeniser here makes a word of one.

    Marks alone, blanks, signs that cannot be seen and pictograms are none (our choice).
    """
    return any(sign.isalnum() and sign not in _FILLERS for sign in text)


def absent(value: str) -> bool:
    """Whether a text or an attribute says nothing: no word, or one of NO_VALUE (our choice)."""
    return not has_word(value) or " ".join(plain(value).lower().split()) in NO_VALUE
