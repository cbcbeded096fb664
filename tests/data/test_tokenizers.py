"""Token numbers of captions, cleaned as in ALBEF, and of sentences as TIRG has them."""

import time

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.files import lines
from cmir_repro.data.tokenizers import (
    SPECIAL_TOKENS,
    UNKNOWN,
    CaptionTokens,
    Vocabulary,
    clean,
    tokens_of,
)

TEXTS = [
    "A man in a blue-green T-shirt, smiling.",
    "Two dogs!",
    "A dog; two men / <person> walking (fast)",
]


def slow_clean(text: str) -> str:
    """The rules of the source, one character at a time."""
    out = ""
    for letter in text.lower():
        if letter in ",.'!?\"()*#:;~":
            continue
        out += " " if letter in "-/" else letter
    return " ".join(out.replace("<person>", "person").split())


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("A man's hat, isn't it?", "a mans hat isnt it"),
        ("well-known and/or new", "well known and or new"),
        ("<person> & <PERSON>", "person & person"),
        ("  two   spaces\tand\nlines \n", "two spaces and lines"),
        ('"#1" (*really*) ~ yes; no: 3.5', "1 really yes no 35"),
        ("", ""),
    ],
)
def test_cleaning(text, cleaned):
    assert clean(text) == cleaned == slow_clean(text)


def test_a_caption_is_cut_to_thirty_words():
    text = " ".join(f"w{i}" for i in range(40))
    assert clean(text).split() == [f"w{i}" for i in range(30)]
    assert clean(text, None) == text
    assert clean(text, 2) == "w0 w1"


def test_marks_come_first_and_words_are_sorted():
    tokens = CaptionTokens.of(TEXTS)
    assert tuple(tokens.tokens[:5]) == SPECIAL_TOKENS
    assert tokens.tokens[5:] == sorted({w for t in TEXTS for w in slow_clean(t).split()})
    marks = (tokens.pad, tokens.cls, tokens.sep, tokens.unk, tokens.mask)
    assert marks == (0, 1, 2, 3, 4)
    assert tuple(tokens.tokens[i] for i in marks) == SPECIAL_TOKENS
    assert len(tokens) == len(tokens.tokens)


def test_numbers_against_a_loop():
    tokens = CaptionTokens.of(TEXTS[:2])
    numbers, lengths = tokens.encode(TEXTS)
    assert numbers.dtype == lengths.dtype == np.int64
    assert numbers.shape == (3, lengths.max())
    for text, row, length in zip(TEXTS, numbers.tolist(), lengths.tolist(), strict=True):
        words = slow_clean(text).split()
        assert length == len(words) + 2
        wanted = [1]
        for word in words:
            wanted.append(tokens.tokens.index(word) if word in tokens.tokens else 3)
        wanted += [2] + [0] * (len(row) - length)
        assert row == wanted
    assert 3 in numbers[2]
    assert 3 not in numbers[:2]


def test_numbers_and_lengths_do_not_depend_on_the_company():
    tokens = CaptionTokens.of(TEXTS)
    together, lengths = tokens.encode(TEXTS)
    for number, text in enumerate(TEXTS):
        alone, length = tokens.encode([text])
        assert length[0] == lengths[number] == alone.shape[1]
        assert (alone[0] == together[number, : length[0]]).all()


def test_a_cut_vocabulary_holds_no_word_that_is_cut_off():
    tokens = CaptionTokens.of(["a b c", "b d e"], words=2)
    assert tokens.tokens[5:] == ["a", "b", "d"]
    numbers, _ = tokens.encode(["a b c e"])
    assert numbers.tolist() == [[1, 5, 6, 2]]
    assert CaptionTokens.of(["a b c"], words=None).encode(["c " * 50])[1].tolist() == [52]


def test_tokens_survive_json():
    tokens = CaptionTokens.of(TEXTS)
    again = CaptionTokens(tokens.tokens)
    assert (again.encode(TEXTS)[0] == tokens.encode(TEXTS)[0]).all()


def test_the_word_pad_is_no_mark():
    tokens = CaptionTokens.of(["[PAD] [MASK] it"])
    numbers, _ = tokens.encode(["[PAD] [MASK] it"])
    assert (numbers[0, 1:-1] >= len(SPECIAL_TOKENS)).all()


def test_no_captions_at_all():
    numbers, lengths = CaptionTokens.of(TEXTS).encode([])
    assert numbers.shape == (0, 2)
    assert lengths.shape == (0,)


def test_bad_input():
    tokens = CaptionTokens.of(TEXTS)
    for call in (CaptionTokens.of, tokens.encode):
        with pytest.raises(InputError, match="put a single one into a list"):
            call("a dog")
    with pytest.raises(InputError, match=r"the caption ' \(\.\)' has no word"):
        tokens.encode(["a dog", " (.)"])
    with pytest.raises(InputError, match="each word once"):
        CaptionTokens([*SPECIAL_TOKENS, "a", "a"])
    with pytest.raises(InputError, match=r"start with \[PAD\]"):
        CaptionTokens(["a", *SPECIAL_TOKENS])
    with pytest.raises(InputError, match="words 0 must be at least 1"):
        CaptionTokens.of(TEXTS, words=0)


def test_every_sentence_of_flickr30k(real_data):
    root = real_data("flickr30k_text")
    files = [f"{split}.{k}.en.gz" for split in ("train", "val", "test_2016") for k in range(1, 6)]
    texts = [line for file in files for line in lines(root / file)]
    assert len(texts) == 155_070
    start = time.perf_counter()
    tokens = CaptionTokens.of(texts)
    numbers, lengths = tokens.encode(texts)
    assert time.perf_counter() - start < 10  # 2 s
    assert numbers.shape == (155_070, 32)
    assert (numbers == tokens.unk).sum() == 0
    assert (numbers != tokens.pad).sum() == lengths.sum()
    assert ((numbers == tokens.sep).sum(1) == 1).all()
    assert len(tokens) == 18_245  # words of our cleaning, and five marks


# Vocabulary of TIRG


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
    assert tokens_of(text) == expected


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


def test_words_of_no_training_sentence_are_named():
    assert Vocabulary.of(["a red cube"]).unknown("A Blue cube, top-left") == ["blue", "topleft"]
    captions = CaptionTokens.of(["a red-cube"], words=4)
    assert captions.unknown("a blue-cube [MASK] (red) far beyond") == ["blue", "[mask]"]


@pytest.mark.parametrize("tokens", [[], ["a", "b"], [UNKNOWN, "a", "a"]])
def test_what_is_no_vocabulary_is_refused(tokens):
    with pytest.raises(InputError, match="vocabulary"):
        Vocabulary(tokens)
