"""Nets of label-based retrieval: two towers, the head that makes codes, the nets of DCMH.

The towers are those of CRCGS' student (Zhang et al. 2022) and of DSCMR (Zhen et al. 2019). Letters:
B batch, F image features, D text, C categories, E retrieval space, K converted space, L bits.
"""

from typing import Literal

from torch import Tensor, nn

from cmir_repro.core.errors import one_of

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


class Towers(nn.Module):
    """Image and text, each by layers of their own and one shared projection, to (B, E).

    Sizes are those of the released code of CRCGS, whose towers have three layers of tanh; DSCMR's
    have one of ReLU. The converted features are used in training only.

    Args:
        image: the batch's image input -> (B, F); `nn.Identity()` where that is what comes.
        image_dim, text_dim, categories: F, D, C.
        hidden: width of the towers. embed_dim: E. convert_dim: K.
        layers: of each tower, at least 1.
        activation: a key of ACTIVATIONS, after each of them.

    Raises:
        InputError: unknown activation.
        ValueError: no layers.
    """

    def __init__(
        self,
        image: nn.Module,
        image_dim: int,
        text_dim: int,
        categories: int,
        hidden: int = 2048,
        embed_dim: int = 1024,
        convert_dim: int = 1024,
        *,
        layers: int = 3,
        activation: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        super().__init__()
        one_of("activation", activation, ACTIVATIONS)
        if layers < 1:
            raise ValueError(f"a tower has at least 1 layer, got {layers}")
        self.image = image
        self.image_net = _tower(image_dim, hidden, layers, activation)
        self.text_net = _tower(text_dim, hidden, layers, activation)
        self.project = nn.Linear(hidden, embed_dim)
        self.classifier = nn.Linear(embed_dim, categories)
        self.image_head = nn.Sequential(nn.Linear(embed_dim, convert_dim), nn.ReLU())
        self.text_head = nn.Sequential(nn.Linear(embed_dim, convert_dim), nn.ReLU())

    def encode_images(self, x: Tensor) -> Tensor:
        """What `image` takes -> u (B, E) float, any length."""
        return self.project(self.image_net(self.image(x)))

    def encode_texts(self, t: Tensor) -> Tensor:
        """(B, D) float -> v (B, E) float, any length."""
        return self.project(self.text_net(t))

    def classify(self, u: Tensor) -> Tensor:
        """Retrieval features of either modality (B, E) -> logits (B, C)."""
        return self.classifier(u)

    def convert_images(self, u: Tensor) -> Tensor:
        """(B, E) -> a (B, K) >= 0."""
        return self.image_head(u)

    def convert_texts(self, v: Tensor) -> Tensor:
        """(B, E) -> b (B, K) >= 0."""
        return self.text_head(v)


class HashHead(nn.Module):
    """Dropout and three layers of tanh, one head for both modalities (released code of CRCGS).

    Its last layer is written there as a convolution over the whole width, which is this layer.

    Args:
        embed_dim: E. bits: L.
        hidden: width of the two layers before the last.
        dropout: of the input.
    """

    def __init__(self, embed_dim: int, bits: int, hidden: int = 512, dropout: float = 0.3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(embed_dim, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, bits),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, E) float -> (B, L) float in (-1, 1)."""
        return self.net(x)


def codes(h: Tensor) -> Tensor:
    """(B, L) float -> bool, True for +1; 0 counts as +1, so that every value has a sign."""
    return h >= 0


class DCMHImageNet(nn.Sequential):
    """Features (B, F) -> (B, L), not bounded; their signs are the codes (Jiang and Li 2017).

    The paper trains CNN-F from pixels together with the text net. Here images come as ready
    features, as for the models DCMH is compared with, and this takes the place of CNN-F's last two
    layers: our choice, as are torch's initial weights, where the code of the paper draws from a
    normal distribution of deviation 0.01.

    Args:
        image_dim: F. hidden: width between, 4096 in CNN-F. bits: L.
    """

    def __init__(self, image_dim: int, hidden: int, bits: int) -> None:
        super().__init__(nn.Linear(image_dim, hidden), nn.ReLU(), nn.Linear(hidden, bits))


class DCMHTextNet(nn.Sequential):
    """Bags of words (B, D) float -> (B, L), not bounded; the other net of DCMH.

    Args:
        text_dim: D. hidden: width between, 8192 in the paper. bits: L.
    """

    def __init__(self, text_dim: int, hidden: int, bits: int) -> None:
        super().__init__(nn.Linear(text_dim, hidden), nn.ReLU(), nn.Linear(hidden, bits))


def _tower(width: int, hidden: int, layers: int, activation: str) -> nn.Sequential:
    net = nn.Sequential()
    for before in (width, *[hidden] * (layers - 1)):
        net.extend((nn.Linear(before, hidden), ACTIVATIONS[activation]()))
    return net
