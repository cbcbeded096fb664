"""CSV files of any origin become words in columns."""

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import files
from cmir_repro.data.readers.files import ids_of, inside_path, lines, located, read_csv, read_json


def test_words_stay_words_and_blanks_at_their_ends_go(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("\ufeff id ,colour\n007, red \nNA,\n".encode())
    table = read_csv(file)
    assert list(table.columns) == ["id", "colour"]
    assert table.to_numpy().tolist() == [["007", "red"], ["NA", ""]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no readable CSV"),
        (b"a,b\n1,2,3\n", "more fields than the first line"),
        (b"a\n\xff\n", "byte 0xff on line 2 is not UTF-8, perhaps Windows-1252"),
        ("a,b\n1,2\n".encode("utf-16"), "it looks like UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "it looks like UTF-16"),
        (b"id, id,b\n1,2,3\n", "the column 'id' 2 times"),
        (b",".join([b"a"] * 10_001) + b"\n1\n", "10,001 columns"),
        (b"a,b;c\n1,2\n", "say with --separator"),
        (b"a,b\n1,2\n3,4,5\n", "line 3: rows have more"),
        (b'a,b\n1,2\n3,"open\n4,5\n', "line 3: is no readable CSV"),
        (b"a,b\n", "has no rows"),
        (b"a,b\n1,2\n3," + b"x" * 131_073 + b"\n", "line 3: a field has more than 131,072 ch"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_csv(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_separator_is_seen_from_the_header_or_given(tmp_path, sign):
    file = tmp_path / "a.csv"
    file.write_text(f"id{sign} text\n1{sign} a b\n2\n")
    for given in (None, "tab" if sign == "\t" else sign):
        table = read_csv(file, ("id", "text"), given)
        assert table.to_numpy().tolist() == [["1", "a b"], ["2", ""]]
    file.write_text(f"sep={sign}\n" + file.read_text())
    assert read_csv(file).to_numpy().tolist() == [["1", "a b"], ["2", ""]]
    with pytest.raises(InputError, match="column 'name' is unknown; allowed: id, text"):
        read_csv(file, ("name",))
    with pytest.raises(InputError, match=r"':' is unknown; allowed: comma, semicolon, tab, bar$"):
        read_csv(file, separator=":")


def swallowing(first: int, last: int) -> str:
    """Twenty rows, of which one opens a quote that the other closes."""
    rows = [f"p{n}.jpg,a dog {n}" for n in range(20)]
    rows[first], rows[last] = f'p{first}.jpg,"red top', f'p{last}.jpg,blue top"'
    return "image,caption\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        swallowing(3, 9),
        swallowing(3, 4),
        swallowing(3, 9).replace("blue", '"blue'),  # as one text in quotes
        swallowing(3, 9).replace('top"', "top"),  # never closed
    ],
)
def test_a_quote_that_swallows_rows_is_refused_with_its_line(tmp_path, text):
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=r"a\.csv, line 5: ") as caught:
        read_csv(file)
    assert "\n" not in str(caught.value)


def test_texts_of_several_lines_are_read_and_told(tmp_path, capsys):
    file = tmp_path / "a.csv"
    file.write_text('id,text\n1,"Hello,\nworld, and so on"\n2,"5"" heels"\n3,a 5" heel\n\n')
    texts = read_csv(file)["text"].tolist()
    assert texts == ["Hello,\nworld, and so on", '5" heels', 'a 5" heel']
    assert "3 rows, of which 1 go over several lines, first on line 2" in capsys.readouterr().out


def test_json_and_lists_with_a_byte_order_mark_are_read(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes('\ufeff["é"]'.encode())
    assert read_json(file, list) == ["é"]
    assert lines(file) == ['["é"]']


@pytest.mark.parametrize("read", [lambda path: read_json(path, list), lines])
def test_other_encodings_are_named(tmp_path, read):
    file = tmp_path / "a.json"
    file.write_bytes('["é"]'.encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16, not UTF-8"):
        read(file)
    file.write_bytes('[\n"é"]'.encode("latin-1"))
    with pytest.raises(InputError, match=r"byte 0xe9 on line 2 .* Latin-1"):
        read(file)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("shoe.v2", "shoe.v2"),
        ("shoe.v2.JPG", "shoe.v2"),
        ("a.b/q.0", "a.b/q.0"),
        ("./c.webp", "c"),
        ("B0 [1] (2)-x", "B0 [1] (2)-x"),
        ("cafe\u0301.png", "caf\u00e9"),
    ],
)
def test_only_endings_of_pictures_are_endings(name, path):
    assert inside_path("f", name) == located("f", name) == path


@pytest.mark.parametrize(
    "name", ["", ".", "._a.jpg", "a/.jpg", " a", "a\n", "a\x00b", "C:a", "a/ /b"]
)
def test_what_no_picture_is_called_is_refused(name):
    with pytest.raises(InputError, match=r"file name|no path inside"):
        located("f", name)


def test_ids_keep_folders_where_names_are_not_enough():
    assert ids_of(["a/1", "b/2"]) == ["1", "2"]
    assert ids_of(["a/1", "b/1", "2"]) == ["a/1", "b/1", "2"]


def test_csv_values_are_composed_and_without_invisible_signs(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("cafe\u0301,b\n\u200brose\u0301\ufeff,\u200d\n", encoding="utf-8")
    table = read_csv(file, ["caf\u00e9"])
    assert table.to_numpy().tolist() == [["ros\u00e9", "\u200d"]]


@pytest.mark.parametrize("path", [".", "", "/a.jpg", "a/../b", "a\\b", 7])
def test_a_path_to_no_file_inside_is_refused(path):
    with pytest.raises(InputError, match="is no path inside the folder"):
        inside_path("f", path)


def test_a_column_of_splits_is_one_however_it_is_written(tmp_path):
    csv, splits = tmp_path / "t.csv", ["train", "val", "test"]
    for name in ("split", "Split", "SPLIT"):
        csv.write_text(f"id,{name}\na,Train\nb,dev\nc,TEST\n")
        assert files.own_splits(csv, files.read_csv(csv)).tolist() == splits
        assert files.own_splits(csv, files.read_csv(csv), (name,)) is None
    csv.write_text("id,split,Split\na,train,test\n")
    with pytest.raises(InputError, match=r"t.csv has the columns split and Split; keep one"):
        files.own_splits(csv, files.read_csv(csv))


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"a": 1}\n{"a": 2}\n', "JSON lines; write one list"), ('[{"a": 1}, ', "get it again"),
     ("a,b\n1,2\n", "of another format")],
)  # fmt: skip
def test_a_refusal_of_json_says_what_helps(tmp_path, text, message):
    path = tmp_path / "k.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        files.read_json(path, list)
