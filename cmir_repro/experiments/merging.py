"""Records of one ledger into another: of several machines, or a user's into the committed one."""

import shutil
from pathlib import Path

from cmir_repro.core.errors import InputError, first
from cmir_repro.core.files import atomic
from cmir_repro.experiments import ledger, query_table


def merge(source: Path, into: Path) -> list[str]:
    """Copy the records of one ledger, with queries and logs, into another.

    What both hold already is left as it is. Everything is checked before anything is copied, and
    each record is copied after its queries and log, so that no record lacks them.

    Returns:
        The names of the runs that were copied.

    Raises:
        InputError: `source` has no records or a damaged one, or runs that `into` holds with
            another content, which are all counted; then nothing is copied.
    """
    paths_of = sorted((Path(source) / "records").glob("*.json"))
    if not paths_of:
        raise InputError(f"{source} is no ledger: there is no record in {source}/records")
    holds = {path.stem: _holds(Path(into), path) for path in paths_of}
    if different := [run for run, same in holds.items() if same is False]:
        raise InputError(
            f"{source} and {into} hold different records of one run, {len(different):,} times: "
            f"{first(different)}; remove one of each; nothing is copied"
        )
    new = [run for run, same in holds.items() if same is None]
    for run in new:
        for file in (ledger.file_of(part, run) for part in ledger.PARTS):
            if (Path(source) / file).exists():  # of a search there are no queries
                with atomic(Path(into) / file) as temporary:
                    shutil.copyfile(Path(source) / file, temporary)
    return new


def _holds(into: Path, path: Path) -> bool | None:
    """Whether a ledger holds the same record, or another one of the run; None: it holds none."""
    run, source = path.stem, path.parent.parent
    record, queries = ledger.read_record(path), ledger.file_of("queries", run)
    table = None if record.kind == "search" else query_table.read(source / queries)
    if not (source / ledger.file_of("logs", run)).exists():
        raise InputError(f"{path} has no log beside it; run {run} again")
    there = ledger.record_file(into, run)
    if not there.exists():
        return None
    same = ledger.read_record(there) == record
    return same and (table is None or query_table.read(into / queries).equals(table))
