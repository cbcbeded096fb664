"""Time and memory of the tag matrix at NUS-WIDE's size, beside a row by row reading.

    python tests/benchmarks/bench_tags.py

A made-up AllTags1k.txt of 269,648 lines of 1,000 numbers (539 MB, in the folder for temporary
files) with as many ones as the real one; 195,834 lines are wanted, as for the 21 categories.
"""

import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from cmir_repro.data.readers import tags as tag_files

IMAGES, WANTED, TAGS, ONES = 269_648, 195_834, 1_000, 1_559_464
NAIVE = 5_000  # lines that are read row by row
LIMITS = {"memory in MB": 1000.0}


def make(path: Path, rng: np.random.Generator) -> None:
    """Numbers apart by tabs, and a tab before the end of each line, as released."""
    with path.open("wb") as file:
        for start in range(0, IMAGES, 4096):
            count = min(4096, IMAGES - start)
            lines = np.full((count, TAGS, 2), ord("\t"), dtype=np.uint8)
            ones = rng.random((count, TAGS), dtype=np.float32) < ONES / IMAGES / TAGS
            lines[..., 0] = ord("0") + ones
            end = np.full((count, 1), ord("\n"), dtype=np.uint8)
            file.write(np.concatenate([lines.reshape(count, -1), end], axis=1).tobytes())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def main() -> None:
    rng = np.random.default_rng(0)
    wanted = np.zeros(IMAGES, dtype=bool)
    wanted[rng.permutation(IMAGES)[:WANTED]] = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "AllTags1k.txt"
        make(path, rng)
        print(f"{path.stat().st_size / 1e6:.0f} MB, {IMAGES:,} lines; limits {LIMITS}")
        before, start = peak_mb(), time.perf_counter()
        rows, text, ones = tag_files.rows_with_tags(path, TAGS, wanted)
        seconds = time.perf_counter() - start
        print(f"kept {len(rows):,} of {WANTED:,}, in {text.nbytes / 1e6:.0f} MB; {ones:,} ones")
        print(f"  pieces      {seconds:6.2f} s  {peak_mb():6.0f} MB in all, {before:.0f} MB before")
        start = time.perf_counter()
        with path.open() as file:
            naive = np.array([[int(x) for x in line.split()] for line in islice(file, NAIVE)])
        naive_seconds = (time.perf_counter() - start) * IMAGES / NAIVE
        share = naive_seconds / seconds
        print(
            f"  row by row  {naive_seconds:6.2f} s, from {NAIVE:,} lines: {share:.0f} times as long"
        )
        first = tag_files.unpacked(text[rows < NAIVE], TAGS)
        same = (first == naive[rows[rows < NAIVE]]).all()
        print(f"  the same rows: {bool(same)}")


if __name__ == "__main__":
    main()
