"""The two lower bounds of composed retrieval: one input alone is the query (google/tirg)."""

from collections.abc import Callable

from torch import Tensor

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures


class ImageOnly(Compositor):
    """The source image's vector; the sentence is ignored."""

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return image.vector


class TextOnly(ImageOnly):
    """The sentence's vector; the source image is ignored."""

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return text.vector
