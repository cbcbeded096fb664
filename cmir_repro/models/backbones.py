"""Image trunks: ready features as they are, or pictures through a net without its last layer."""

from collections.abc import Sequence

from torch import Tensor, nn

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.models.image import _torchvision, build_image_encoder, normalise

FEATURES = "features"
VGG = "vgg19_bn"
# "convnet" is the small net for the built-in pictures; the others are torchvision's.
TRUNKS = (FEATURES, "convnet", "mobilenet_v2", "resnet18", "resnet50", VGG)
_VGG_SIDE = 32  # halved five times: a smaller picture would vanish


class Encoder(nn.Module):
    """An image encoder of `models.image` whose last layer is taken away.

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
        weights: as of `models.image.ResNet`.
    """

    out_dim = 4096

    def __init__(self, weights: str) -> None:
        super().__init__()
        net = _torchvision(VGG, weights)
        self.features, self.pool = net.features, net.avgpool
        self.fc = net.classifier[:5]  # linear, ReLU, dropout, linear, ReLU

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 4096) float >= 0."""
        return self.fc(self.pool(self.features(normalise(pictures))).flatten(1))


def build_trunk(name: str, weights: str, shape: Sequence[int]) -> tuple[nn.Module, int]:
    """The trunk of a name in TRUNKS, and F, the width of what it gives.

    Args:
        weights: as of `models.image.ResNet`; "none" for features and the convnet.
        shape: of one image of the batch: (F,) of features, float; (H, W, 3) of pictures, uint8,
            which are normalised in ImageNet's statistics.

    Raises:
        InputError: unknown name, images of another shape than it reads, or weights that it cannot
            have.
    """
    one_of("image trunk", name, TRUNKS)
    if name == FEATURES:
        if len(shape) != 1:
            raise InputError(
                f"the trunk 'features' reads vectors, and these images are {tuple(shape)}; give "
                f"features or take one of {', '.join(TRUNKS[1:])}"
            )
        if weights != "none":
            raise InputError("ready features take no weights; use image_weights = 'none'")
        return nn.Identity(), shape[0]
    if len(shape) != 3 or shape[2] != 3:
        raise InputError(
            f"the trunk {name!r} reads pictures (H, W, 3), and these images are {tuple(shape)}; "
            "use 'features' for vectors"
        )
    if name == VGG and min(shape[:2]) < _VGG_SIDE:
        raise InputError(
            f"{VGG} needs pictures of {_VGG_SIDE} x {_VGG_SIDE} or more, and these are "
            f"{shape[0]} x {shape[1]}; prepare larger ones or use 'convnet'"
        )
    trunk = VGG19(weights) if name == VGG else Encoder(name, weights)
    return trunk, trunk.out_dim
