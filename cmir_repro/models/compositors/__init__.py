"""Compositors: source image and text in, the query vector out. One file a method.

Each is built as `Compositor(channels, embed_dim)` and called as
`compositor(ImageFeatures, text (B, D), head) -> (B, D)`, where `head` is the image encoder's
(last map -> vector). `needs_map` says whether it reads the last block's map.
"""

from cmir_repro.errors import one_of
from cmir_repro.models.compositors.concatenation import Concatenation
from cmir_repro.models.compositors.tirg import TIRG, TIRGLastConv
from cmir_repro.models.compositors.unimodal import ImageOnly, TextOnly

COMPOSITORS = {
    "image-only": ImageOnly,
    "text-only": TextOnly,
    "concatenation": Concatenation,
    "tirg": TIRG,
    "tirg-last-conv": TIRGLastConv,
}


def build_compositor(name: str, channels: int, embed_dim: int):
    """The compositor of a name in COMPOSITORS.

    Args:
        name: method.
        channels: C of the image encoder's last map.
        embed_dim: D of all vectors.

    Raises:
        InputError: unknown name.
    """
    one_of("compositor", name, COMPOSITORS)
    return COMPOSITORS[name](channels, embed_dim)
