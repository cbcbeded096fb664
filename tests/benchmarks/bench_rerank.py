"""Time and memory of `rerank` with a cheap matcher, against the bare matrix products.

    python tests/benchmarks/bench_rerank.py [--small]

The full size is COCO's test split: 5,000 images, 25,000 sentences, the first 256 of each.
"""

import argparse
import resource
import time

import numpy as np

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation.rerank import rerank


def products(images: np.ndarray, sentences: np.ndarray) -> None:
    """What any exact ranking in both directions must do, in blocks of the same 32 MB."""
    for queries, gallery in ((images, sentences), (sentences, images)):
        block = max(1, 2**23 // len(gallery))
        for start in range(0, len(queries), block):
            queries[start : start + block] @ gallery.T


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def seconds(call, *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a 25th of the work, seconds")
    name, G, k = (
        ("flickr30k-1k", 1000, 128) if parser.parse_args().small else ("coco-5k", 5000, 256)
    )
    E, width = 256, 16
    r = np.random.default_rng(0)
    image_of = np.repeat(np.arange(G), 5)
    images = r.standard_normal((G, E), dtype=np.float32)
    sentences = images[image_of] + 4 * r.standard_normal((5 * G, E), dtype=np.float32)
    small_i, small_s = images[:, :width].copy(), sentences[:, :width].copy()
    calls = []  # pairs and seconds of each

    def match(i: np.ndarray, s: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        scores = np.einsum("pd,pd->p", small_i[i], small_s[s])
        calls.append((len(i), time.perf_counter() - start))
        return scores

    case = (images, sentences, image_of, match, preset(name), k, "itm")
    before = peak_mb()
    rerank(*case)  # first, so that no other step has raised the peak
    beyond = peak_mb() - before
    pairs, matching = np.sum(calls, axis=0)
    bare = min(seconds(products, images, sentences) for _ in range(3))
    itc = seconds(rerank, *case[:-1], "itc")
    whole = seconds(rerank, *case)
    print(f"{G} images x {5 * G} sentences x {E} float32, k = {k}: {pairs:,.0f} pairs")
    print(f"bare products  {bare:8.2f} s   (both directions)")
    print(f"itc            {itc:8.2f} s   ratio {itc / bare:.2f}")
    print(f"itm            {whole:8.2f} s   ratio {whole / bare:.2f}")
    print(f"of which in the matcher {matching:.2f} s")
    print(f"memory beyond the inputs {beyond:.0f} MB (all scores: {G * 5 * G * 8 / 2**20:.0f} MB)")


if __name__ == "__main__":
    main()
