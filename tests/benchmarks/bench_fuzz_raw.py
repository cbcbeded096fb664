"""Mutants of raw files for every reader and script; counts go to docs/reliability.md.

    python tests/benchmarks/bench_fuzz_raw.py

With --only NAME ... some are tried, and the page is left as it is.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pytest
from forked_child import forked
from fuzzing import FOLDER, MEGABYTES, SECONDS, Counts, campaign
from generated_page import hardware, write_part
from raw_files import READERS
from raw_scripts import SCRIPTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=int, default=1000, help="of each reader")
    parser.add_argument("--of-scripts", type=int, default=150, help="of each script's files")
    parser.add_argument("--only", nargs="*", help="names of readers or scripts")
    given = parser.parse_args()
    found = []
    with pytest.MonkeyPatch.context() as patch:
        forked(patch)
        for name in given.only or [*READERS, *SCRIPTS]:
            found.append(tried(name, given.mutants if name in READERS else given.of_scripts))
            print(row(found[-1]), flush=True)
            print("".join(f"  {bad}\n" for bad in found[-1].bad), end="", flush=True)
    if not given.only:
        write_part("Raw files, mutated", page(found))


def tried(name: str, mutants: int) -> Counts:
    generator = np.random.default_rng(0)
    if name in READERS:
        return campaign(name, READERS[name].seeds, READERS[name].read, mutants, generator)
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / FOLDER
        beside.mkdir()
        script = SCRIPTS[name]
        seeds = script.seeds(beside)
        return campaign(f"script: {name}", seeds, script.read, mutants, generator, beside=beside)


def row(counts: Counts) -> str:
    return (
        f"| {counts.name} | {counts.tried:,} | {counts.read:,} | {counts.refused:,} "
        f"| {len(counts.bad):,} |"
    )


def page(found: list[Counts]) -> str:
    """The part of docs/reliability.md."""
    head = (
        "Files of releases and of users, changed at random in bytes and structure; of a script all "
        "files of a tiny release, but for its pictures, in turn. A mutant must give a valid value "
        "or one line that names the file; bad is all else: a traceback, over "
        f"{SECONDS:g} s, over {MEGABYTES:,.0f} MB above its size, a file written elsewhere, a "
        "crash. Pickles and .mat files are read in a child process, which is forked here."
    )
    lines = ["| reader | mutants | read | refused | bad |", "| --- | ---: | ---: | ---: | ---: |"]
    made = f"Made by `tests/benchmarks/bench_fuzz_raw.py` on {hardware()}."
    return "\n".join([head, "", *lines, *map(row, found), "", made])


if __name__ == "__main__":
    main()
