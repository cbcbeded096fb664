"""DSCMR's rule for Wikipedia, written out: pictures against the texts of all pairs, and back."""

import numpy as np
import pytest

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import labels

# Wikipedia has 693 test pairs; among so many, cosines fall within the tolerance of ties by chance.
PAIRS, CLASSES = 60, 10


def by_loop(queries, database, classes):
    """Mean of the precisions at right answers, over the whole ranking by cosine."""
    values = []
    for i, query in enumerate(queries):
        order = np.argsort(-(database @ query), kind="stable")
        found, precisions = 0, 0.0
        for place, j in enumerate(order, start=1):
            if classes[j] == classes[i]:
                found += 1
                precisions += found / place
        values.append(precisions / found if found else 0.0)
    return 100 * np.mean(values)


def test_pictures_against_the_texts_of_their_pairs():
    draw = np.random.default_rng(0)
    classes = draw.integers(CLASSES, size=PAIRS)
    centre = draw.normal(size=(CLASSES, 16))
    sides = [centre[classes] + 2 * draw.normal(size=(PAIRS, 16)) for _ in range(2)]
    sides = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    of = classes[:, None] == np.arange(CLASSES)
    for queries, database in (sides, sides[::-1]):
        _, result = labels.score(queries, database, of, of, preset("map-pairs"))
        wanted = by_loop(queries, database, classes)
        assert result["metrics"]["MAP@all"]["value"] == pytest.approx(wanted, abs=1e-6)
        assert result["gallery"] == PAIRS
