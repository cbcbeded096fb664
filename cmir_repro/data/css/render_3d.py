"""The 3D view of a scene: a small ray caster that draws pictures in the manner of CLEVR.

What is drawn follows the released pictures as shown in google/tirg and google/tim-gan; every
number is our choice. Light, camera and floor never change; what changes between two renders of
one scene is the jitter: each object moves by a few pixels and cubes turn.

A pixel depends on its scene and jitter alone. Tensors meet only in elementwise operations that
IEEE 754 rounds exactly (+ - * / sqrt min max compare), never in sums, powers or exponentials, so
neither the size of a batch nor vector lanes change a bit, and a GPU is expected to agree: the
tolerance its test grants is one grey level in one value of a thousand. No tensor is divided by a
number, since CUDA would multiply by the reciprocal instead.
"""

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import camera
from cmir_repro.data.css.camera import Frame, Window
from cmir_repro.data.css.render_2d import check_scenes
from cmir_repro.data.css.scenes import COLOR, EMPTY, MATERIAL, RGB, SHAPE, SHAPES_3D, SIZE
from cmir_repro.data.css.solids import CUBE, CYLINDER, SOLIDS, Solid

MAX_TURN = 0.17  # radians (10 degrees): how far a cube turns from its image's base angle
_STREAM = 0x3D  # keeps these random numbers apart from others drawn with the same key
# Painter's order. Cells are separated by planes x = const and z = const, so drawing the back row
# first, and in each row the outer columns before the middle one, hides exactly what is behind.
_PAINT = (0, 2, 1, 3, 5, 4, 6, 8, 7)
_CPU_CHUNK, _GPU_CHUNK = 64, 1024  # images at once: near the cache, or enough to fill the GPU


def draw_jitter(
    seed: int, numbers: Iterable[int], base_numbers: Iterable[int] | None = None
) -> np.ndarray:
    """Where and how each object of an image stands, from a counter-based generator.

    The rows depend on nothing but seed and numbers, so any image can be rendered again alone.

    Args:
        seed: of the data set, 0 or more.
        numbers: of the N images, 0 or more, unique within the data set.
        base_numbers: image whose base angles each image shares: the source for a target (cubes
            then turn by at most MAX_TURN around them). Default: every image has its own.

    Returns:
        (N, 9, 3) float32: offset along x and z in grid steps, angle in radians.

    Raises:
        InputError: a seed or number out of range, or lists of different lengths.
    """
    numbers = [int(n) for n in numbers]
    bases = numbers if base_numbers is None else [int(n) for n in base_numbers]
    if len(bases) != len(numbers):
        raise InputError(f"{len(numbers)} numbers but {len(bases)} base_numbers; give one each")
    if not all(0 <= n < 2**63 for n in (seed, *numbers, *bases)):
        raise InputError("seed and image numbers must lie in 0..2**63 - 1")
    own = np.array([_uniform(seed, n, 0) for n in numbers]).reshape(-1, 9, 3)
    base = np.array([_uniform(seed, n, 1) for n in bases]).reshape(-1, 9, 3)
    jitter = own * np.array([camera.MAX_OFFSET, camera.MAX_OFFSET, MAX_TURN])
    jitter[..., 2] += base[..., 2] * (np.pi / 4)  # a cube looks the same after 90 degrees
    return jitter.astype(np.float32)


def _uniform(seed: int, number: int, stream: int) -> np.ndarray:
    """27 floats in [-1, 1) that belong to (seed, number, stream)."""
    words = np.random.Philox(key=[seed, number], counter=[0, 0, stream, _STREAM]).random_raw(27)
    return (words >> 11) * 2.0**-52 - 1


def render_3d(
    scenes: np.ndarray,
    jitter: np.ndarray,
    *,
    width: int = 180,
    height: int = 120,
    supersampling: int = 2,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Draw scenes as lit solids on a grey floor.

    Args:
        scenes: (N, 9, 4) int8, see `cmir_repro.data.css.scenes`.
        jitter: (N, 9, 3) float32, offset x, z and angle, see `draw_jitter`; zeros for none.
        width, height: of a picture, in pixels; the view is meant for 3:2.
        supersampling: samples per pixel along each axis, for smooth edges.
        device: where to compute, for instance "cpu" or "cuda".

    Returns:
        (N, height, width, 3) uint8 on `device`, RGB.

    Raises:
        InputError: an array has another shape or dtype, or holds a value out of range.
    """
    check_scenes(scenes)
    _check_jitter(jitter, len(scenes))
    if min(width, height, supersampling) < 1:
        raise InputError(f"no picture of {width}x{height} with supersampling {supersampling}")
    device = torch.device(device)
    view = camera.frame(width, height, supersampling, str(device))
    pictures = torch.empty((len(scenes), height, width, 3), dtype=torch.uint8, device=device)
    step = _CPU_CHUNK if device.type == "cpu" else _GPU_CHUNK
    with _one_thread():
        for i in range(0, len(scenes), step):
            pictures[i : i + step] = _render(scenes[i : i + step], jitter[i : i + step], view)
    return pictures


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch from splitting one operation over the cores, then restore its setting.

    The operations are short: two threads save little, and lose tenfold when another process
    holds one of the cores, because each operation waits for the slower thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_jitter(jitter: np.ndarray, count: int) -> None:
    if not isinstance(jitter, np.ndarray) or jitter.dtype != np.float32:
        kind = jitter.dtype if isinstance(jitter, np.ndarray) else type(jitter).__name__
        raise InputError(f"jitter must be a numpy array of float32, got {kind}")
    if jitter.shape != (count, 9, 3):
        raise InputError(f"jitter must have shape {(count, 9, 3)}, got {jitter.shape}")
    limit = np.float32(camera.MAX_OFFSET)
    # Written so that NaN is refused too.
    if not ((np.abs(jitter[..., :2]) <= limit).all() and np.isfinite(jitter).all()):
        raise InputError(f"jitter must be finite, and its offsets at most {camera.MAX_OFFSET}")


def _render(scenes: np.ndarray, jitter: np.ndarray, view: Frame) -> Tensor:
    """(n, H, W, 3) uint8."""
    groups = _groups(scenes, jitter, view.floor.device)
    light = view.floor.new_ones((len(scenes), 1, *view.floor.shape[1:]))
    for cell, size, shape, images, solid in groups:
        at_y, at_x, ground = view.shadows[cell, size]
        light[images, 0, at_y, at_x] *= _shadow(ground, solid, shape, camera.RADIUS[size])
    canvas = view.floor * light  # (n, 3, H, W)
    for cell, size, shape, images, solid in groups:
        window = view.objects[cell, size]
        alpha, shade, gloss = _shaded(window, solid, shape, camera.RADIUS[size])
        under = canvas[images, :, window.y, window.x]  # (n, 3, h, w)
        over = solid["rgb"] * shade[:, None] + gloss[:, None]
        canvas[images, :, window.y, window.x] = under * (1 - alpha)[:, None] + over
    return (canvas + 0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _groups(scenes: np.ndarray, jitter: np.ndarray, device: torch.device) -> list[tuple]:
    """Objects that share cell, size and shape, back to front: one batch of work each."""
    angle = jitter[..., 2].astype(np.float64)  # in double, so that libraries agree in float32
    values = {
        "x": jitter[..., 0] + np.tile(np.float32(camera.COLUMNS), 3),
        "z": jitter[..., 1] + np.repeat(np.float32(camera.ROWS), 3),
        "cos": np.cos(angle),
        "sin": np.sin(angle),
        "metal": scenes[..., MATERIAL],
    }
    groups = []
    for cell in _PAINT:
        for size in range(len(camera.RADIUS)):
            for shape in range(len(SHAPES_3D)):
                here = (scenes[:, cell, SIZE] == size) & (scenes[:, cell, SHAPE] == shape)
                images = np.flatnonzero(here & (scenes[:, cell, COLOR] != EMPTY))
                if not len(images):
                    continue
                solid = {k: v[images, cell].reshape(-1, 1, 1) for k, v in values.items()}
                solid["rgb"] = RGB[scenes[images, cell, COLOR]].reshape(-1, 3, 1, 1)
                solid = {
                    k: torch.from_numpy(v.astype(np.float32)).to(device) for k, v in solid.items()
                }
                groups.append((cell, size, shape, torch.from_numpy(images).to(device), solid))
    return groups


def _shadow(ground: Tensor, solid: Solid, shape: int, radius: float) -> Tensor:
    """(n, h, w) how much light is left on the floor: a cast shadow and a dark contact.

    The cast shadow is what the footprint (a disc or a square) covers while it slides along the
    light; its edge gets softer with the distance from the object.
    """
    x, z = ground[0] - solid["x"], ground[1] - solid["z"]  # (n, h, w)
    half = (CUBE, 1.0, CYLINDER)[shape] * radius
    disc = (0.03, 1.0, CYLINDER)[shape] * radius  # rounding of the footprint
    # A sphere casts the shadow of its middle; the others stand from floor to top.
    low, high = (0.72 * radius, 1.28 * radius) if shape == 1 else (0.0, 2 * half)
    sx, sz = camera.SLOPE
    along = ((x * sx + z * sz) * (1 / (sx * sx + sz * sz))).clamp(low, high)

    def distance(x: Tensor, z: Tensor, disc: float) -> Tensor:
        if shape != 0:
            return (x * x + z * z).sqrt() - disc
        c, s = solid["cos"], solid["sin"]
        qx, qz = (c * x - s * z).abs() - (half - disc), (s * x + c * z).abs() - (half - disc)
        out = qx.clamp(min=0), qz.clamp(min=0)
        inside = torch.maximum(qx, qz).clamp(max=0)
        return (out[0] * out[0] + out[1] * out[1]).sqrt() + inside - disc

    soft = camera.SOFT * (0.25 + along * (0.75 / (2 * camera.RADIUS[1])))
    cast = _fade(distance(x - along * sx, z - along * sz, disc), -soft, soft)
    contact = _fade(distance(x, z, 0.35 * radius if shape == 1 else disc), 0.0, 0.55 * radius)
    return (1 - 0.42 * cast) * (1 - 0.30 * contact)


def _fade(distance: Tensor, full: Tensor | float, none: Tensor | float) -> Tensor:
    """Smooth step from 1 where distance <= full to 0 where distance >= none."""
    t = ((none - distance) * (1 / (none - full))).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _shaded(window: Window, solid: Solid, shape: int, radius: float) -> tuple:
    """Averages over the samples of each pixel, (n, h, w) each.

    Returns coverage 0..1, what the object's own colour is multiplied with, and the reflection
    that is added to it, 0..255; the latter two already weighted by the coverage.
    """
    solid = {k: v[:, None] if k != "rgb" else v for k, v in solid.items()}  # (n, 1, 1, 1)
    hit, y, n = SOLIDS[shape](window.rays, solid, radius)
    (lx, ly, lz), (vx, vy, vz), (hx, hy, hz) = camera.LIGHT, window.toward, window.halfway
    metal = solid["metal"]
    # A large soft lamp: its light wraps a little around the edge of the shade.
    lamp = (0.88 * (n[0] * lx + n[1] * ly + n[2] * lz) + 0.12).clamp(min=0)
    near = (y * (1 / (0.9 * radius))).clamp(0, 1)
    sky = (0.5 + 0.5 * n[1]) * (0.55 + 0.45 * near)  # the floor hides the sky from the foot
    facing = (n[0] * vx + n[1] * vy + n[2] * vz).clamp(min=0)
    upward = 2 * facing * n[1] - vy  # of the mirrored view
    mirror = _fade(upward, 0.75, 0.0)
    light = 0.13 + 0.36 * sky + 0.62 * lamp
    shade = (light * (1 - 0.30 * metal) + 0.34 * metal * mirror).sqrt()
    shine = (n[0] * hx + n[1] * hy + n[2] * hz).clamp(min=0)
    p8 = _squared(shine, 3)
    p64 = _squared(p8, 3)
    gloss = 12 * p8 + metal * (105 * p64 + 14 * mirror)
    zero = y.new_zeros(())
    return (
        _mean(hit.to(torch.float32)),
        _mean(torch.where(hit, shade, zero)),
        _mean(torch.where(hit, gloss, zero)),
    )


def _squared(x: Tensor, times: int) -> Tensor:
    for _ in range(times):
        x = x * x
    return x


def _mean(samples: Tensor) -> Tensor:
    """(n, S*S, h, w) -> (n, h, w), in a fixed order."""
    total = samples[:, 0]
    for i in range(1, samples.shape[1]):
        total = total + samples[:, i]
    return total * (1 / samples.shape[1])
