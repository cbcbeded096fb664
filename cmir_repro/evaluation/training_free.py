"""Queries composed without training, from the features of any model with two towers.

x is the source image's vector and t the text's, both of length 1 (Q, D). What the field compares
with (SEARLE, Baldrati et al. 2023; i-CIR, Psomas et al. 2025):

    image                   x
    text                    t
    sum                     x + t
    weighted sum            (1 - w) x + w t
    slerp                   sin((1 - w) a) x + sin(w a) t, a the angle between x and t
    product                 x * t, element by element
    product of similarities (1 + x . g) / 2 times (1 + t . g) / 2 for each gallery image g
    centred projection      sum after `Projection`

Slerp runs along the same arc as the weighted sum, in even steps, and both are the sum at w = 1/2;
w is chosen on validation queries. Our choices: the shift of the similarities, without which two
negative ones would make a good one, and the projection.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.recall import unit_rows

WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))  # that are tried: our choice
KEPT = 0.95  # share of the texts' variance that the projection keeps: our choice


class Vectors(NamedTuple):
    """One split: source (Q, D), text (Q, D) and gallery (G, D), number."""

    source: np.ndarray
    text: np.ndarray
    gallery: np.ndarray


def slerp(x: np.ndarray, t: np.ndarray, w: float) -> np.ndarray:
    """Unit rows (Q, D) and (Q, D) -> those at the share w of the way from x to t."""
    angle = np.arccos(np.clip((x * t).sum(1, keepdims=True), -1, 1))
    return np.sin((1 - w) * angle) * x + np.sin(w * angle) * t


# Unit rows of source and text, and w -> queries (Q, D), or (Q, 2, D) where similarities to the
# gallery are multiplied.
COMPOSE: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "image": lambda x, t, w: x,
    "text": lambda x, t, w: t,
    "sum": lambda x, t, w: x + t,
    "weighted sum": lambda x, t, w: (1 - w) * x + w * t,
    "slerp": slerp,
    "product": lambda x, t, w: x * t,
    "product of similarities": lambda x, t, w: np.stack([x, t], axis=1),
    "centred projection": lambda x, t, w: x + t,
}
WEIGHTED = ("weighted sum", "slerp")
PROJECTED = "centred projection"


class Projection(NamedTuple):
    """Each modality less its mean, on the directions in which texts differ (our choice).

    The means take the modality gap out; the directions are the first principal ones of the
    centred texts, as many as hold KEPT of their variance. BASIC (Psomas et al. 2025) centres by
    the means of a web corpus and projects on contrasted corpora of words; this takes what the
    training data have.
    """

    image_mean: np.ndarray  # (D,)
    text_mean: np.ndarray  # (D,)
    directions: np.ndarray  # (D, K), orthonormal columns

    @classmethod
    def of(cls, images: np.ndarray, texts: np.ndarray) -> "Projection":
        """From images (N, D) and texts (M, D) of the training split.

        Raises:
            InputError: all texts have one and the same vector.
        """
        images, texts = _unit(images, "image"), _unit(texts, "text")
        means = images.mean(0), texts.mean(0)
        _, sizes, rows = np.linalg.svd(texts - means[1], full_matrices=False)
        held = np.cumsum(sizes**2)
        if held[-1] < 1e-12:
            raise InputError("all texts of train have the same features; nothing tells them apart")
        kept = int(np.searchsorted(held, KEPT * held[-1])) + 1
        return cls(*means, rows[:kept].T)

    def of_images(self, images: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K)."""
        return (_unit(images, "image") - self.image_mean) @ self.directions

    def of_texts(self, texts: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K)."""
        return (_unit(texts, "text") - self.text_mean) @ self.directions


def composed(
    method: str, found: Vectors, w: float = 0.5, projection: Projection | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and gallery of a method, as `recall.ranks` takes them.

    Args:
        method: a key of COMPOSE.
        w: share of the text, for those of WEIGHTED.
        projection: of the training split, for PROJECTED.

    Raises:
        InputError: the towers do not have one width, or a row is zero.
    """
    if found.source.shape[1] != found.text.shape[1]:
        raise InputError(
            f"images have {found.source.shape[1]} numbers and texts {found.text.shape[1]}; what is "
            "composed without training needs two towers of one model, with one space"
        )
    gallery = found.gallery
    source, text = found.source, found.text
    if method == PROJECTED:
        source, gallery = projection.of_images(source), projection.of_images(gallery)
        text = projection.of_texts(text)
    return COMPOSE[method](_unit(source, "source"), _unit(text, "text"), w), gallery


def _unit(rows: np.ndarray, what: str) -> np.ndarray:
    return unit_rows(rows, what, np.float64)
