"""Show and Tell: an LSTM reads the image and then the words (Vinyals et al. 2015, eq. 10-12).

The paper writes captions that way. The use for retrieval is TIRG's (Vo et al. 2019), from memory:
the LSTM's state at the last word is the query. One layer of D units that shares nothing with the
text encoder's own LSTM is our choice.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures


class ShowAndTell(Compositor):
    """h_0 = LSTM(x), h_l = LSTM(w_l, h_(l-1)); the query is h of the last word."""

    needs_words = True

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(embed_dim, embed_dim, batch_first=True)

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        states, _ = self.lstm(torch.cat([image.vector[:, None], text.words], dim=1))  # (B, 1+L, D)
        # Word l is step l, as the image is step 0. Padding comes later and is never seen.
        return states[torch.arange(len(states), device=states.device), text.lengths]
