"""Sentences whose features were computed elsewhere, in the place of a tokeniser."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_store import FeatureStore


class FeatureTexts:
    """Sentence -> row of a store; where tokenisers give token ids this gives a row's number.

    Args:
        store: its ids are sentences, or names of them.
        named: name and text of the sentences of a data set; needed where ids are names.
    """

    def __init__(self, store: FeatureStore, named: Iterable[tuple[str, str]] = ()) -> None:
        self.store = store
        self._row: dict[str, int] = {}
        for name, text in named:
            if name not in store or text in store:
                continue
            (row,) = store.rows_of([name], "sentences")
            first = self._row.setdefault(text, row)
            both = store.take(np.array([first, row]))
            if (both[0] != both[1]).any():
                raise InputError(
                    f"{store.path}: {store.ids[first]!r} and {name!r} are the same sentence "
                    f"{text!r:.60} with different features; features of a text are those of its "
                    "words alone"
                )

    special_tokens: ClassVar = {}  # there are no words to mask or drop

    def __len__(self) -> int:
        return len(self.store)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the store (N, 1) int64 and lengths (N,) int64, vectors of each sentence.

        Raises:
            InputError: a sentence has no features.
        """
        store, known = self.store, self._row
        lost = [text for text in texts if text not in known and text not in store]
        if lost:
            raise InputError(
                f"{store.path} lacks features of {len(set(lost)):,} of {len(set(texts)):,} "
                f"sentences, first {lost[0]!r:.80}; its ids must be the sentences themselves or "
                f"their ids in the data set (they are like {store.ids[0]!r:.60})"
            )
        rows = np.array(
            [known[x] if x in known else store.rows_of([x], "sentences")[0] for x in texts],
            np.int64,
        )
        whole = store.shape[0] if len(store.shape) == 2 else 1
        lengths = np.full(len(rows), whole) if store.lengths is None else store.lengths[rows]
        return rows[:, None], lengths.astype(np.int64)

    def unknown(self, text: str) -> list[str]:
        """None: a sentence is known as a whole, or `encode` refuses it."""
        return []

    def take(self, rows: Tensor) -> Tensor:
        """Rows (B, 1) int64 -> features (B, *shape) float, on the device of the rows."""
        found = self.store.take(rows[:, 0].cpu().numpy())
        return torch.from_numpy(found).to(rows.device)
