"""ComposeAE: the text rotates the image in complex space (Anwaar et al. 2021).

    z = image net(x),    a = angle net(t),    phi = z * exp(i a)
    query = w0 * rho(phi) + w1 * rho_conv(phi, z, t')

Equations and layers are from memory; only the weights of the losses are checked (code of
ecom-research/ComposeAE). Named choices where memory leaves a point open:
- z is real, so phi is (z cos a, z sin a); image and angle net have two layers each, after a norm;
- rho reads real and imaginary part side by side, with the layers of TIRG's residual;
- rho_conv slides over four channels of length D (both parts, z, and t' = a), keeps 64 channels of
  16 values by a maximum, and ends in one linear layer;
- w0, w1 are learned from 1 and 10, as in TIRG;
- reconstructions are two layers from the query back to the encoders' vectors, compared by the mean
  squared difference, with gradients on both sides;
- the symmetry loss composes the desired image with exp(-i a) and asks for the source.
The texts are whatever the run's text encoder reads, where the paper has a frozen BERT.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.image import ImageFeatures
from cmir_repro.models.text import TextFeatures

DROPOUT = 0.5  # in the image net; from memory
CHANNELS, LENGTH = 64, 16  # what rho_conv keeps
IMAGE_WEIGHT, TEXT_WEIGHT, SYMMETRY_WEIGHT = 0.1, 0.1, 0.01


class ComposeAE(Compositor):
    """All vectors are (B, D)."""

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        D = embed_dim
        self.w = nn.Parameter(torch.tensor([1.0, 10.0]))
        self.image = nn.Sequential(
            nn.BatchNorm1d(D), nn.Dropout(DROPOUT), nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D)
        )
        self.angle = nn.Sequential(nn.BatchNorm1d(D), nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D))
        self.rho = nn.Sequential(
            nn.BatchNorm1d(2 * D),
            nn.ReLU(),
            nn.Linear(2 * D, 2 * D),
            nn.ReLU(),
            nn.Linear(2 * D, D),
        )
        self.rho_conv = nn.Sequential(
            nn.Conv1d(4, CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool1d(LENGTH),
            nn.Flatten(),
            nn.Linear(CHANNELS * LENGTH, D),
        )
        self.to_image = nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D))
        self.to_text = nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D))

    def forward(self, image: ImageFeatures, text: TextFeatures, head: Callable) -> Tensor:
        """Returns (B, D)."""
        return self._compose(image.vector, text.vector, 1)

    def _compose(self, x: Tensor, t: Tensor, direction: int) -> Tensor:
        z, a = self.image(x), self.angle(t)
        real, imaginary = rotate(z, direction * a)
        linear = self.rho(torch.cat([real, imaginary], dim=1))
        convolved = self.rho_conv(torch.stack([real, imaginary, z, a], dim=1))
        return self.w[0] * linear + self.w[1] * convolved

    def extra_losses(
        self,
        image: ImageFeatures,
        text: TextFeatures,
        fusion: Tensor,
        target: Tensor,
        metric: Callable[[Tensor, Tensor], Tensor],
    ) -> dict[str, tuple[float, Tensor]]:
        """Reconstruction of both inputs, and rotational symmetry."""
        back = self._compose(target, text.vector, -1)
        return {
            "image reconstruction": (
                IMAGE_WEIGHT,
                F.mse_loss(self.to_image(fusion), image.vector),
            ),
            "text reconstruction": (TEXT_WEIGHT, F.mse_loss(self.to_text(fusion), text.vector)),
            "rotational symmetry": (SYMMETRY_WEIGHT, metric(back, image.vector)),
        }


def rotate(z: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of z * exp(i angle), for real z; shapes (B, D) throughout."""
    return z * angle.cos(), z * angle.sin()
