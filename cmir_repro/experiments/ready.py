"""The files of features that a run reads instead of pictures or sentences."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_rows import FeatureRows
from cmir_repro.data.feature_store import FeatureStore, open_store
from cmir_repro.data.feature_texts import FeatureTexts
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.base import FeatureFiles


class Ready:
    """The stores of a run's files, opened and checked.

    Attributes:
        images, texts: None where the run reads pictures, or sentences.

    Raises:
        InputError: as `FeatureStore`, or texts with features that are maps.
    """

    images: FeatureStore | None
    texts: FeatureStore | None

    def __init__(self, files: FeatureFiles | None) -> None:
        self.images = open_store(files.images) if files and files.images else None
        self.texts = open_store(files.texts) if files and files.texts else None
        if self.texts is not None and len(self.texts.shape) > 2:
            raise InputError(
                f"{self.texts.path}: features of one text are {self.texts.shape}; they must be "
                "(D,), or (P, D), one a token"
            )

    def digests(self) -> dict[str, str]:
        """What tells the content of the files apart, for the run's identity."""
        both = zip(ledger.FEATURES, (self.images, self.texts), strict=True)
        return {key: store.digest for key, store in both if store is not None}

    def shapes(self) -> dict[str, list[int]]:
        """Of the features of one image and of one text: what a net must know."""
        both = {"image_shape": self.images, "text_shape": self.texts}
        return {key: list(store.shape) for key, store in both.items() if store is not None}

    def of_images(self, ids: np.ndarray, what: str, view: str, device: str) -> FeatureRows:
        """Features of images by their ids; a file of several views calls them VIEW/ID.

        Raises:
            InputError: one is missing.
        """
        return FeatureRows(self.images, self.images.rows_of(ids, what, view), device)

    def vectors(self, store: FeatureStore, ids: np.ndarray) -> np.ndarray:
        """All features of some ids, (N, D) float32, in memory.

        Raises:
            InputError: one is missing, or features of a row are no vector.
        """
        if len(store.shape) != 1:
            raise InputError(
                f"{store.path}: features of one row are {store.shape}; this system reads vectors "
                "(D,), one a row"
            )
        return store.take(store.rows_of(ids, "images")).astype(np.float32)

    def of_texts(self, named: Iterable[tuple[str, str]]) -> FeatureTexts:
        """The texts' store as a tokeniser; `named`: id and text of each sentence of the data."""
        return FeatureTexts(self.texts, named)


def read_by_encoder(tokens: object, numbers: Tensor) -> Tensor:
    """What a text encoder reads of what a tokeniser encoded (B, L): ids, or ready features."""
    return tokens.take(numbers) if isinstance(tokens, FeatureTexts) else numbers
