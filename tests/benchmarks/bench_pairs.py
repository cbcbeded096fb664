"""Time and memory of the sibling index at Fashion200k's size, and pairs a second.

    python tests/benchmarks/bench_pairs.py

172,049 made-up captions, 53,099 of them distinct, of four to six Zipf-distributed words.
"""

import resource
import time

import numpy as np
import pandas as pd

from cmir_repro.data import training_pairs

IMAGES, DISTINCT, WORDS = 172_049, 53_099, 4_000
LIMITS = {"seconds": 5.0, "memory in MB": 2000.0, "pairs a second": 100_000}


def captions(rng: np.random.Generator) -> np.ndarray:
    """(IMAGES,) str; half of the distinct ones are another one with one word exchanged."""
    chance = 1 / np.arange(1, WORDS + 1)
    drawn = rng.choice(WORDS, size=(2 * DISTINCT, 6), p=chance / chance.sum())
    drawn = np.repeat(drawn, 2, axis=0)
    place = rng.integers(4, size=2 * DISTINCT)
    drawn[np.arange(1, len(drawn), 2), place] = rng.choice(WORDS, size=2 * DISTINCT)
    lengths = np.repeat(rng.integers(4, 7, size=2 * DISTINCT), 2)
    made = dict.fromkeys(
        " ".join(f"word{i}" for i in row[:length])
        for row, length in zip(drawn.tolist(), lengths, strict=True)
    )
    distinct = np.array(list(made)[:DISTINCT], dtype=object)
    return np.concatenate([distinct, distinct[rng.integers(DISTINCT, size=IMAGES - DISTINCT)]])


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def main() -> None:
    images = pd.DataFrame({"caption": captions(np.random.default_rng(0))})
    print(f"{len(images):,} captions, {images['caption'].nunique():,} distinct; limits {LIMITS}")
    for removal in training_pairs.REMOVALS:
        before, start = peak_mb(), time.perf_counter()
        rule = {"rule": "siblings", "column": "caption", "removal": removal}
        index = training_pairs.build(rule, images)
        built = time.perf_counter() - start
        print(f"{removal:9}  images with a sibling {len(index.sources):,}")
        print(f"  index    {built:6.2f} s  {peak_mb() - before:6.0f} MB beyond {before:.0f} MB")
        for batch in (32, 256, 4096):
            rng, steps = np.random.default_rng(0), max(1, 100_000 // batch)
            start = time.process_time()  # of one core: no thread is started
            for _ in range(steps):
                index.draw(batch, rng)
            rate = batch * steps / (time.process_time() - start)
            print(f"  batches of {batch:4}: {rate:10,.0f} pairs a second")


if __name__ == "__main__":
    main()
