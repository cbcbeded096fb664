"""Generators of one modality's features from the other's, and their discriminators.

The "teachers" and "teaching assistants" in the released code of CRCGS (Zhang et al. 2022). Letters:
B batch, F image features, D tags, K width of a teacher's code.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class Generator(nn.Module):
    """Dropout, an encoder to a code, a decoder to the other modality; ReLU after each layer.

    With a ReLU after the last layer too, as released, an output that is negative for all samples
    gets no gradient any more.

    Attributes:
        code_dim: K. out_dim: width of what it generates.

    Args:
        in_dim: width of what it reads.
        codes: widths of the encoder's layers; the last is K.
        back: width of the decoder's hidden layer.
        out_dim: width of what it generates.
        dropout: of the input.
        last_relu: whether the decoder's last layer has one, too.
    """

    def __init__(
        self,
        in_dim: int,
        codes: Sequence[int],
        back: int,
        out_dim: int,
        dropout: float = 0.3,
        last_relu: bool = True,
    ) -> None:
        super().__init__()
        self.code_dim, self.out_dim = codes[-1], out_dim
        self.encoder = nn.Sequential(nn.Dropout(dropout), *_layers((in_dim, *codes)))
        decoder = _layers((codes[-1], back, out_dim))
        self.decoder = nn.Sequential(*(decoder if last_relu else decoder[:-1]))

    def encode(self, x: Tensor) -> Tensor:
        """(B, in_dim) -> (B, K) >= 0; of a trained one, an auxiliary generative feature."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """(B, K), its own code or a student's converted feature -> (B, out_dim)."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_dim) -> (B, out_dim), the other modality of the same samples."""
        return self.decode(self.encode(x))


def image_to_text(
    image_dim: int, text_dim: int, codes: Sequence[int] = (2048, 1024), back: int = 2000, **options
) -> Generator:
    """F -> 2048 -> 1024 -> 2000 -> D by default, as released; options as of `Generator`."""
    return Generator(image_dim, codes, back, text_dim, **options)


def text_to_image(
    text_dim: int, image_dim: int, codes: Sequence[int] = (2048, 1024), back: int = 2048, **options
) -> Generator:
    """D -> 2048 -> 1024 -> 2048 -> F by default, as released; options as of `Generator`."""
    return Generator(text_dim, codes, back, image_dim, **options)


class Discriminator(nn.Module):
    """Is a generated feature a student's (class 0) or a teacher's (class 1)?

    Args:
        dim: width of what it reads.
        sizes: of its hidden layers; as released (2048, 1024, 512) for image features and
            (512, 64, 32) for tags.
    """

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        widths = (dim, *sizes)
        self.net = nn.Sequential(*_layers(widths), nn.Linear(widths[-1], 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim) float -> logits (B, 2)."""
        return self.net(x)


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    return [layer for i, o in pairwise(widths) for layer in (nn.Linear(i, o), nn.ReLU())]
