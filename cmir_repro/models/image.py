"""Image encoders: a picture in, its vector and the maps of its four blocks out; and backbones.

An encoder maps normalised pictures (B, 3, H, W) float to `ImageFeatures`. `head` turns the map of
the last block into the vector, so that a compositor may change that map first. A backbone gives the
features (B, F) that a net of label-based retrieval starts from.
"""

from collections.abc import Sequence
from pickle import UnpicklingError
from textwrap import shorten
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.weights import read_weights, weights_file

BLOCKS = ("block1", "block2", "block3", "block4")
# ImageNet statistics, RGB in [0, 1], as in TIRG.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FROZEN = "frozen-mobilenet_v2"
CONVNETS = {"convnet": 1, "convnet-2x": 2, "convnet-half": 0.5}  # and how wide they are
IMAGE_ENCODERS = (*CONVNETS, "resnet18", "resnet50", "mobilenet_v2", FROZEN)

FEATURES = "features"
VGG = "vgg19_bn"
# Of label-based retrieval: features as they are, or pictures through a net without its last layer.
# "convnet" is the small net for the built-in pictures; the others are torchvision's.
BACKBONES = (FEATURES, "convnet", "mobilenet_v2", "resnet18", "resnet50", VGG)
_VGG_SIDE = 32  # halved five times: a smaller picture would vanish


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

    Args:
        embed_dim: D.
        times: the WIDTHS, in channels.
    """

    WIDTHS = (24, 48, 64, 96)
    STRIDES = (1, 2, 1, 2)
    GRID = (3, 5)  # cells of the last map that are averaged, rows x columns

    def __init__(self, embed_dim: int, times: float = 1) -> None:
        super().__init__()
        widths = [int(width * times) for width in self.WIDTHS]
        self.channels = dict(zip(BLOCKS, widths, strict=True))
        before = widths[0]
        self.stem = nn.Sequential(nn.Conv2d(3, before, 4, stride=4), nn.ReLU())
        self.blocks = nn.ModuleDict()
        for name, width, stride in zip(BLOCKS, widths, self.STRIDES, strict=True):
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
        net = torchvision_model(f"resnet{depth}", weights)
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
        layers = torchvision_model("mobilenet_v2", weights).features
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

    It reads what `models.frozen` has stored: the four blocks' maps, averaged over a coarse grid,
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


def torchvision_model(name: str, weights: str) -> nn.Module:
    """torchvision's net of a name; weights and errors as of `ResNet`."""
    # torchvision takes a second to import and only these encoders need it.
    from torchvision import models

    net = models.get_model(name, weights=None)
    if weights == "none":
        return net
    state = _imagenet(name) if weights == "imagenet" else read_weights(weights_file(weights))
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = shorten(str(error).splitlines()[1], 120)
        raise InputError(f"{weights} does not hold a torchvision {name}: {reason}") from error
    return net


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


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> float (B, 3, H, W), in ImageNet statistics.

    The result is a view with channels last in memory, which is the order convolutions want.
    """
    W = pixels.shape[2]
    # A row of pixels at a time: over three channels at a time it takes eight times as long.
    mean, std = (
        (torch.tensor(x, device=pixels.device) * 255).expand(W, 3).flatten() for x in (MEAN, STD)
    )
    x = pixels.flatten(2).float().sub_(mean).div_(std)  # (B, H, W * 3)
    return x.unflatten(2, (W, 3)).permute(0, 3, 1, 2)


def build_image_encoder(name: str, embed_dim: int, weights: str = "none") -> ImageEncoder:
    """The encoder of a name in IMAGE_ENCODERS; weights as in `ResNet`.

    Raises:
        InputError: unknown name, or weights asked for a net that has none.
    """
    one_of("image encoder", name, IMAGE_ENCODERS)
    if name in CONVNETS:
        if weights != "none":
            raise InputError(f"{name} has no pretrained weights; use image_weights = 'none'")
        return ConvNet(embed_dim, CONVNETS[name])
    if name == FROZEN:  # the weights made what it reads
        return FrozenMobileNet(embed_dim)
    if name == "mobilenet_v2":
        return MobileNet(embed_dim, weights)
    return ResNet(int(name.removeprefix("resnet")), embed_dim, weights)


class Backbone(nn.Module):
    """An image encoder of IMAGE_ENCODERS whose last layer is taken away.

    Attributes:
        out_dim: F.
    """

    def __init__(self, name: str, weights: str) -> None:
        super().__init__()
        self.net = build_image_encoder(name, 1, weights)
        self.out_dim = self.net.fc.in_features
        self.net.fc = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, F) float >= 0."""
        return self.net(self.net.prepare(pictures)).vector


class VGG19(nn.Module):
    """torchvision's VGG-19 with batch norm up to the ReLU of its seventh fully connected part.

    As in the released code of CRCGS ("fc7"), there for pictures of 224 x 224; maps of other sizes
    are averaged to its 7 x 7 cells, as torchvision does. The layer of the ImageNet classes, which
    that code keeps and never trains, is left out.

    Args:
        weights: as of `ResNet`.
    """

    out_dim = 4096

    def __init__(self, weights: str) -> None:
        super().__init__()
        net = torchvision_model(VGG, weights)
        self.features, self.pool = net.features, net.avgpool
        self.fc = net.classifier[:5]  # linear, ReLU, dropout, linear, ReLU

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 4096) float >= 0."""
        return self.fc(self.pool(self.features(normalise(pictures))).flatten(1))


def build_backbone(name: str, weights: str, shape: Sequence[int]) -> tuple[nn.Module, int]:
    """The backbone of a name in BACKBONES, and F, the width of what it gives.

    Args:
        weights: as of `ResNet`; "none" for features and the convnet.
        shape: of one image of the batch: (F,) of features, float; (H, W, 3) of pictures, uint8,
            which are normalised in ImageNet's statistics.

    Raises:
        InputError: unknown name, images of another shape than it reads, or weights that it cannot
            have.
    """
    one_of("image backbone", name, BACKBONES)
    if name == FEATURES:
        if len(shape) != 1:
            raise InputError(
                f"the backbone 'features' reads vectors, and these images are {tuple(shape)}; give "
                f"features or take one of {', '.join(BACKBONES[1:])}"
            )
        if weights != "none":
            raise InputError("ready features take no weights; use image_weights = 'none'")
        return nn.Identity(), shape[0]
    if len(shape) != 3 or shape[2] != 3:
        raise InputError(
            f"the backbone {name!r} reads pictures (H, W, 3), and these images are {tuple(shape)}; "
            "use 'features' for vectors"
        )
    if name == VGG and min(shape[:2]) < _VGG_SIDE:
        raise InputError(
            f"{VGG} needs pictures of {_VGG_SIDE} x {_VGG_SIDE} or more, and these are "
            f"{shape[0]} x {shape[1]}; prepare larger ones or use 'convnet'"
        )
    backbone = VGG19(weights) if name == VGG else Backbone(name, weights)
    return backbone, backbone.out_dim
