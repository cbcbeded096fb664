"""CSV files of any origin become words in columns."""

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.files import read_csv


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
        (b"a\n\xff\n", "UTF-8"),
        (b"a,b\n", "has no rows"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_csv(file)
    assert "\n" not in str(caught.value)
