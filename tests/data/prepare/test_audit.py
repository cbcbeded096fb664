"""Counts that differ are shown and refused; counts without an expectation are only shown."""

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import audit

FOUND = {"images": 7, "triplets of train": 12345}


def test_the_table_says_what_was_expected_where_it_differs():
    assert audit.table(FOUND, {"images": 9}).splitlines() == [
        "images                     7   expected 9",
        "triplets of train     12,345",
    ]


def test_a_count_that_differs_or_is_lacking_is_refused():
    audit.check(FOUND, {"images": 7}, "it")
    with pytest.raises(InputError, match=r"1 of 1 counts .* of it, first images: 7, expected 9"):
        audit.check(FOUND, {"images": 9}, "it")
    with pytest.raises(InputError, match="first queries: None"):
        audit.check(FOUND, {"queries": 1}, "it")
