"""The layout of UMAP: points of a graph of neighbours, pulled along its edges and pushed apart.

The updates are those of McInnes et al. 2018, algorithm 5, as umap-learn makes them, for a plane and
in single precision. That takes less than half of the time: powers, which would be more than half of
this loop's, are read from tables, and random rows need no division. One thread, so that a machine
repeats itself.
"""

import numpy as np
from scipy.sparse import sparray, spmatrix

from cmir_repro.evaluation.kernels import compiled

REPEL = 5  # random points that an edge's point is pushed from whenever the edge pulls
_PARTS = 1 << 11  # of the table of mantissas: linear between them, wrong by less than 1e-7


def layout(
    graph: spmatrix | sparray,
    start: np.ndarray,
    a: float,
    b: float,
    epochs: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Places of the points after so many epochs.

    Args:
        graph: (N, N), sparse and symmetric, weights of edges in (0, 1]; an edge pulls in as many of
            the epochs as its weight is of the largest.
        start: (N, 2) places, about 10 wide, as umap-learn scales them.
        a: of the similarity 1 / (1 + a d^(2b)) of two points at distance d.
        b: its exponent.

    Returns:
        (N, 2) float32.
    """
    edges = graph.tocoo()
    kept = edges.data * epochs >= edges.data.max()  # others never pull
    head, tail, weights = edges.row[kept], edges.col[kept], edges.data[kept]
    places = np.array(start, dtype=np.float32, order="C")
    _epochs(
        places,
        head.astype(np.int64),
        tail.astype(np.int64),
        (weights.max() / weights).astype(np.float64),
        np.float32(a),
        np.float32(b),
        *_tables(b),
        int(epochs),
        np.uint64(generator.integers(1, 1 << 32)),
    )
    return places


def _tables(b: float) -> tuple[np.ndarray, np.ndarray]:
    """Powers 2^(e b) of all exponents e of single precision, and m^b of mantissas m in [1, 2]."""
    exponents = np.exp2((np.arange(256) - 127.0) * b)
    mantissas = (1 + np.arange(_PARTS + 1) / _PARTS) ** b
    return exponents.astype(np.float32), mantissas.astype(np.float32)


@compiled
def _epochs(places, head, tail, period, a, b, exponents, mantissas, epochs, state):
    one, four, near = np.float32(1), np.float32(4), np.float32(0.001)
    pull, push = np.float32(-2) * a * b, np.float32(2) * b
    N, low = np.uint64(len(places)), np.uint64(0xFFFFFFFF)
    pause = period / REPEL  # epochs from push to push
    due, pushed = period.copy(), pause.copy()
    for epoch in range(epochs):
        step = np.float32(1 - epoch / epochs)
        for edge in range(len(head)):
            if due[edge] > epoch:
                continue
            i, j = head[edge], tail[edge]
            x, y = places[i, 0], places[i, 1]
            for turn in range(-1, int((epoch - pushed[edge]) / pause[edge])):
                if turn >= 0:  # a random row, by xorshift (Marsaglia 2003) of 32 bits
                    state ^= (state << np.uint64(13)) & low
                    state ^= state >> np.uint64(17)
                    state ^= (state << np.uint64(5)) & low
                    j = np.int64((state * N) >> np.uint64(32))
                    pushed[edge] += pause[edge]
                    if i == j:
                        continue
                dx, dy = x - places[j, 0], y - places[j, 1]
                square = dx * dx + dy * dy
                if square == 0:
                    continue
                # square^b: by the table of exponents, and along the line between two mantissas.
                bits = np.float32(square).view(np.uint32)
                at = np.int64(bits >> np.uint32(12)) & np.int64(0x7FF)
                part = np.float32(bits & np.uint32(0xFFF)) * np.float32(1 / 4096)
                power = mantissas[at] + part * (mantissas[at + 1] - mantissas[at])
                power *= exponents[np.int64(bits >> np.uint32(23))]
                if turn < 0:
                    force = pull * power / (square * (a * power + one))
                else:
                    force = push / ((near + square) * (a * power + one))
                dx = min(max(force * dx, -four), four) * step
                dy = min(max(force * dy, -four), four) * step
                x += dx
                y += dy
                if turn < 0:
                    places[j, 0] -= dx
                    places[j, 1] -= dy
            due[edge] += period[edge]
            places[i, 0], places[i, 1] = x, y
