"""The solids of the 3D view: where the rays of the camera first meet each of them.

A solid is a dict of tensors (n, 1, 1, 1): x, z of its centre in grid steps, cos, sin of its turn
about the vertical. It stands on the floor, y = 0, and ends below the camera. Every function takes
rays (3, S*S, h, w), a solid and the radius of the sphere of that size, and returns `Hit`: what is
hit (bool), the height of the point above the floor, and the unit normal there (x, y, z), all
(n, S*S, h, w); height and normal have no meaning where nothing is hit.
"""

import torch
from torch import Tensor

from cmir_repro.data.css.camera import HEIGHT

Solid = dict[str, Tensor]
Hit = tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]
# Our choice, as fractions of the sphere's radius, so that the three look equally large.
CUBE = 0.76  # half an edge
CYLINDER = 0.80  # radius and half-height
BEVEL = 0.10  # rounding of edges, in the normals only


def sphere(rays: Tensor, solid: Solid, r: float) -> Hit:
    dx, dy, dz = rays
    ox, oy, oz = -solid["x"], HEIGHT - r, -solid["z"]  # camera as seen from the centre
    a = dx * dx + dy * dy + dz * dz
    b = dx * ox + dy * oy + dz * oz
    disc = b * b - a * (ox * ox + oz * oz + (oy * oy - r * r))
    t = (-b - disc.clamp(min=0).sqrt()) / a
    n = tuple((o + t * d) * (1 / r) for o, d in ((ox, dx), (oy, dy), (oz, dz)))
    return disc > 0, n[1] * r + r, n


def cylinder(rays: Tensor, solid: Solid, r: float) -> Hit:
    half = CYLINDER * r
    dx, dy, dz = rays
    ox, oz = -solid["x"], -solid["z"]
    a = dx * dx + dz * dz
    b = dx * ox + dz * oz
    disc = b * b - a * (ox * ox + oz * oz - half * half)
    t_side = (-b - disc.clamp(min=0).sqrt()) / a
    t_top = (2 * half - HEIGHT) / dy
    # A ray that enters the endless cylinder above the lid can only meet the lid.
    t = torch.maximum(t_side, t_top)
    x, y, z = ox + t * dx, HEIGHT + t * dy, oz + t * dz
    rr = x * x + z * z
    hit = (disc > 0) & (y > 0) & ((t_side >= t_top) | (rr < half * half))
    radial = rr.sqrt()
    bevel = BEVEL * r
    side = (radial - (half - bevel)).clamp(min=0)
    up = (y - (2 * half - bevel)).clamp(min=0)
    scale = 1 / (side * side + up * up).sqrt().clamp(min=1e-6)
    out = side * scale / radial.clamp(min=1e-6)
    return hit, y, (x * out, up * scale, z * out)


def cube(rays: Tensor, solid: Solid, r: float) -> Hit:
    half = CUBE * r
    c, s = solid["cos"], solid["sin"]
    ox, oy, oz = -solid["x"], HEIGHT - half, -solid["z"]
    ox, oz = c * ox - s * oz, s * ox + c * oz  # turn the camera instead of the cube
    dx, dz = c * rays[0] - s * rays[2], s * rays[0] + c * rays[2]
    dy = rays[1]
    enter, leave = None, None
    for o, d in ((ox, dx), (oy, dy), (oz, dz)):
        t1, t2 = (-half - o) / d, (half - o) / d
        low, high = torch.minimum(t1, t2), torch.maximum(t1, t2)
        enter = low if enter is None else torch.maximum(enter, low)
        leave = high if leave is None else torch.minimum(leave, high)
    p = ox + enter * dx, oy + enter * dy, oz + enter * dz
    bevel = BEVEL * r
    n = [torch.copysign((q.abs() - (half - bevel)).clamp(min=0), q) for q in p]
    scale = 1 / (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt().clamp(min=1e-6)
    nx, ny, nz = (q * scale for q in n)
    return leave > enter, p[1] + half, (c * nx + s * nz, ny, c * nz - s * nx)


# By index, in the order of SHAPES_3D.
SOLIDS = (cube, sphere, cylinder)
