"""Mutants of raw files for every reader and script; counts go to docs/reliability.md.

    .venv/bin/python tests/benchmarks/bench_fuzz_raw.py [--mutants 1000] [--only NAME ...]

Without --only the page is written, whatever is bad.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from forked_child import forked
from fuzzing import MEGABYTES, SECONDS, Counts, campaign
from raw_files import READERS
from reliability_page import hardware, write_part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=int, default=1000, help="of each")
    parser.add_argument("--only", nargs="*", help="names of readers or scripts")
    given = parser.parse_args()
    found = []
    with pytest.MonkeyPatch.context() as patch:
        forked(patch)
        for name in given.only or READERS:
            kind = READERS[name]
            generator = np.random.default_rng(0)
            counts = campaign(name, kind.seeds, kind.read, given.mutants, generator)
            found.append(counts)
            print(row(counts), flush=True)
            print("".join(f"  {bad}\n" for bad in counts.bad), end="", flush=True)
    if not given.only:
        write_part("Raw files, mutated", page(found))


def row(counts: Counts) -> str:
    return (
        f"| {counts.name} | {counts.tried:,} | {counts.read:,} | {counts.refused:,} "
        f"| {len(counts.bad):,} |"
    )


def page(found: list[Counts]) -> str:
    """The part of docs/reliability.md."""
    head = (
        "Files of releases and of users, changed at random in bytes and structure. A mutant must "
        "give a valid value, or one line that names the file; bad is all else: a traceback, over "
        f"{SECONDS:g} s, over {MEGABYTES:,.0f} MB above its size, a file written elsewhere, a "
        "crash. Pickles and .mat files are read in a child process, forked here."
    )
    lines = ["| reader | mutants | read | refused | bad |", "| --- | ---: | ---: | ---: | ---: |"]
    command = "`tests/benchmarks/bench_fuzz_raw.py`"
    return "\n".join(
        [head, "", *lines, *map(row, found), "", f"Made by {command} on {hardware()}."]
    )


if __name__ == "__main__":
    main()
