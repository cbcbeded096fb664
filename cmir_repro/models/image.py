"""Image encoders: a picture in, its vector and the maps of its four blocks out.

An encoder maps normalised pictures (B, 3, H, W) float to `ImageFeatures`. `head` turns the map of
the last block into the vector, so that a compositor may change that map first.
"""

from pathlib import Path
from pickle import UnpicklingError
from textwrap import shorten
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import sha256

BLOCKS = ("block1", "block2", "block3", "block4")
# ImageNet statistics, RGB in [0, 1], as in TIRG.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageFeatures(NamedTuple):
    """vector: (B, D) float; maps: block name -> (B, C, h, w) float, low level first."""

    vector: Tensor
    maps: dict[str, Tensor]


class ImageEncoder(nn.Module):
    """What all image encoders share; a subclass fills `stem`, `blocks` and defines `head`.

    Attributes:
        channels: block name -> C of its map.
    """

    channels: dict[str, int]

    @staticmethod
    def prepare(pictures: Tensor) -> Tensor:
        """What the picture store gives -> what `forward` takes."""
        return normalise(pictures)

    def forward(self, pictures: Tensor) -> ImageFeatures:
        x = self.stem(pictures)
        maps = {}
        for name, block in self.blocks.items():
            x = maps[name] = block(x)
        return ImageFeatures(self.head(x), maps)


class ConvNet(ImageEncoder):
    """A small net for two CPU cores (our choice): 4x4 patches, then four blocks of one layer.

    Layer statistics are per picture (group norm), so a batch may be split over processes. The
    last map is averaged over a coarse grid, not over everything: where an object stands matters.
    """

    WIDTHS = (24, 48, 64, 96)
    STRIDES = (1, 2, 1, 2)
    GRID = (3, 5)  # cells of the last map that are averaged, rows x columns

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.channels = dict(zip(BLOCKS, self.WIDTHS, strict=True))
        before = self.WIDTHS[0]
        self.stem = nn.Sequential(nn.Conv2d(3, before, 4, stride=4), nn.ReLU())
        self.blocks = nn.ModuleDict()
        for name, width, stride in zip(BLOCKS, self.WIDTHS, self.STRIDES, strict=True):
            self.blocks[name] = nn.Sequential(
                nn.Conv2d(before, width, 3, stride, padding=1, bias=False),
                nn.GroupNorm(4, width),
                nn.ReLU(),
            )
            before = width
        self.fc = nn.Linear(before * self.GRID[0] * self.GRID[1], embed_dim)

    def head(self, last: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(last, self.GRID).flatten(1))  # (B, D)


class ResNet(ImageEncoder):
    """torchvision's ResNet-18 or -50 with a new last layer, as in google/tirg.

    Args:
        depth: 18 or 50.
        embed_dim: D.
        weights: "none", "imagenet" (torchvision's cache) or a safetensors file with torchvision's
            keys: a path, or a name in `paths.weights()`.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """

    def __init__(self, depth: int, embed_dim: int, weights: str = "none") -> None:
        super().__init__()
        net = _torchvision(f"resnet{depth}", weights)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        layers = (net.layer1, net.layer2, net.layer3, net.layer4)
        self.blocks = nn.ModuleDict(dict(zip(BLOCKS, layers, strict=True)))
        widths = (64, 128, 256, 512) if depth == 18 else (256, 512, 1024, 2048)
        self.channels = dict(zip(BLOCKS, widths, strict=True))
        self.fc = nn.Linear(widths[-1], embed_dim)

    def head(self, last: Tensor) -> Tensor:
        return self.fc(last.mean((2, 3)))  # (B, D)


class MobileNet(ImageEncoder):
    """torchvision's MobileNetV2 (Sandler et al. 2018) with a new last layer; arguments as `ResNet`.

    The four blocks are the layers up to a quarter, an eighth, a sixteenth and a thirty-second of
    the picture's size (our choice).
    """

    LAYERS = (4, 7, 14, 19)  # of torchvision's `features`: where each block ends
    WIDTHS = (24, 32, 96, 1280)

    def __init__(self, embed_dim: int, weights: str = "none") -> None:
        super().__init__()
        layers = _torchvision("mobilenet_v2", weights).features
        self.stem = nn.Identity()
        starts = (0, *self.LAYERS[:-1])
        self.blocks = nn.ModuleDict(
            {b: layers[i:j] for b, i, j in zip(BLOCKS, starts, self.LAYERS, strict=True)}
        )
        self.channels = dict(zip(BLOCKS, self.WIDTHS, strict=True))
        self.fc = nn.Linear(self.WIDTHS[-1], embed_dim)

    def head(self, last: Tensor) -> Tensor:
        return self.fc(last.mean((2, 3)))  # (B, D)


class FrozenMobileNet(ImageEncoder):
    """A small trained net on the maps of a MobileNetV2 that stays as it is (our choice).

    It reads what `data.frozen` has stored: the four blocks' maps, averaged over a coarse grid,
    one after the other in the channels. The first three blocks' maps are passed on as they are;
    the fourth is a trained 1x1 layer on all of them, so that colour and texture, which the early
    blocks know best, reach the vector too.
    """

    WIDTH = 128

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.channels = dict(zip(BLOCKS, (*MobileNet.WIDTHS[:-1], self.WIDTH), strict=True))
        self.adapter = nn.Sequential(
            nn.Conv2d(sum(MobileNet.WIDTHS), self.WIDTH, 1, bias=False),
            nn.GroupNorm(4, self.WIDTH),
            nn.ReLU(),
        )
        self.fc = nn.Linear(self.WIDTH, embed_dim)

    @staticmethod
    def prepare(pictures: Tensor) -> Tensor:
        """Float16 (B, h, w, C) -> float (B, C, h, w), channels last in memory."""
        return pictures.permute(0, 3, 1, 2).float()

    def forward(self, pictures: Tensor) -> ImageFeatures:
        *early, _ = pictures.split(MobileNet.WIDTHS, dim=1)
        last = self.adapter(pictures)
        return ImageFeatures(self.head(last), dict(zip(BLOCKS, (*early, last), strict=True)))

    def head(self, last: Tensor) -> Tensor:
        return self.fc(last.mean((2, 3)))  # (B, D)


def _torchvision(name: str, weights: str) -> nn.Module:
    # torchvision takes a second to import and only these encoders need it.
    from torchvision import models

    net = models.get_model(name, weights=None)
    if weights == "none":
        return net
    state = _imagenet(name) if weights == "imagenet" else _read_weights(weights_file(weights))
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = shorten(str(error).splitlines()[1], 120)
        raise InputError(f"{weights} does not hold a torchvision {name}: {reason}") from error
    return net


def weights_file(name: str) -> Path:
    """A weights file by its path, or by its name in `paths.weights()`."""
    path = Path(name)
    return path if path.is_absolute() or path.exists() else paths.weights() / name


def weights_digest(weights: str) -> str:
    """What tells weights apart: the digest of their file, or the word that names them.

    Raises:
        InputError: the file is not there.
    """
    if weights in ("none", "imagenet"):
        return weights
    file = weights_file(weights)
    if not file.is_file():
        raise InputError(
            f"the weights {weights} are neither a file nor in the weights folder; put them into "
            "data/weights or set CMIR_WEIGHTS to the folder that holds them"
        )
    return sha256(file)


def _imagenet(name: str) -> dict[str, Tensor]:
    from torchvision import models

    released = models.get_model_weights(name).DEFAULT
    try:
        # torchvision would unpickle anything; these files need tensors only.
        return released.get_state_dict(check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise InputError(
            f"the ImageNet weights of {name} are neither whole in torchvision's cache nor "
            "can be downloaded; put the file there, name a safetensors file, or use 'none'"
        ) from error


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error})") from error


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> float (B, 3, H, W), in ImageNet statistics.

    The result is a view with channels last in memory, which is the order convolutions want.
    """
    x = pixels.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
    mean = torch.tensor(MEAN, device=x.device).view(3, 1, 1) * 255
    std = torch.tensor(STD, device=x.device).view(3, 1, 1) * 255
    return (x - mean) / std


def build_image_encoder(name: str, embed_dim: int, weights: str = "none") -> ImageEncoder:
    """The encoder of a name in IMAGE_ENCODERS; weights as in `ResNet`.

    Raises:
        InputError: unknown name, or weights asked for a net that has none.
    """
    one_of("image encoder", name, IMAGE_ENCODERS)
    if name == "convnet":
        if weights != "none":
            raise InputError("the convnet has no pretrained weights; use image_weights = 'none'")
        return ConvNet(embed_dim)
    if name == FROZEN:  # the weights made what it reads
        return FrozenMobileNet(embed_dim)
    if name == "mobilenet_v2":
        return MobileNet(embed_dim, weights)
    return ResNet(int(name.removeprefix("resnet")), embed_dim, weights)


FROZEN = "frozen-mobilenet_v2"
IMAGE_ENCODERS = ("convnet", "resnet18", "resnet50", "mobilenet_v2", FROZEN)
