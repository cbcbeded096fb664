"""Random features, an image head, and compositors whose weights are all random."""

import torch

from cmir_repro.models.compositors import build_compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures

B, C, D, L = 4, 6, 5, 3
LENGTHS = torch.tensor([1, 3, 2, 3])
FC = torch.randn(D, C, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def head(last):
    return last.mean((2, 3)) @ FC.T


def features(seed, height=3, width=2):
    """Source features and text features, all independent of one another."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*size):
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    image = ImageFeatures(draw(B, D), {"block4": draw(B, C, height, width)})
    return image, TextFeatures(draw(B, D), draw(B, L, D), LENGTHS)


def build(name):
    """The compositor with all weights random, those of the norms included."""
    generator = torch.Generator().manual_seed(1)
    compositor = build_compositor(name, C, D).double()
    with torch.no_grad():
        for parameter in compositor.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return compositor
