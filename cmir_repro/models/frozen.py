"""Features of a pretrained net that is not trained: computed once, kept beside the pixels.

Whoever trains on two cores cannot train a large image encoder, but can train on what a frozen one
sees. Not the vectors alone are kept but coarse maps of all four blocks, so that compositors and
objectives that read maps work as they do on pixels.
"""

import hashlib

import numpy as np
import torch
import torch.nn.functional as F

from cmir_repro.core.arrays import read_npy
from cmir_repro.core.weights import weights_digest
from cmir_repro.data.prepare.pixels import fill
from cmir_repro.data.prepared import Prepared
from cmir_repro.models.image import MobileNet, normalise

GRID = 4  # cells a map is averaged over, each way: our choice, 46 KB a picture
BATCH = {"cpu": 8, "cuda": 256}  # small ones stay in the cache: 1.4 times as fast on a CPU
VERSION = 1  # raise it when the features change


def features(
    data: Prepared, view: str, part: str, weights: str, device: str = "cpu", progress: bool = True
) -> np.ndarray:
    """The features of one pixel file; computed if they are not there yet.

    Args:
        weights: of a MobileNetV2, as in `models.image`.
        device: torch device that computes them.

    Returns:
        Memory-mapped float16 (N, GRID, GRID, C), C channels of all four blocks together.

    Raises:
        InputError: the weights cannot be had, or the folder cannot be written.
    """
    pixels = data.pixels(view, part)
    path = data.folder / f"features-mobilenet_v2-{view}-{part}.npy"
    digest = data.info["files"][f"pixels-{view}-{part}.npy"]["sha256"]
    key = hashlib.sha256(f"{VERSION} {digest} {weights_digest(weights)}".encode()).hexdigest()
    net, batch_size = None, BATCH[torch.device(device).type]

    @torch.no_grad()
    def draw(rows: slice) -> np.ndarray:
        nonlocal net
        if net is None:  # not at all where the features are there
            net = MobileNet(1, weights).to(device, memory_format=torch.channels_last).eval()
        out = []
        for start in range(rows.start, rows.stop, batch_size):
            batch = np.array(
                pixels[start : min(start + batch_size, rows.stop)]
            )  # writable, as torch wants
            maps = net(normalise(torch.from_numpy(batch).to(device))).maps.values()
            cells = torch.cat([F.adaptive_avg_pool2d(x, GRID) for x in maps], dim=1)
            out.append(cells.permute(0, 2, 3, 1).half().cpu().numpy())
        return np.concatenate(out)

    shape = (len(pixels), GRID, GRID, sum(MobileNet.WIDTHS))
    fill(path, shape, draw, key, f"features {part}" if progress else None, "float16")
    return read_npy(path, mapped=True)
