"""The two towers of an AAI model of ours as makers of features, as those of CLIP are.

It was trained on pictures and their descriptions, never on queries of an image and a text.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Resampling

from cmir_repro.core.errors import InputError
from cmir_repro.experiments import shared

if TYPE_CHECKING:
    from PIL import Image


class OwnTowers:
    """Vectors by ITC of an exported AAI model; used as `models.pretrained.Pretrained` is.

    Args:
        name: of the model, or its folder, as `shared.find` takes it.
        texts: whether it shall read texts; else images; kept as `reads_texts`.

    Raises:
        InputError: no such model, or one of another system, or its data are not here.
    """

    def __init__(self, name: Path | str, device: str, texts: bool) -> None:
        self.folder, model = shared.find(name), shared.load(name)
        if model.record.system != "aai":
            raise InputError(
                f"{self.folder} is a model of {model.record.system}; two towers that share a space "
                "are those of aai"
            )
        self.net, self.device, self.reads_texts = model.model.to(device), device, texts
        self.name = model.record.run
        experiment = model.experiment()
        self.tokens, self.shape = experiment.tokens, tuple(experiment.task.shape())

    @torch.no_grad()
    def images(self, pictures: Sequence["Image.Image"], grid: bool) -> np.ndarray:
        """B pictures -> (B, E) float32; those of another size than in training are scaled to it.

        Bilinear and smoothed when shrinking, whatever that does to the proportions (our choice).

        Raises:
            InputError: a grid is asked for.
        """
        _no_grid(grid)
        size = self.shape[1], self.shape[0]
        scaled = (picture.convert("RGB").resize(size, Resampling.BILINEAR) for picture in pictures)
        arrays = [np.asarray(picture) for picture in scaled]
        side = self.net.encode_images(torch.from_numpy(np.stack(arrays)).to(self.device))
        return self.net.vector(side, "image").float().cpu().numpy()

    def longest(self, texts: Sequence[str]) -> int:
        """The most words that one of the texts has."""
        return int(self.tokens.encode(texts)[1].max())

    @torch.no_grad()
    def texts(
        self, texts: Sequence[str], grid: bool, longest: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """B sentences -> (B, E) float32, and how many words each has, (B,) int64.

        Raises:
            InputError: a grid is asked for.
        """
        _no_grid(grid)
        words, lengths = map(torch.from_numpy, self.tokens.encode(texts))
        side = self.net.encode_texts(words.to(self.device), lengths.to(self.device))
        return self.net.vector(side, "text").float().cpu().numpy(), lengths.numpy()


def _no_grid(grid: bool) -> None:
    if grid:
        raise InputError("towers of an AAI model give one vector a row; leave out --grid")
