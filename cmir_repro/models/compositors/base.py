"""What all compositors share."""

from collections.abc import Callable

from torch import Tensor, nn

from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures


class Compositor(nn.Module):
    """Source image and text in, the query vector out; built as `Compositor(channels, embed_dim)`.

    channels is C of the image encoder's last map, embed_dim D of all vectors.
    """

    version = 1  # raised when a method's numbers move: see versions.VERSIONS
    needs_map = False  # reads the last block's map
    needs_words = False  # reads the sentence word by word
    one_attribute = False  # takes texts that are one attribute, and no sentences

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Query vectors (B, D); `head` is the image encoder's, last map -> vector."""
        raise NotImplementedError

    def extra_losses(
        self,
        image: ImageFeatures,
        text: TextFeatures,
        fusion: Tensor,
        target: Tensor,
        metric: Callable[[Tensor, Tensor], Tensor],
    ) -> dict[str, tuple[float, Tensor]]:
        """Losses of the method itself: name -> weight and () float.

        Args:
            fusion: (B, D), what `forward` made of image and text.
            target: (B, D), vectors of the desired images.
            metric: the run's metric objective on queries (B, D) and targets (B, D), unscaled.
        """
        return {}
