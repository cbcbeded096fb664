"""A tiny AAI and a batch for it."""

import torch

from cmir_repro.data.augment import DRAWS
from cmir_repro.systems.aai import AAI, AAIConfig

B, V, SHAPE = 6, 20, (24, 36, 3)
MARKS = {"special": (0, 1, 2), "mask": 4}
TINY = {
    "image_encoder": "convnet",
    "text_encoder": "transformer",
    "text_layers": 1,
    "width": 16,
    "embed_dim": 8,
    "heads": 2,
    "fusion_layers": 1,
    "dropout": 0.0,
    "queue": 5,
    "lmim_cells": 2,
    "augment": "none",
    "size_augmentation": False,
}
PLAIN = {"momentum_copies": False, "queue": 0, "soft_labels": 0, "ims": 0, "lmim": 0, "itm": 0}


def build(**changes):
    torch.manual_seed(0)
    return AAI(AAIConfig.make(**TINY | changes), V, SHAPE, MARKS)


def batch(seed=0, ids=(0, 1, 2, 1, 3, 4)):
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 8, (B,), generator=g)
    numbers = torch.randint(5, V, (B, 8), generator=g)
    numbers[:, 0] = 1
    numbers.masked_fill_(torch.arange(8) >= lengths[:, None], 0)
    return {
        "image": torch.randint(256, (B, *SHAPE), dtype=torch.uint8, generator=g),
        "draws": torch.rand(B, 2, DRAWS, generator=g),
        "input_ids": numbers,
        "lengths": lengths,
        "clean_input_ids": numbers,
        "clean_lengths": lengths,
        "id": torch.tensor(ids),
    }
