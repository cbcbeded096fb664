"""Readers of tags and categories: written-out loops as oracles, and every kind of damage."""

import tracemalloc

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import tags as tag_files

MATRIX = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1]], dtype=np.uint8)


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def matrix_text(matrix, blank="\t", end="\n", last="\n"):
    return end.join(blank.join(map(str, row)) + blank for row in matrix.tolist()) + last


def refused(message, read, *arguments):
    with pytest.raises(InputError, match=message) as caught:
        list(read(*arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("chunk", [11, 20, 1000])
@pytest.mark.parametrize("blank", ["\t", " ", "  "])
@pytest.mark.parametrize(("end", "last"), [("\n", "\n"), ("\r\n", "\r\n"), ("\n", "")])
def test_a_matrix_is_read_whatever_the_pieces_and_blanks(tmp_path, chunk, blank, end, last):
    file = written(tmp_path / "m.txt", matrix_text(MATRIX, blank, end, last))
    pieces = list(tag_files.zeros_and_ones(file, 3, chunk))
    assert all(piece.dtype == np.uint8 and piece.shape[1] == 3 for piece in pieces)
    assert np.concatenate(pieces).tolist() == MATRIX.tolist()
    assert len(pieces) > 1 or chunk == 1000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"0\t2\t1", r"line 4: '2', expected 0 or 1"),
        (b"0\t-1\t1", r"line 4: '-1', expected 0 or 1"),
        (b"0\t01\t1", r"line 4: '01', expected 0 or 1"),
        (b"0\t11", r"line 4: '11', expected 0 or 1"),
        (b"0\t1,1\t1", r"line 4: '1,1', expected 0 or 1"),
        (b"0\t\xff\t1", r"line 4: '.', expected 0 or 1"),
        (b"0\t1", r"line 4: 2 numbers, expected 3"),
        (b"0\t1\t1\t0", r"line 4: 4 numbers, expected 3"),
        (b"", r"line 4: 0 numbers, expected 3"),
        (b"\0\t1\t1", r"line 4: .*expected 0 or 1"),
    ],
)
@pytest.mark.parametrize("chunk", [12, 1000])
def test_a_damaged_line_is_named(tmp_path, line, message, chunk):
    rows = matrix_text(MATRIX).encode().splitlines()
    rows[3] = line
    file = written(tmp_path / "AllTags1k.txt", b"\n".join(rows) + b"\n")
    refused(f"AllTags1k.txt, {message}; get it again", tag_files.zeros_and_ones, file, 3, chunk)


def test_lines_that_make_up_for_one_another_are_refused(tmp_path):
    file = written(tmp_path / "m.txt", "0 1\n0 1 1 1\n")  # six numbers, as two lines of three
    refused("line 1: 2 numbers, expected 3", tag_files.zeros_and_ones, file, 3)


def test_a_line_without_end_is_not_held(tmp_path):
    file = written(tmp_path / "m.txt", "0 1 1\n" + "0 " * 5000)
    refused("line 2 has over 100 bytes", tag_files.zeros_and_ones, file, 3, 100)
    refused("does not exist", tag_files.zeros_and_ones, tmp_path / "no", 3)
    refused("cannot be read", tag_files.zeros_and_ones, tmp_path, 3)


def test_memory_does_not_grow_with_the_file(tmp_path):
    one = b"0\t" * 999 + b"1\t\n"
    file = written(tmp_path / "m.txt", one * 5000)  # 10 MB
    tracemalloc.start()
    rows = sum(len(piece) for piece in tag_files.zeros_and_ones(file, 1000, 2**16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 5000
    assert peak < 1_000_000


def test_the_damaged_label_of_nus_wide_is_found_where_it_is(tmp_path):
    """Line 78,372 of Groundtruth/TrainTestLabels/Labels_lake_Train.txt as released."""
    values = ["0"] * 161_789
    values[78_371] = "-1130179"
    file = written(tmp_path / "Labels_lake_Train.txt", "\n".join(values) + "\n")
    refused(r"Labels_lake_Train.txt, line 78,372: '-1130179'", tag_files.column, file)
    values[78_371] = "1"
    found = tag_files.column(written(file, "\n".join(values) + "\n"))
    assert found.dtype == bool
    assert np.flatnonzero(found).tolist() == [78_371]
    assert len(found) == 161_789
    assert tag_files.column(written(file, "")).shape == (0,)


def test_wanted_rows_with_a_tag_against_a_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(tag_files.zeros_and_ones, "__defaults__", (64,))
    rng = np.random.default_rng(0)
    matrix = (rng.random((50, 10)) < 0.1).astype(np.uint8)
    wanted = rng.random(50) < 0.5
    file = written(tmp_path / "m.txt", matrix_text(matrix))
    rows, text, ones = tag_files.rows_with_tags(file, 10, wanted)
    expected = [row for row in range(50) if wanted[row] and 1 in matrix[row].tolist()]
    assert 0 < len(expected) < wanted.sum() < 50
    assert rows.tolist() == expected
    assert text.shape == (len(expected), 2)  # 10 tags are 2 bytes
    assert tag_files.unpacked(text, 10).tolist() == [matrix[row].tolist() for row in expected]
    assert ones == sum(map(sum, matrix.tolist()))
    for other in (wanted[:-1], np.append(wanted, True)):
        with pytest.raises(InputError, match=f"has 50 lines, expected {len(other)}"):
            tag_files.rows_with_tags(file, 10, other)


def test_names_keep_their_order_and_are_distinct(tmp_path):
    file = written(tmp_path / "TagList1k.txt", "nature\r\nsky\nnew york \n")
    assert tag_files.names(file) == ["nature", "sky", "new york"]
    counted = written(tmp_path / "common_tags.txt", "sky 845\r\nwater\t641\ncafé 20\n")
    assert tag_files.names(counted, counted=True) == ["sky", "water", "café"]
    refused("line 3: 'sky' is in line 1 too", tag_files.names, written(file, "sky\nsea\nsky\n"))
    refused("line 2: '', expected a name", tag_files.names, written(file, "sky\n\nsea\n"))
    refused("is empty", tag_files.names, written(file, ""))
    refused("no whole text file", tag_files.names, written(file, b"caf\xe9\n"))
    for line in ("sky", "sky many", " 845", "845", ""):
        bad = written(counted, f"water 641\n{line}\n")
        refused("line 2: .*, expected a name and a number", tag_files.names, bad, True)


def test_tags_of_pictures_against_a_loop(tmp_path):
    words = ["sky", "sea", "nikon"]
    listed = [["sea", "rare", "sky", "sea"], [], ["rare"], ["nikon"]]
    files = [
        written(tmp_path / f"tags{n}.txt", "".join(f"{tag}\r\n" for tag in row))
        for n, row in enumerate(listed, start=1)
    ]
    found = tag_files.tags(files, words)
    assert found.dtype == np.uint8
    assert found.tolist() == [[int(word in row) for word in words] for row in listed]
    refused("tags9.txt does not exist", tag_files.tags, [tmp_path / "tags9.txt"], words)


def test_members_are_numbers_from_one(tmp_path):
    file = written(tmp_path / "baby.txt", "1\r\n25000\n17\n")
    assert tag_files.members(file).tolist() == [1, 25000, 17]
    assert tag_files.members(written(file, "")).tolist() == []
    for line in ("0", "-3", "1.5", "im7", "", "9" * 30, "²"):
        bad = written(file, f"5\n{line}\n7\n")
        refused("baby.txt, line 2: .*, expected the number", tag_files.members, bad)
