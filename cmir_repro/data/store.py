"""Pictures in memory as bytes, on the device that trains where they fit."""

import numpy as np
import torch
from torch import Tensor


class PictureStore:
    """All pictures of a task as one uint8 tensor; a batch is one gather, no files, no workers.

    Args:
        pixels: (N, H, W, 3) uint8, or other arrays of a row an image; may be memory-mapped, and
            is read once.
        device: where batches are wanted. On a GPU the whole store lies there if it takes at
            most half of the free memory, else in pinned memory beside it.
    """

    def __init__(self, pixels: np.ndarray, device: str) -> None:
        self.device = torch.device(device)
        # Copied only if it is a read-only file or in another order.
        self.pixels = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            fits = self.pixels.nbytes <= free // 2
            self.pixels = self.pixels.to(self.device) if fits else self.pixels.pin_memory()

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: np.ndarray) -> Tensor:
        """rows (B,) int64 -> (B, H, W, 3) uint8, or (B, ...), on the device."""
        index = torch.tensor(rows, device=self.pixels.device)
        return self.pixels.index_select(0, index).to(self.device, non_blocking=True)
