"""Compositors: source image and text in, the query vector out. One file a method.

All share the base class `Compositor`, whose docstring says how they are built and called. An own
one needs no file here: `own.register_compositor` of experiments makes it known by name.
"""

from cmir_repro.core.errors import one_of
from cmir_repro.models.compositors.attribute_as_operator import AttributeAsOperator
from cmir_repro.models.compositors.base import Compositor
from cmir_repro.models.compositors.composeae import ComposeAE
from cmir_repro.models.compositors.concatenation import Concatenation
from cmir_repro.models.compositors.film import FiLM
from cmir_repro.models.compositors.mrn import MRN
from cmir_repro.models.compositors.parameter_hashing import ParameterHashing
from cmir_repro.models.compositors.relationship import Relationship
from cmir_repro.models.compositors.show_and_tell import ShowAndTell
from cmir_repro.models.compositors.tirg import TIRG, TIRGLastConv
from cmir_repro.models.compositors.unimodal import ImageOnly, TextOnly

COMPOSITORS: dict[str, type[Compositor]] = {
    "image-only": ImageOnly,
    "text-only": TextOnly,
    "concatenation": Concatenation,
    "show-and-tell": ShowAndTell,
    "parameter-hashing": ParameterHashing,
    "attribute-as-operator": AttributeAsOperator,
    "relationship": Relationship,
    "mrn": MRN,
    "film": FiLM,
    "tirg": TIRG,
    "tirg-last-conv": TIRGLastConv,
    "composeae": ComposeAE,
}


def build_compositor(name: str, channels: int, embed_dim: int) -> Compositor:
    """The compositor of a name that COMPOSITORS holds now.

    Args:
        name: method.
        channels: C of the image encoder's last map.
        embed_dim: D of all vectors.

    Raises:
        InputError: unknown name.
    """
    one_of("compositor", name, COMPOSITORS)
    return COMPOSITORS[name](channels, embed_dim)
