"""Random views of pictures: what an image may look like and still be the same image.

The numbers a view depends on are drawn beside the batch, so that any step can be redone and a
batch shared by several processes is the batch of one.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.core.errors import one_of

DRAWS = 7  # numbers in [0, 1) that a view depends on


class View(NamedTuple):
    """Share of each side kept at least, mirrored or not, largest change of light and of colour."""

    side: float
    flip: bool
    light: float
    colour: float


# Our choice. Sentences of scenes say left and right and name colours: neither may change. For
# photographs the crop keeps half of the area (ALBEF, fine-tuning), and light and colour change by
# up to 0.4 (TCL); blur, grey pictures and RandAugment are left out.
VIEWS = {
    "none": None,
    "scenes": View(side=0.9, flip=False, light=0.2, colour=0.0),
    "photographs": View(side=0.5**0.5, flip=True, light=0.4, colour=0.4),
}


def random_view(pictures: Tensor, draws: Tensor, kind: str) -> Tensor:
    """Cut out, mirror and re-colour each picture of a batch in its own way.

    Args:
        pictures: (B, H, W, 3) uint8.
        draws: (B, DRAWS) float in [0, 1): width, height, place (2), mirror, light, colour (towards
            grey or away from it).
        kind: a key of VIEWS.

    Returns:
        (B, H, W, 3) float in [0, 255]; "none" gives `pictures` back.

    Raises:
        InputError: unknown kind.
    """
    one_of("view", kind, VIEWS)
    view = VIEWS[kind]
    if view is None:
        return pictures
    draws = draws.to(pictures.device)
    size = view.side + (1 - view.side) * draws[:, :2]  # (B, 2) share of width and height
    middle = (1 - size) * (2 * draws[:, 2:4] - 1)  # where the cut's middle lies, in [-1, 1]
    mirror = 1 - 2.0 * (draws[:, 4] < 0.5) if view.flip else torch.ones_like(draws[:, 4])
    theta = torch.zeros(len(draws), 2, 3, device=draws.device)
    theta[:, 0, 0], theta[:, 1, 1] = size[:, 0] * mirror, size[:, 1]
    theta[:, :, 2] = middle
    x = pictures.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    light = 1 + view.light * (2 * draws[:, 5] - 1)
    x = x * light[:, None, None, None]
    if view.colour:
        strength = 1 + view.colour * (2 * draws[:, 6] - 1)
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * strength[:, None, None, None]
    return x.clamp(0, 255).permute(0, 2, 3, 1)  # (B, H, W, 3)
