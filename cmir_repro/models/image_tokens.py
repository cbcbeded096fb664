"""Encoders of pictures as sets: patches of a transformer, cells of a CNN's map, ready regions.

Every encoder is built by `build_image_tokens`, has the attributes `width` (D of its vectors),
`has_cls` (the first vector stands for the whole picture) and `grid` (rows and columns of the
others, None where they have no order), and maps what `prepare` makes of stored pictures to a
`TokenSet` (B, N, D). A pretrained net's own width is mapped to D by a linear layer where the two
differ.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.weights import from_disk, weights_file
from cmir_repro.models.image import IMAGE_ENCODERS, build_image_encoder, normalise
from cmir_repro.models.token_set import TokenSet

# Dosovitskiy et al. 2021 and, for "small", Touvron et al. 2021; the smallest is our choice for two
# CPU cores: its patch divides the scenes' pictures.
VITS = {
    "vit-tiny-mini": {"hidden_size": 96, "depth": 3, "heads": 4, "patch_size": 15},
    "vit-s16": {"hidden_size": 384, "depth": 12, "heads": 6, "patch_size": 16},
    "vit-b16": {"hidden_size": 768, "depth": 12, "heads": 12, "patch_size": 16},
}
REGIONS = "regions"
SAVED_VIT = "vit"  # shape and weights come from a folder


class PatchTransformer(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2021), the states of its last layer normalised.

    A picture whose sides are no multiples of the patch is stretched up to the next ones, so that
    no border is cut off. Positions learned on another grid are interpolated to this one.

    Args:
        name: a key of VITS (from scratch), or SAVED_VIT.
        width: D.
        weights: for SAVED_VIT the folder of a saved model, as for `transformers.AutoModel`: a
            path, or a name in `paths.weights()`; nothing is downloaded. Else "none".
        shape: (H, W, 3) of the stored pictures.

    Raises:
        InputError: the model cannot be had or is no vision transformer.
    """

    has_cls = True
    prepare = staticmethod(normalise)

    def __init__(self, name: str, width: int, weights: str, shape: Sequence[int]) -> None:
        super().__init__()
        if name == SAVED_VIT:
            self.net = _saved_vit(weights)
        else:
            _from_scratch(name, weights)
            self.net = _new_vit(VITS[name], shape)
        patch = _pair(self.net.config.patch_size)
        self.grid = tuple(-(-side // p) for side, p in zip(shape[:2], patch, strict=True))
        self.size = tuple(cells * p for cells, p in zip(self.grid, patch, strict=True))
        trained = _pair(self.net.config.image_size)
        self.interpolate = self.size != trained
        if self.interpolate and (trained[0] != trained[1] or patch[0] != patch[1]):
            raise InputError(
                f"{weights} was trained on pictures of {trained[0]} x {trained[1]} in patches of "
                f"{patch[0]} x {patch[1]}; only square ones can be used for another size"
            )
        self.width = width
        self.project = _project(self.net.config.hidden_size, width)

    def forward(self, pictures: Tensor) -> TokenSet:
        """(B, 3, H, W) float -> (B, 1 + h * w, D), the CLS token first, then row by row."""
        if tuple(pictures.shape[2:]) != self.size:
            pictures = F.interpolate(pictures, self.size, mode="bilinear")
        out = self.net(pictures, interpolate_pos_encoding=self.interpolate)
        return TokenSet.full(self.project(out.last_hidden_state))


class GridCNN(nn.Module):
    """The last block's map of an image encoder as a set, with learned positions (our choice).

    Args:
        name: of IMAGE_ENCODERS; the frozen one reads ready features of shape (h, w, C).
        width: D.
        weights: as in `models.image`.
        shape: (H, W, 3) of the stored pictures, or (h, w, C).
    """

    has_cls = False

    def __init__(self, name: str, width: int, weights: str, shape: Sequence[int]) -> None:
        super().__init__()
        self.encoder = build_image_encoder(name, 1, weights)
        self.encoder.fc = nn.Identity()  # the vector is not used, so it has no parameters
        self.width = width
        self.project = nn.Linear(list(self.encoder.channels.values())[-1], width)
        with torch.no_grad():  # how many cells there are is asked of the net itself
            self.encoder.eval()
            blank = self.prepare(torch.zeros(1, *shape, dtype=torch.uint8))
            self.grid = tuple(self._map(blank).shape[2:])
            self.encoder.train()
        self.positions = nn.Parameter(torch.zeros(self.grid[0] * self.grid[1], width))
        nn.init.trunc_normal_(self.positions, std=0.02)

    def prepare(self, pictures: Tensor) -> Tensor:
        """What the picture store gives -> what `forward` takes."""
        return self.encoder.prepare(pictures)

    def forward(self, pictures: Tensor) -> TokenSet:
        """What `prepare` gives -> (B, h * w, D), row by row."""
        cells = self._map(pictures).flatten(2).transpose(1, 2)  # (B, P, C)
        return TokenSet.full(self.project(cells) + self.positions)

    def _map(self, pictures: Tensor) -> Tensor:
        return list(self.encoder(pictures).maps.values())[-1]


class Regions(nn.Module):
    """Ready features of regions: a linear layer beside a two-layer net (woodfrog/vse_infty).

    Args:
        width: D.
        weights: "none".
        shape: (K, C) of a picture's features: K regions of C numbers, 2048 in the reference; of
            a file also (C,), one vector, or (C, H, W), whose places count as regions.
    """

    has_cls = False
    grid = None

    def __init__(self, width: int, weights: str, shape: Sequence[int]) -> None:
        super().__init__()
        _from_scratch("regions", weights)
        channels, hidden = shape[0 if len(shape) == 3 else -1], width // 2
        self.width = width
        self.linear = nn.Linear(channels, width)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.enter, self.norm = nn.Linear(channels, hidden), nn.BatchNorm1d(hidden)
        self.leave = nn.Linear(hidden, width)

    @staticmethod
    def prepare(pictures: Tensor) -> Tensor:
        """Float16 or 32 (B, K, C), (B, C) or (B, C, H, W) -> float32 (B, K, C)."""
        if pictures.ndim == 4:
            pictures = pictures.flatten(2).transpose(1, 2)
        return pictures.reshape(len(pictures), -1, pictures.shape[-1]).float()

    def forward(self, pictures: Tensor) -> TokenSet:
        """(B, K, C) float -> (B, K, D)."""
        deep = self.norm(self.enter(pictures).flatten(0, 1)).relu()  # (B * K, D / 2)
        deep = self.leave(deep).unflatten(0, pictures.shape[:2])
        return TokenSet.full(self.linear(pictures) + deep)


# Name -> builder(width, weights, shape).
IMAGE_TOKENS: dict[str, Callable[[int, str, Sequence[int]], nn.Module]] = {
    **{name: partial(PatchTransformer, name) for name in (*VITS, SAVED_VIT)},
    **{name: partial(GridCNN, name) for name in IMAGE_ENCODERS},
    REGIONS: Regions,
}


def build_image_tokens(name: str, width: int, weights: str, shape: Sequence[int]) -> nn.Module:
    """The encoder of a name in IMAGE_TOKENS.

    Args:
        width: D of its vectors.
        weights: "none", or as the encoder's class says.
        shape: of one stored picture or of its ready features, without the batch.

    Raises:
        InputError: unknown name, or weights that cannot be had.
    """
    one_of("image encoder", name, IMAGE_TOKENS)
    return IMAGE_TOKENS[name](width, weights, shape)


def _saved_vit(weights: str) -> nn.Module:
    from transformers import AutoModel, ViTModel

    net = from_disk(AutoModel, str(weights_file(weights)))
    if not isinstance(net, ViTModel):
        raise InputError(
            f"{weights} holds a {net.config.model_type} and no vision transformer; name the "
            "folder of a saved ViTModel"
        )
    net.pooler = None  # not used; without a gradient it would hold up several processes
    return net


def _new_vit(sizes: dict, shape: Sequence[int]) -> nn.Module:
    from transformers import ViTConfig, ViTModel

    patch = sizes["patch_size"]
    config = ViTConfig(
        hidden_size=sizes["hidden_size"],
        num_hidden_layers=sizes["depth"],
        num_attention_heads=sizes["heads"],
        intermediate_size=4 * sizes["hidden_size"],
        patch_size=patch,
        image_size=[-(-side // patch) * patch for side in shape[:2]],
        layer_norm_eps=1e-6,
    )
    return ViTModel(config, add_pooling_layer=False)


def _from_scratch(name: str, weights: str) -> None:
    if weights != "none":
        raise InputError(f"{name} starts from scratch; use image_weights = 'none'")


def _project(channels: int, width: int) -> nn.Module:
    return nn.Identity() if channels == width else nn.Linear(channels, width)


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
