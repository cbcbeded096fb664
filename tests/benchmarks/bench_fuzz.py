"""Mutants of the package's own files, a thousand a reader; counts go to docs/reliability.md.

    python tests/benchmarks/bench_fuzz.py [--mutants 1000] [--workers 2] [--only WORDS] [--dry]

Ends with an error if a mutant led to anything but a valid value or one line; see tests/fuzzing.py.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzzing import CHARACTERS, MEGABYTES, SECONDS, Counts
from generated_page import hardware, write_part
from own_files import Reader, readers

SEED = 0
made: dict[str, Reader] = {}  # what the processes of the pool inherit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--only", default="", help="readers with these words in their names")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="leave the page as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made.update(readers(Path(folder)))
        names = [name for name in made if options.only in name]
        with ProcessPoolExecutor(options.workers, get_context("fork")) as pool:
            every = []
            for counts in pool.map(partial(tried, mutants=options.mutants), names):
                every.append(counts)
                print(row(counts), *counts.bad[:20], sep="\n  ", flush=True)
    if not (options.dry or options.only):
        write_part("Mutated files", markdown(every))
    if any(counts.bad for counts in every):
        sys.exit("some mutants were neither read nor refused in one line")


def tried(name: str, mutants: int) -> Counts:
    generator = np.random.default_rng([SEED, list(made).index(name)])
    return made[name].campaign(name, mutants, generator)


def row(counts: Counts) -> str:
    numbers = f"{counts.tried:,} | {counts.read:,} | {counts.refused:,} | {len(counts.bad):,}"
    return f"| {counts.name} | {numbers} | {counts.slowest:.1f} |"


def markdown(every: list[Counts]) -> str:
    return "\n".join(
        [
            "Valid files of the package's own were changed at random: bits and bytes, pieces cut, "
            "doubled, moved or zeroed, keys of JSON dropped, retyped or nested 20,000 deep, "
            "numbers of thousands of digits, tensors left out and the file sealed again. A mutant "
            "is read, as what still fits its schema, or refused by one line of at most "
            f"{CHARACTERS} characters that names the file. Bad is all else: a traceback, a crash, "
            f"over {SECONDS:.0f} s, over {MEGABYTES:,.0f} MB above the file's size, a file left "
            "behind.",
            "",
            "| reader | mutants | read | refused | bad | slowest, s |",
            "|---|---|---|---|---|---|",
            *map(row, every),
            "",
            f"`python tests/benchmarks/bench_fuzz.py`, seed {SEED}, on {hardware()}.",
        ]
    )


if __name__ == "__main__":
    main()
