"""Counts that differ are refused; what lies there is opened if it is what is asked for."""

import pytest
import tiny_photos

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare.checks import reopen

FOUND = {"images": 7, "triplets of train": 12345}


def test_the_table_says_what_was_expected_where_it_differs():
    assert checks.audit_table(FOUND, {"images": 9}).splitlines() == [
        "images                     7   expected 9",
        "triplets of train     12,345",
    ]


def test_a_count_that_differs_or_is_lacking_is_refused():
    checks.audit(FOUND, {"images": 7}, "it")
    checks.audit(FOUND, {"images": 9}, "it", partial=True)
    with pytest.raises(InputError, match=r"1 of 1 counts .* of it, first images: 7, expected 9"):
        checks.audit(FOUND, {"images": 9}, "it")
    with pytest.raises(InputError, match="first queries: None"):
        checks.audit(FOUND, {"queries": 1}, "it")


def test_a_split_of_which_nothing_is_left_is_told():
    coverage = {
        "train/all": {"images": 4, "missing": 4, "queries": 5, "lost": 5},
        "val/all": {"images": 4, "missing": 3, "sentences": 5, "lost": 5},
        "test images": {"here": 0, "listed": 3},
        "test queries": {"here": 1, "listed": 3},
        "database": {"images": 0, "missing": 0},
    }
    assert checks.nothing_left(coverage) == [
        "nothing is left of train/all: all 4 pictures are missing",
        "nothing is left of train/all: all 5 queries are missing",
        "nothing is left of val/all: all 5 sentences are missing",
        "nothing is left of test images: all 3 are missing",
    ]


@pytest.fixture
def folder(tmp_path):
    made = {"kind": "noise", "size": 32, "csv_sha256": "ab", "files": {"a": "12"}}
    return tiny_photos.write(tmp_path / "photos", provenance=made, licence="MIT").folder


def test_what_has_no_validation_is_told(tmp_path, capsys, monkeypatch):
    told = "no image is for validation, so training on this keeps the last step"
    checks.tell(tiny_photos.write(tmp_path / "photos"))
    assert told not in capsys.readouterr().out
    monkeypatch.setattr(tiny_photos, "SIZES", {"train": 32, "val": 0, "test": 8})
    checks.tell(tiny_photos.write(tmp_path / "none"))
    assert told in capsys.readouterr().out


def test_the_same_is_opened(folder):
    wanted = {"size": 32, "csv_sha256": "ab", "files": {"a": "12"}, "licence": "MIT"}
    assert reopen(folder, wanted).info["name"] == "photos"
    assert reopen(folder, {}).folder == folder


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"size": 16}, "prepared with size 32, now asked for 16"),
        ({"licence": "CC0"}, "prepared with licence 'MIT', now asked for 'CC0'"),
        ({"new": 1}, "prepared with new None, now asked for 1"),
        ({"csv_sha256": "cd"}, "prepared with other csv_sha256"),
        ({"files": {"a": "34"}}, "prepared with other files"),
    ],
)
def test_anything_else_is_refused_in_one_line(folder, wanted, message):
    with pytest.raises(InputError, match=rf"{message}; delete its dataset\.json") as caught:
        reopen(folder, {"size": 32, **wanted})
    assert "\n" not in str(caught.value)
