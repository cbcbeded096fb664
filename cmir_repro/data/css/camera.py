"""The fixed camera, floor and light of the 3D view, and which pixels each object can reach.

Lengths are in grid steps (neighbouring cells are 1 apart). x points right, y up, z away from the
camera, which stands above the origin of the floor. The numbers are our choice, solved from how
the released pictures look: rows at about 40, 55 and 80 % of the height, columns from 20 to 80 %
of the width, a large object about 1.8 times as tall in the front row as in the back row.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

HEIGHT = 2.15  # of the camera above the floor
PITCH = math.radians(32)  # how far it looks down
FOCAL = 1.08  # focal length in picture heights: about 50 degrees from top to bottom
ROWS = (3.70, 2.70, 1.70)  # z of the cells' centres: top, middle, bottom
COLUMNS = (-1.0, 0.0, 1.0)  # x of the cells' centres
RADIUS = (0.21, 0.36)  # of the small and the large sphere
REACH = 1.08  # the farthest point of any solid from its axis, in radii: the cube's corner
MAX_OFFSET = 0.06  # an object leaves its cell's centre by at most this along x and z
# Towards the light: above, from the left, a little from the front.
LIGHT = tuple(a / math.hypot(-0.50, 0.80, -0.33) for a in (-0.50, 0.80, -0.33))
SLOPE = (-LIGHT[0] / LIGHT[1], -LIGHT[2] / LIGHT[1])  # shadow's shift along x, z per unit height
SOFT = 0.2  # width of the soft edge of the longest shadow


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels and the rays through it.

    rays: (3, S*S, h, w) float32 direction of each sample; its part along the view axis is FOCAL.
    toward: (3, S*S, h, w) float32 unit vector from the scene to the camera.
    halfway: (3, S*S, h, w) float32 unit vector halfway between `toward` and the light.
    """

    y: slice
    x: slice
    rays: Tensor
    toward: Tensor
    halfway: Tensor


@dataclass(frozen=True)
class Frame:
    """All that does not depend on the scene, for one picture size and device.

    floor: (3, height, width) float32, colour of the empty floor, 0..255.
    objects: cell, size -> window of samples that such an object can reach.
    shadows: cell, size -> rows, columns, and floor points (2, h, w) x, z its shadow can reach.
    """

    floor: Tensor
    objects: dict[tuple[int, int], Window]
    shadows: dict[tuple[int, int], tuple[slice, slice, Tensor]]


def project(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixel coordinates (..., 2) x, y of points (..., 3); pixel i covers i to i + 1."""
    x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    y = y - HEIGHT
    depth = z * math.cos(PITCH) - y * math.sin(PITCH)
    up = z * math.sin(PITCH) + y * math.cos(PITCH)
    scale = FOCAL * height / depth
    return np.stack([width / 2 + x * scale, height / 2 - up * scale], axis=-1)


@functools.lru_cache(maxsize=8)
def frame(width: int, height: int, supersampling: int, device: str) -> Frame:
    """The constant part of every picture of this size, computed once in double precision."""
    directions = _directions(width, height, supersampling)  # (3, S*S, H, W)
    toward = -directions / np.linalg.norm(directions, axis=0)
    halfway = toward + np.reshape(LIGHT, (3, 1, 1, 1))
    halfway /= np.linalg.norm(halfway, axis=0)
    center = _directions(width, height, 1)[:, 0]
    ground = center[[0, 2]] * (HEIGHT / -center[1])  # (2, H, W) x, z where the ray meets the floor

    def constant(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

    objects, shadows = {}, {}
    for cell in range(9):
        for size, r in enumerate(RADIUS):
            z, x = ROWS[cell // 3], COLUMNS[cell % 3]
            reach = REACH * r + MAX_OFFSET
            box = np.array([(x - reach, 0, z - reach), (x + reach, 2 * r, z + reach)])
            at_y, at_x = _window(box, width, height)
            cut = (slice(None), slice(None), at_y, at_x)
            objects[cell, size] = Window(
                at_y, at_x, *(constant(a[cut]) for a in (directions, toward, halfway))
            )
            edge = reach + SOFT
            shift = 2 * r * np.array([SLOPE[0], 0, SLOPE[1]])
            low = np.array([x - edge, 0, z - edge]) + np.minimum(shift, 0)
            high = np.array([x + edge, 0, z + edge]) + np.maximum(shift, 0)
            at_y, at_x = _window(np.array([low, high]), width, height)
            shadows[cell, size] = at_y, at_x, constant(ground[:, at_y, at_x])
    return Frame(constant(_floor(width, height)), objects, shadows)


def _directions(width: int, height: int, supersampling: int) -> np.ndarray:
    """(3, S*S, H, W) float64 rays through a regular SxS grid of samples in every pixel."""
    inner = (np.arange(supersampling) + 0.5) / supersampling
    sub_y, sub_x = (a.reshape(-1, 1, 1) for a in np.meshgrid(inner, inner, indexing="ij"))
    u = (np.arange(width) + sub_x - width / 2) / height  # (S*S, 1, W)
    v = (height / 2 - np.arange(height)[:, None] - sub_y) / height  # (S*S, H, 1)
    u, v = np.broadcast_arrays(u, v)
    y = v * math.cos(PITCH) - FOCAL * math.sin(PITCH)
    z = v * math.sin(PITCH) + FOCAL * math.cos(PITCH)
    return np.stack([u, y, z])


def _window(box: np.ndarray, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns that a box, given by two opposite corners (2, 3), can touch."""
    corners = np.stack(np.meshgrid(*box.T, indexing="ij"), axis=-1)
    xy = project(corners, width, height).reshape(-1, 2)
    limits = (width, height)
    low = np.clip(np.floor(xy.min(0)), 0, limits).astype(int)
    high = np.clip(np.ceil(xy.max(0)), 0, limits).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _floor(width: int, height: int) -> np.ndarray:
    """(3, H, W) colour of the empty floor: lighter in front, bluish behind, corners darker."""
    v = ((np.arange(height) + 0.5) / height)[:, None]
    u = ((np.arange(width) + 0.5) / width - 0.5)[None, :]
    back, front = np.array([(106, 109, 116), (172, 171, 169)], dtype=np.float64)[:, :, None, None]
    near = np.clip(v / 0.85, 0, 1)
    near = near * near * (3 - 2 * near)
    vignette = 1 - 0.55 * (u**2 + 0.7 * (v - 0.55) ** 2)
    return (back + (front - back) * near) * vignette
