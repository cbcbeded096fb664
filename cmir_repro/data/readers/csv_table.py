"""CSV files from elsewhere: words stay words."""

from pathlib import Path

import pandas as pd

from cmir_repro.core.errors import InputError

NO_VALUE = ("", "na", "n/a", "nan", "null")  # what tables write where they know nothing


def read_csv(file: Path) -> pd.DataFrame:
    """The CSV as strings without blanks around them; nothing is taken for a number or a gap.

    Raises:
        InputError: the file is missing, no CSV in UTF-8, or empty.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = pd.read_csv(lines, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise InputError(f"{file} is no readable CSV file in UTF-8 ({reason})") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{file}: rows have more fields than the first line; quote the commas")
    if table.empty:
        raise InputError(f"{file} has no rows")
    table.columns = table.columns.str.strip()
    return table.apply(lambda column: column.str.strip())
