"""Composition without training, scored and recorded as runs of composed retrieval are."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation import recall
from cmir_repro.evaluation.training_free import (
    COMPOSE,
    PROJECTED,
    WEIGHTED,
    WEIGHTS,
    Projection,
    Vectors,
    composed,
)
from cmir_repro.experiments import dim, own
from cmir_repro.experiments.dim import ComposedExperiment
from cmir_repro.experiments.dim_embedding import Embedded
from cmir_repro.experiments.dim_task import tokeniser
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.presets.dim import configure

COMPONENT = "training-free"  # key of versions.VERSIONS


def record(
    image_features: Path | str,
    text_features: Path | str,
    name: str = "",
    dataset: str = "css",
    task: str = "auto",
    scale: str = "mini",
    methods: Iterable[str] = COMPOSE,
    command: str = "unknown",
) -> list[Record]:
    """Score each method on the test queries and keep that in the user's ledger.

    A method is left out where the vector of a query is zero, which has no cosine: the product of
    vectors that have no number in common, opposite vectors in a sum.

    The share of the text is chosen on the validation queries, as the step of a run is: by the mean
    of R@1, R@5 and R@10. Where there are none it is one half.

    Args:
        image_features, text_features: vectors of the two towers of one model, see
            `data.feature_store`; no images' where the data were prepared from these.
        name: what the tables call the model; "" takes the name of the images' file, or else of
            the texts'.
        dataset, task, scale: as of a run.
        methods: keys of `COMPOSE`.
        command: what to type to get these records.

    Raises:
        InputError: files that do not fit the data or one another, or no vectors.
    """
    files = {"image_features": image_features, "text_features": text_features}
    experiment = ComposedExperiment(configure(dataset, task, scale, **files), progress=False)
    _check_vectors(experiment)
    test, name = vectors(experiment, "test"), name or Path(image_features or text_features).stem
    kept = []
    for method in methods:
        projection = projection_of(experiment) if method == PROJECTED else None
        weight, validation = 0.5, {}
        if method in WEIGHTED:
            weight, validation = chosen(experiment, method)
        queries, gallery = composed(method, test, weight, projection)
        row = f"{method.capitalize()} of {name}, untrained"
        if vanished := int((~queries.any(-1)).sum()):
            print(f"{row}: left out, for {vanished:,} of {len(queries):,} queries come to nothing")
            continue
        ranks, result = dim.score(Embedded(queries, None, gallery), experiment.data, "test")
        table = pd.DataFrame({"query": experiment.task.split("test").query_ids, **ranks.columns()})
        digests = experiment.task.ready.digests()
        kept.append(
            own.keep_features(
                experiment, row, digests, table, result, 0, command, validation, (COMPONENT,)
            )
        )
    return kept


def _check_vectors(experiment: ComposedExperiment) -> None:
    ready, shapes = experiment.task.ready, experiment.task.shapes()
    if "image_shape" not in shapes:
        raise InputError(
            f"{experiment.config.dataset} was prepared from pictures; name features of its images, "
            "--image-features"
        )
    for store, key in ((ready.images, "image_shape"), (ready.texts, "text_shape")):
        if len(shapes[key]) > 1:
            where = store.path if store else experiment.data.folder
            raise InputError(
                f"{where}: features of one row are {tuple(shapes[key])}; what is composed without "
                "training needs one vector (D,)"
            )


def vectors(experiment: ComposedExperiment, split: str) -> Vectors:
    """Features of a split, row for row as in its `Retrieval`."""
    task, part = experiment.task, experiment.task.split(split)
    rows, _ = experiment.tokens.encode(part.texts)
    text = task.ready.texts.take(rows[:, 0])
    every = np.arange(len(part.gallery))
    gallery = task.pictures(task.target_view, split).take(every).numpy()
    source = task.pictures(task.source_view, split).take(part.source).numpy()
    return Vectors(source, text, gallery)


def projection_of(experiment: ComposedExperiment) -> Projection:
    """Means and directions of the training split; its texts are those that the file has of it."""
    task = experiment.task
    part, drawn = task.split("train"), task.training_pairs("train")
    texts = sorted(set(drawn.sentences() if drawn else part.texts))
    rows, _ = tokeniser(experiment.config.model, task).encode(texts)
    pictures = task.pictures(task.target_view, "train")
    images = pictures.take(np.arange(len(pictures))).numpy()
    return Projection.of(images, task.ready.texts.take(rows[:, 0]))


def chosen(experiment: ComposedExperiment, method: str) -> tuple[float, dict[str, float]]:
    """The best of WEIGHTS on the validation queries, and what a record says of the choice."""
    part = experiment.task.split("val")
    if not len(part.texts):
        return 0.5, {"weight": 0.5}
    val, labels = vectors(experiment, "val"), (part.query_labels, part.gallery_labels)

    def selection(weight: float) -> float:
        queries, gallery = composed(method, val, weight)
        ranks = recall.ranks(
            queries, gallery, *labels, part.source, experiment.protocol, also=part.also
        )
        return 100 * float(np.mean([recall.recall_at(ranks, k) for k in (1, 5, 10)]))

    found = {weight: selection(weight) for weight in WEIGHTS}
    best = max(found, key=found.get)  # the smallest of equal ones
    return best, {"weight": best, "selection": round(found[best], 3)}
