"""Which training queries make up a batch: a function of seed and step, so any step can be redone.

A dictionary from name to sampler; each is called as `sampler(sources, batch, seed, step)`.
"""

import numpy as np


def shuffled(sources: np.ndarray, batch: int, seed: int, step: int) -> np.ndarray:
    """Every query once an epoch in random order; an incomplete last batch is dropped.

    Args:
        sources: (Q,) int64, each query's source image.
        batch: queries a step, at most Q.
        seed, step: what the draw depends on, besides Q.

    Returns:
        (batch,) int64, query numbers.
    """
    epoch, place = divmod(step, len(sources) // batch)
    order = generator_of(seed, epoch).permutation(len(sources))
    return order[place * batch : (place + 1) * batch]


def same_source_pairs(sources: np.ndarray, batch: int, seed: int, step: int) -> np.ndarray:
    """TIRG's order for CSS: a random query, then another one of the same source, and so on.

    Arguments and result as in `shuffled`. A source with one query only is followed by itself.
    """
    rng = generator_of(seed, step)
    first = rng.integers(len(sources), size=(batch + 1) // 2)
    order = np.argsort(sources, kind="stable")  # queries, source by source
    start = np.searchsorted(sources[order], sources[first])
    stop = np.searchsorted(sources[order], sources[first], side="right")
    place = np.empty(len(sources), dtype=np.int64)
    place[order] = np.arange(len(sources))
    # A step of 1 .. n-1 places around the source's own queries never lands on the query itself.
    hop = 1 + (rng.random(len(first)) * np.maximum(stop - start - 1, 0)).astype(np.int64)
    second = order[start + (place[first] - start + hop) % (stop - start)]
    return np.stack([first, second], axis=1).reshape(-1)[:batch]


SAMPLERS = {"shuffled": shuffled, "same-source-pairs": same_source_pairs}


def generator_of(seed: int, count: int) -> np.random.Generator:
    """The generator of a step (or epoch) of a run: the same whenever it is asked for."""
    return np.random.Generator(np.random.Philox(key=[seed, count]))
