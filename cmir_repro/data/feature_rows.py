"""Features computed elsewhere as batches of a training ask for them."""

from typing import TYPE_CHECKING

import numpy as np

from cmir_repro.data.feature_store import FeatureStore

if TYPE_CHECKING:
    from torch import Tensor


class FeatureRows:
    """Some rows of a store as batches ask for them: what `PictureStore` is of pictures.

    Args:
        rows: (N,) int64, of the store.
        device: where batches are wanted.
    """

    def __init__(self, store: FeatureStore, rows: np.ndarray, device: str) -> None:
        self.store, self.rows, self.device = store, rows, device

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: np.ndarray) -> "Tensor":
        """rows (B,) int64, positions among the N -> (B, *shape) float, on the device."""
        import torch  # late: scripts that prepare data do without

        return torch.from_numpy(self.store.take(self.rows[rows])).to(self.device)
