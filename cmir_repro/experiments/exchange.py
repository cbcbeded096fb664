"""Vectors of several kinds for the test queries of CSS, for the exchange rate of protocols."""

import numpy as np

from cmir_repro.data.prepared import Retrieval
from cmir_repro.evaluation.training_free import Vectors, composed
from cmir_repro.experiments import shared
from cmir_repro.experiments.embed import images_of
from cmir_repro.experiments.own_towers import OwnTowers

MODELS = ("css/concatenation-full", "css/tirg-dim-mini", "css/tirg-full", "css/tirg-dim-full")
TOWERS = "css/aai-mini"
FORMULAS = ("image", "sum", "weighted sum")
WEIGHT = 0.4  # of the text, in the weighted sum: what validation queries chose at mini
DIM = 64  # of random vectors


def of_css(scale: str, seed: int = 0) -> tuple[Retrieval, dict[str, tuple]]:
    """The test split of CSS, task 3d-3d, and queries and gallery of each kind of vectors.

    Kinds: the models of composed retrieval that ship, formulas without training on the towers of
    the AAI that ships (`training_free`), and random vectors.
    """
    kinds, part = {}, None
    for name in MODELS:
        model = shared.load(name)
        experiment = model.experiment(scale)
        found = experiment.embed(model.model, "test")
        kinds[name.partition("/")[2]] = found.queries, found.gallery
        part = part or experiment.task.split("test")
    vectors = _towers(part, scale)
    for formula in FORMULAS:
        kinds[f"{formula} of aai-mini's towers"] = composed(formula, vectors, WEIGHT)
    rng = np.random.default_rng(seed)
    random = (rng.standard_normal((len(rows), DIM)) for rows in (part.texts, part.gallery))
    return part, kinds | {"random": tuple(random)}


def _towers(part: Retrieval, scale: str, chunk: int = 256) -> Vectors:
    pictures, net = images_of(f"css/{scale}", "3d"), OwnTowers(TOWERS, "cpu", texts=False)
    parts = [part.gallery[start : start + chunk] for start in range(0, len(part.gallery), chunk)]
    gallery = np.concatenate([net.images(pictures.take(rows), grid=False) for rows in parts])
    texts, numbers = np.unique(part.texts, return_inverse=True)
    said = [
        net.texts(texts[start : start + chunk].tolist(), False, 0)[0]
        for start in range(0, len(texts), chunk)
    ]
    return Vectors(gallery[part.source], np.concatenate(said)[numbers], gallery)
