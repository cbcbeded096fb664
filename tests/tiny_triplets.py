"""Triplets of a source, captions and a target that can be followed, and features of them."""

import numpy as np

from cmir_repro.evaluation.fashioniq_cirr import Triplets

D = 4
IMAGES = ["a", "b", "c", "d", "e", "f"]
WORDS = ("1", "2", "1 and 2", "2 and 1", "category")


def six() -> Triplets:
    """dress lists a to d, shirt lists c to f: c and d are in both, a is in no triplet."""
    rows = [
        ("dress", "b", "c", "Is red", "longer"),
        ("dress", "c", "d", "is blue", ""),
        ("shirt", "c", "f", "has dots", "is short"),
    ]
    return Triplets(
        ids=np.array(["t0", "t1", "t2"]),
        category=np.array([row[0] for row in rows]),
        source=np.array([row[1] for row in rows]),
        target=np.array([row[2] for row in rows]),
        captions=np.array([row[3:] for row in rows]),
        galleries={"dress": np.array(list("abcd")), "shirt": np.array(list("cdef"))},
    )


def features(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, D)), {name: rng.normal(size=(3, D)) for name in WORDS}


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def cirr() -> Triplets:
    """Seven triplets among 8 images; each was made of 4 of them."""
    rng = np.random.default_rng(0)
    names = np.array([f"i{n}" for n in range(8)])
    members = [rng.choice(names, 4, replace=False) for _ in range(7)]
    return Triplets(
        ids=np.array([f"t{n}" for n in range(7)]),
        category=np.full(7, "all"),
        source=np.array([m[0] for m in members]),
        target=np.array([m[1] for m in members]),
        captions=np.full((7, 1), "another"),
        galleries={"all": names},
        members=[rng.permutation(m) for m in members],
    )


def many(T: int = 400) -> tuple[Triplets, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    names = np.array([f"i{n}" for n in range(60)])
    pairs = np.array([rng.choice(60, 2, replace=False) for _ in range(T)])
    t = Triplets(
        ids=np.array([f"t{n}" for n in range(T)]),
        category=np.array(["dress"] * (T - 100) + ["shirt"] * 100),
        source=names[pairs[:, 0]],
        target=names[pairs[:, 1]],
        captions=np.full((T, 2), "x"),
        galleries={"dress": names, "shirt": names},
    )
    images = rng.normal(size=(60, 16))
    return t, images, images[pairs[:, 1]] + 2.5 * rng.normal(size=(T, 16))
