"""Fashion200k: captions as google/tirg makes them, and what is wrong in a text file is named."""

import pytest
from tiny_fashion200k import (
    DRESS,
    changed,
    path_of,
    prepare,
    refused,
    write_release,
)

from cmir_repro.data.readers import fashion200k


@pytest.fixture
def root(tmp_path, monkeypatch):
    return write_release(tmp_path, monkeypatch)


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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("women/x/1/1_0.jpeg red dress", "1 fields, expected path, score and description"),
        ("women/x/1/1_0.jpeg\tred dress", "2 fields"),
        ("", "1 fields"),
        ("../1_0.jpeg\t0\tred dress", r"'\.\./1_0\.jpeg' is no picture in a folder below"),
        ("women/../../1_0.jpeg\t0\tred dress", ".* is no picture"),
        ("/etc/passwd\t0\tred dress", ".* is no picture"),
        ("women\\..\\..\\1\t0\tred dress", ".* is no picture"),
        ("women/a\0b.jpeg\t0\tred dress", ".* is no picture"),
        ("\t0\tred dress", "'' is no picture"),
        ("women" + 2000 * "/x" + "\t0\tred dress", ".* is no picture"),
    ],
)
def test_a_damaged_line_is_named(root, line, message):
    changed(root, DRESS, lambda lines: lines.insert(2, line))
    refused(root, rf"dress_train_detect_all\.txt, line 3: {message}", partial=True)


def test_a_line_that_is_not_utf8_is_named(root):
    file = root / DRESS
    file.write_bytes(file.read_bytes() + b"women/x/1/1_0.jpeg\t0\tros\xe9 dress\n")
    refused(root, r"dress_train_detect_all\.txt, line 9: not UTF-8", partial=True)


def test_line_ends_and_unusual_spaces_do_not_cut_a_line(root):
    file = root / DRESS
    text = file.read_text(encoding="utf-8").replace("red v. neck", "red\x85v.\u2028neck")
    file.write_bytes(text.replace("\n", "\r\n").encode())
    data = prepare(root, partial=True)
    found = data.images.set_index("image").loc[path_of("train", "dress", 0), "caption"]
    assert found == "red\x85vdotmark\u2028neck dress"
    assert data.images["caption"].str.endswith(fashion200k.CATEGORIES).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b c", "3 fields, expected the paths of source and target"),
        ("a", "1 fields"),
        (
            f"{path_of('test', 'top', 0)} women/no.jpeg",
            r"'women/no\.jpeg' is in no label file of test; 1 of the 16 queries name such",
        ),
        (f"{path_of('train', 'top', 0)} women/no.jpeg", ".*0_0.jpeg' is in no label file"),
    ],
)
def test_a_damaged_or_unknown_query_is_named(root, line, message):
    changed(root, fashion200k.QUERIES, lambda lines: lines.insert(4, line))
    refused(root, rf"test_queries\.txt, line 5: {message}")


def test_a_missing_query_file_is_named(root):
    (root / fashion200k.QUERIES).unlink()
    refused(root, r"test_queries\.txt cannot be read", partial=True)
