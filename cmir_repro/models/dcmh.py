"""The two nets of DCMH (Jiang and Li, CVPR 2017); the signs of what they give are the codes.

The paper trains CNN-F from pixels together with the text net. Here images come as ready features,
as for the models DCMH is compared with: our choice, as are torch's initial weights, where the code
of the paper draws from a normal distribution of deviation 0.01.
"""

from torch import nn


class ImageNet(nn.Sequential):
    """Features (B, F) -> (B, L), not bounded; takes the place of CNN-F's last two layers.

    Args:
        image_dim: F. hidden: width between, 4096 in CNN-F. bits: L.
    """

    def __init__(self, image_dim: int, hidden: int, bits: int) -> None:
        super().__init__(nn.Linear(image_dim, hidden), nn.ReLU(), nn.Linear(hidden, bits))


class TextNet(nn.Sequential):
    """Bags of words (B, D) float -> (B, L), not bounded.

    Args:
        text_dim: D. hidden: width between, 8192 in the paper. bits: L.
    """

    def __init__(self, text_dim: int, hidden: int, bits: int) -> None:
        super().__init__(nn.Linear(text_dim, hidden), nn.ReLU(), nn.Linear(hidden, bits))
