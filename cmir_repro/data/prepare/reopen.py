"""A second run of a script opens what the first one prepared, if it asks for the same."""

from collections.abc import Mapping
from pathlib import Path

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepared import Prepared


def reopen(folder: Path, wanted: Mapping[str, object]) -> Prepared:
    """The prepared data set in `folder`.

    Args:
        wanted: values that its dataset.json must hold, itself or under "provenance".

    Raises:
        InputError: a value differs, or the data set is damaged.
    """
    found = Prepared(folder)
    is_now = {**found.info, **found.info["provenance"]}
    for key, value in wanted.items():
        before = is_now.get(key)
        if before != value:
            # A digest, or a table of them, tells the reader nothing.
            short = "sha256" not in key and not isinstance(value, dict)
            what = f"{key} {before!r}, now asked for {value!r}" if short else f"other {key}"
            raise InputError(
                f"{paths.shown(folder)} was prepared with {what}; delete its dataset.json first "
                "(pixels that stay the same are kept)"
            )
    return found
