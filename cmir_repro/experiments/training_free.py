"""Composition without training, scored and recorded as runs of composed retrieval are."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, naming
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
    kept, files = [], " and ".join(map(str, _places(experiment).values()))
    for method in methods:
        with naming(files):
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
    shapes = experiment.task.shapes()
    if "image_shape" not in shapes:
        raise InputError(
            f"{experiment.config.dataset} was prepared from pictures; name features of its images, "
            "--image-features"
        )
    places = _places(experiment)
    for key, place in places.items():
        if len(shapes[key]) > 1:
            raise InputError(
                f"{place}: features of one row are {tuple(shapes[key])}; what is composed without "
                "training needs one vector (D,)"
            )
    if shapes["image_shape"] != shapes["text_shape"]:
        said = [f"{place} has {shapes[key][0]} numbers a row" for key, place in places.items()]
        raise InputError(
            f"{' and '.join(said)}; what is composed without training needs two towers of one "
            "model, with one space"
        )
    for split in ("val", "test"):
        part, found = experiment.task.split(split), vectors(experiment, split)
        _check_rows(places["image_shape"], part.gallery_ids, found.gallery)
        _check_rows(places["text_shape"], part.texts, found.text)


def _check_rows(place: Path, ids: np.ndarray, rows: np.ndarray) -> None:
    zero = np.flatnonzero(~rows.any(axis=1))
    if len(zero):
        raise InputError(
            f"{place}: the features of {str(ids[zero[0]])!r:.80} are zero, which has no cosine; "
            "compute them again"
        )


def _places(experiment: ComposedExperiment) -> dict[str, Path]:
    """Where the vectors of images and texts are from, by their key among a task's shapes."""
    ready, folder = experiment.task.ready, experiment.data.folder
    stores = {"image_shape": ready.images, "text_shape": ready.texts}
    return {key: store.path if store else folder for key, store in stores.items()}


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
