"""What says nothing is known in one place, and accents have one spelling."""

import pytest

from cmir_repro.data.tokenizers import clean, tokens_of
from cmir_repro.data.words import absent, has_word, plain


@pytest.mark.parametrize(
    "value",
    ["", " ", "nan", "NaN", "None", "NULL", " N/A ", "n/a", "NA", "-", "...", "\u2026", "???",
     "\u200b", "\ufeff", "\u200d", "\u2060nan\u200b", "\u00ad", "<NA>", "\u00a0"],
)  # fmt: skip
def test_what_says_nothing_is_absent(value):
    assert absent(value)


@pytest.mark.parametrize("value", ["a", "0", "banana", "none of them", "\u72d7", "\u0915", "no"])
def test_what_says_something_is_not(value):
    assert not absent(value)
    assert tokens_of(value)
    assert clean(value)


def test_a_word_for_every_tokeniser_or_none():
    assert not has_word("?! \u2026")
    assert has_word("... a")


def test_accents_are_composed_and_invisible_signs_gone():
    assert plain("rose\u0301\u200b") == "ros\u00e9"
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # a joiner that a word needs
    assert plain(joined) == joined


@pytest.mark.parametrize("sign", ["\u115f", "\u1160", "\u3164", "\uffa0"])
def test_letters_that_cannot_be_seen_are_no_word(sign):
    assert absent(sign)
    assert has_word(f"{sign}a")
