"""What a model answers to one query, in milliseconds: its gallery is embedded once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cmir_repro.data.store import PictureStore
from cmir_repro.evaluation.recall import unit_rows
from cmir_repro.experiments.dim import ComposedExperiment
from cmir_repro.models.image import ImageFeatures

TOP = 8  # answers that are shown


@dataclass(frozen=True)
class Answer:
    """The first answers of a model.

    rows: (TOP,) int64, rows of the gallery, best first; its length is the row of a picture that was
        added.
    right: (TOP,) bool, or None where nobody has said what is right.
    rank: of the best right one, 1 is first; None where there is none.
    milliseconds: from the query to the order of the gallery.
    """

    model: str
    rows: np.ndarray
    right: np.ndarray | None
    rank: int | None
    milliseconds: float


def first(
    model: str,
    gallery: np.ndarray,
    ask: Callable[[], np.ndarray],
    right: np.ndarray | None,
    left_out: int = -1,
) -> Answer:
    """The rows of a gallery that are nearest to a query, by cosine.

    Args:
        model: its name.
        gallery: (G, E) float32 of length 1.
        ask: gives the query's vector (1, E); its time counts.
        right: (G,) bool, or None.
        left_out: the row that is no answer, -1 for none.
    """
    started = time.perf_counter()
    scores = gallery @ unit_rows(ask(), "query")[0]  # (G,)
    if left_out >= 0:
        scores[left_out] = -np.inf
    rows = np.argsort(-scores, kind="stable")
    if left_out >= 0:
        rows = rows[:-1]
    took = 1000 * (time.perf_counter() - started)
    rank = None
    if right is not None and right[rows].any():
        rank = 1 + int(np.argmax(right[rows]))
    shown = rows[:TOP]
    return Answer(model, shown, None if right is None else right[shown], rank, took)


class Composed:
    """A model of composed retrieval and its gallery.

    Attributes:
        ids: (G,) str, of the gallery.
    """

    def __init__(self, name: str, system: nn.Module, experiment: ComposedExperiment) -> None:
        self.name, self.system, self.experiment = name, system, experiment
        self.ids, vectors = experiment.gallery(system)
        self.vectors = unit_rows(vectors, "gallery")
        self._added: dict[str, np.ndarray] = {}
        self._encoded: dict[str, ImageFeatures] = {}
        self._row = {name: row for row, name in enumerate(self.ids.tolist())}

    def answer(
        self,
        source: str,
        text: str,
        right: np.ndarray | None = None,
        added: tuple[str, np.ndarray] | None = None,
    ) -> Answer:
        """The answer to a picture of the gallery and a sentence.

        Args:
            source: its id.
            right: (G,) bool, the right ones; an added picture is right.
            added: name and pixels (h, w, 3) uint8 of one more picture of the gallery.
        """
        gallery = self.vectors
        if added is not None:
            gallery = np.concatenate([gallery, self._vector(*added)])
            right = None if right is None else np.append(right, True)
        left_out = self._row[source] if self.experiment.protocol.drop_source else -1
        return first(self.name, gallery, lambda: self._ask(source, text), right, left_out)

    @torch.no_grad()
    def read(self, source: str) -> None:
        """Encode a picture that will be asked with, once."""
        if source not in self._encoded:
            picture = self.experiment.task.picture(source)
            self._encoded[source] = self.system.encode(picture)

    @torch.no_grad()
    def _ask(self, source: str, text: str) -> np.ndarray:
        """As `ComposedExperiment.ask`, but a source is encoded once for all its sentences."""
        self.read(source)
        return self.experiment.compose(self.system, self._encoded[source], text)

    @torch.no_grad()
    def _vector(self, name: str, picture: np.ndarray) -> np.ndarray:
        """(1, E), length 1; remembered by name."""
        if name not in self._added:
            pixels = PictureStore(picture[None], self.experiment.device).take(np.arange(1))
            vector = self.system.encode(pixels).vector.float().cpu().numpy()
            self._added[name] = unit_rows(vector, "picture")
        return self._added[name]
