"""Attribute as operator: a text is a matrix that acts on the image (Nagarajan & Grauman 2018).

query = T x. In the paper every attribute has a matrix of its own. Here, as in TIRG's adaptation
(Vo et al. 2019, from memory), a linear layer makes it from the text's vector. That T starts at the
identity is our choice. The paper's auxiliary losses (inverse, commutative, antonym, classifiers)
are left out: they need to know which attributes cancel or exclude each other.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures


class AttributeAsOperator(Compositor):
    """T = I + reshape(linear(t)), (D, D) for every sample; the layer has about D^3 weights."""

    one_attribute = True

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.operator = nn.Linear(embed_dim, embed_dim**2)
        nn.init.zeros_(self.operator.weight)
        nn.init.zeros_(self.operator.bias)

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        x = image.vector
        change = self.operator(text.vector).view(len(x), x.shape[1], x.shape[1])  # T - I
        return x + torch.einsum("bmn,bn->bm", change, x)
