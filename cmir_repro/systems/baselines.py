"""Baselines of label-based retrieval that are no student of CRCGS: CCA with ITQ, and DCMH."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmir_repro.core.config import Config
from cmir_repro.core.distributed import gather
from cmir_repro.losses import labels
from cmir_repro.models.towers import DCMHImageNet, DCMHTextNet, codes
from cmir_repro.systems.base import Group
from cmir_repro.systems.cca_itq import CCASpace, fit_cca, fit_itq

COSINE = "cosine"


class BaselineConfig(Config):
    """Which one, and its sizes."""

    kind: Literal["cca-itq", "dcmh"]
    dims: int = Field(128, ge=1)  # of CCA's space; fewer where the data have fewer
    hidden_image: int = Field(4096, ge=1)  # of DCMH's nets
    hidden_text: int = Field(8192, ge=1)


class CCA(nn.Module):
    """CCA's space, and for each number of bits ITQ's rotation of it; fitted, not trained."""

    trained = False

    def __init__(
        self, config: BaselineConfig, image_dim: int, text_dim: int, bits: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.config, self.bits = config, bits

    def fit(self, features: Tensor, text: Tensor, seed: int) -> None:
        """Fit on pairs (N, F) and (N, D) float; the same for the same seed."""
        x, t = features.numpy(), text.numpy()
        self.space: CCASpace = fit_cca(x, t, self.config.dims)
        both = torch.cat(
            [torch.from_numpy(self.space.images(x)), torch.from_numpy(self.space.texts(t))]
        )
        self.rotations = {bits: fit_itq(both.numpy(), bits, seed) for bits in self.bits}

    def tensors(self) -> dict[str, Tensor]:
        """What was fitted, by name."""
        named = {name: value for name, value in vars(self.space).items()}
        named |= {f"itq-{bits}": rotation.map for bits, rotation in self.rotations.items()}
        return {name: torch.from_numpy(value) for name, value in named.items()}

    def encode(self, features: Tensor, text: Tensor) -> tuple[dict, dict]:
        """Of each modality: scoring -> (N, d) float32 or (N, L) bool arrays."""
        sides = self.space.images(features.numpy()), self.space.texts(text.numpy())
        return tuple(
            {COSINE: z, **{f"hamming-{b}": r.codes(z) for b, r in self.rotations.items()}}
            for z in sides
        )


class DCMH(nn.Module):
    """For each number of bits two nets whose outputs' signs are the codes, trained side by side.

    Args:
        config: widths. image_dim: F. text_dim: D. bits: L of each pair of nets.
    """

    trained = True

    def __init__(
        self, config: BaselineConfig, image_dim: int, text_dim: int, bits: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.image = nn.ModuleDict(
            {str(b): DCMHImageNet(image_dim, config.hidden_image, b) for b in bits}
        )
        self.text = nn.ModuleDict(
            {str(b): DCMHTextNet(text_dim, config.hidden_text, b) for b in bits}
        )

    def parameter_groups(self, config) -> list[Group]:
        """See base.System; no decay, as in the paper."""
        return [(list(self.parameters()), 1.0, {"weight_decay": 0.0})]

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Sum over the nets of the losses of features (B, F), text (B, D), labels (B, C)."""
        shared = labels.share(gather(batch["labels"]))
        sides = (self.image, "features"), (self.text, "text")
        each = [
            labels.dcmh(*(gather(nets[bits](batch[key])) for nets, key in sides), shared)
            for bits in self.image
        ]
        return {name: torch.stack([losses[name] for losses in each]).sum() for name in each[0]}

    @torch.no_grad()
    def encode(self, features: Tensor, text: Tensor) -> tuple[dict, dict]:
        """Of each modality: scoring -> (N, L) bool arrays."""
        return tuple(
            {f"hamming-{bits}": codes(net(x)).cpu().numpy() for bits, net in nets.items()}
            for nets, x in ((self.image, features), (self.text, text))
        )


BASELINES = {"cca-itq": CCA, "dcmh": DCMH}
