"""Sentences from the captions of Fashion200k, as google/tirg makes them.

The text files are read in tests/data_scripts/test_fashion200k.py.
"""

import pytest

from cmir_repro.data.readers import fashion200k


def test_marks_become_words_as_in_the_reference():
    assert fashion200k.caption("  a.b? c & d*e ") == "adotmarkbquestionmark c andmark dstarmarke"


@pytest.mark.parametrize(
    ("source", "target", "text", "both"),
    [
        ("red long dress", "red short dress", "replace long with short", True),
        # The first words that differ, which need not be those that correspond.
        ("red long dress", "short blue dress", "replace red with short", True),
        ("red dress", "red lace dress", "replace dress with lace", False),
        ("red lace dress", "red dress", "replace lace with dress", False),
        ("red dress", "dress red", "replace dress with red", False),
        # Whole words: "red" is in "redwood", but is not a word of it.
        ("red top", "redwood top", "replace red with redwood", True),
    ],
)
def test_the_words_of_a_test_query_are_the_first_that_differ(source, target, text, both):
    assert fashion200k.difference(source, target) == (text, both)
