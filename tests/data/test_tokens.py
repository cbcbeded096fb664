"""Words and their numbers, as TIRG makes them."""

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.tokens import UNKNOWN, Vocabulary, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make top-left small circle RED", ["make", "topleft", "small", "circle", "red"]),
        ("  add\tgray  sphere\n", ["add", "gray", "sphere"]),
        ("it's 3x3!", ["its", "3x3"]),
        ("...", []),
    ],
)
def test_words_are_lower_case_without_punctuation(text, expected):
    assert words(text) == expected


def test_numbers_are_the_places_in_the_sorted_vocabulary_and_0_is_unknown():
    vocabulary = Vocabulary.of(["b a", "c, b"])
    assert vocabulary.tokens == [UNKNOWN, "a", "b", "c"]
    assert len(vocabulary) == 4
    ids, lengths = vocabulary.encode(["c b a", "B", "never seen a"])
    np.testing.assert_array_equal(ids, [[3, 2, 1], [2, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(lengths, [3, 1, 3])
    assert ids.dtype == lengths.dtype == np.int64


def test_the_vocabulary_does_not_depend_on_the_order_of_the_sentences():
    texts = ["add red cube", "remove blue sphere", "make object small"]
    assert Vocabulary.of(texts).tokens == Vocabulary.of(texts[::-1]).tokens


def test_a_saved_vocabulary_gives_the_same_numbers():
    first = Vocabulary.of(["add red cube"])
    again = Vocabulary(first.tokens)
    np.testing.assert_array_equal(again.encode(["red cube"])[0], first.encode(["red cube"])[0])


def test_a_sentence_without_a_word_is_refused():
    with pytest.raises(InputError, match=r"'\?!' has no word"):
        Vocabulary.of(["a"]).encode(["a", "?!"])


def test_no_sentences_give_no_rows():
    ids, lengths = Vocabulary.of(["a"]).encode([])
    assert ids.shape == (0, 1)
    assert lengths.shape == (0,)


@pytest.mark.parametrize("tokens", [[], ["a", "b"], [UNKNOWN, "a", "a"]])
def test_what_is_no_vocabulary_is_refused(tokens):
    with pytest.raises(InputError, match="vocabulary"):
        Vocabulary(tokens)
